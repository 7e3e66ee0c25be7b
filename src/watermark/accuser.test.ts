/** What somebody may try who has the victim's model and no mark in it; each way out is closed, with its own code. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { toMarkedModel } from '../../test/fakes/marked-model.ts';
import { memoryModel, memoryTensor, seededNumbers } from '../../test/fakes/memory-model.ts';
import { sampleNullKeys } from '../../test/fakes/null-keys.ts';
import { type Claim, encodeClaim, parseClaim } from './claim.ts';
import { toCommitmentDigest } from './commitment.ts';
import { detectMark } from './detect.ts';
import { deriveSeeds } from './seeds.ts';

const random = seededNumbers(41);
const weightsOf = (): number[] => Array.from({ length: 160 * 160 }, () => random.normal());
const victim = memoryModel([memoryTensor('w', [160, 160], weightsOf())]);
const { model: marked, claim, ownSeed } = toMarkedModel(victim);

describe('a malicious accuser', () => {
  test('who fits a key to the weights has nowhere to put it', () => {
    // A random column turned until its projection has the wanted sign: no bit is wrong, in microseconds.
    const values = new Float32Array(victim.data[0].data.slice().buffer);
    const columns = Array.from({ length: 256 }, (_, bit) => {
      const signs = Array.from(values, () => Math.sign(random.normal()));
      const isWrong = signs.reduce((sum, sign, i) => sum + sign * values[i], 0) > 0 !== (bit & 1) > 0;
      return signs.map((sign) => (isWrong ? -sign : sign));
    });
    const wrong = columns.filter(
      (signs, bit) => signs.reduce((sum, s, i) => sum + s * values[i], 0) > 0 !== (bit & 1) > 0,
    );
    expect(wrong).toHaveLength(0);
    for (const member of ['positions', 'matrix', 'message']) {
      const fitted = { ...claim, [member]: [1, 2, 3] };
      expect(codeOf(() => parseClaim(encodeClaim(fitted)))).toBe('WATERMARK_KEY_FITTED');
    }
    const { params } = claim.commitment.preimage;
    const preimage = { ...claim.commitment.preimage, params: { ...params, projection: 'fitted' } };
    const inParams = { ...claim, commitment: { preimage, digest: toCommitmentDigest(preimage) } } as unknown as Claim;
    expect(codeOf(() => parseClaim(encodeClaim(inParams)))).toBe('WATERMARK_KEY_FITTED');
  });

  test('who shows a seed that was not committed is refused', () => {
    const other = deriveSeeds(new Uint8Array(32).fill(9)).own;
    expect(codeOf(() => detectMark({ suspect: marked, claim, ownSeed: other }))).toBe('WATERMARK_SEED_MISMATCH');
  });

  test('who takes the marked copy, or a made-up original, as the reference is refused', () => {
    const madeUp = memoryModel([memoryTensor('w', [160, 160], weightsOf())]);
    for (const original of [marked, madeUp]) {
      expect(codeOf(() => detectMark({ suspect: marked, claim, ownSeed, original }))).toBe('ALIGN_REFERENCE_REFUSED');
    }
  });

  test('who grinds seeds gets what chance gives: 1,500 of them stay far below a flag', () => {
    const found = sampleNullKeys(victim, 1500, new Uint8Array(32).fill(5));
    const best = Math.max(...found.map(({ evidenceBits }) => evidenceBits));
    expect(best).toBeGreaterThan(4);
    expect(best).toBeLessThan(32);
  });
});
