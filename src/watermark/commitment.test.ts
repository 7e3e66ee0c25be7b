import { describe, expect, test } from 'vitest';
import { memoryModel, memoryTensor, seededNumbers } from '../../test/fakes/memory-model.ts';
import { toHex, utf8 } from '../core/bytes.ts';
import type { Json } from '../core/canonical-json.ts';
import { LIMITS } from '../core/limits.ts';
import { WATERMARK_LIMITS } from '../core/limits/watermark.ts';
import { type Claim, createClaim, encodeClaim, openOwnSeed, parseClaim } from './claim.ts';
import { createCommitment, verifyCommitment } from './commitment.ts';
import { detectMark } from './detect.ts';
import { isCounted, toModelDigest, toOriginalDigest } from './digest.ts';
import { deriveMarkKeys, deriveSeeds, toMessageBits } from './seeds.ts';
import { embedMark } from './spread/embed.ts';
import { createSlots } from './spread/slots.ts';

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
const digestA = new Uint8Array(32).fill(0xaa);
const coded = (code: string): Error => expect.objectContaining({ code }) as Error;

describe('seeds and commitment, the vectors of docs/spec', () => {
  test('commitment.md §5: sub-seeds, keys, commitment', () => {
    const seeds = deriveSeeds(seed);
    expect(toHex(seeds.own)).toBe('26e6d546d566ecd81f791199bf514238cb3a585ef1cd510eb77246f43f0107ff');
    expect(toHex(seeds.api)).toBe('be0c57ae1b3ce84ca31a81f4a59daace010db5abf8811503285a78c5ce7b7c98');
    const keys = deriveMarkKeys(seeds.own, 'own', digestA);
    expect(toHex(keys.positions)).toBe('74d8af5a48f75863a7489ab5a17f59df2ad50ab811cb3689f04ab89884602ab1');
    expect(toHex(keys.bits)).toBe('0e9cee0c4baa21ffdb052159c9af082f4729408cf4c4c3f81547f876a334e0f2');
    const { digest, preimage } = createCommitment({
      ownerKey: 'k',
      ownerId: 'alice',
      originalDigest: digestA,
      markedDigest: new Uint8Array(32).fill(0xbb),
      params: {},
      seeds,
    });
    expect(preimage.seeds.own).toBe('60331a8a8a7df123e423250d300186e88488d695bd6a0036a067516ceae7608c');
    expect(digest).toBe('07b06dccbad84ea484da1cc50371f3fefb31cd01fc4304c63ebbe3bb844c52be');
  });

  test('watermark.md §8: message bits and slot codes', () => {
    const keys = deriveMarkKeys(deriveSeeds(seed).own, 'own', digestA);
    const packed = new Uint8Array(32);
    toMessageBits(keys.bits, 'alice', 256).forEach((bit, i) => {
      if (bit > 0) packed[i >> 3] |= 1 << (i & 7);
    });
    expect(toHex(packed)).toBe('13e4596cf035b3ae3b82bb97bf43d60cf51b0bfa20707bcd33b954ed016a61db');
    const codes = createSlots(keys.positions, 256, new Float64Array(0)).codes(3);
    expect([...codes.subarray(0, 16)]).toEqual([
      45, 16, 478, 309, 17, 62, 353, 284, 162, 63, 375, 164, 421, 144, 326, 234,
    ]);
  });

  test('original-digest.md §5: one small model', () => {
    const { digest, tensors } = toModelDigest(memoryModel([memoryTensor('any', [2, 2], [1, 2, 3, 4])]));
    expect(tensors.get('any')).toBe('06147b8334b7acd275330a2ce4d3e5c3b41dfd2d51e1a35061d010c8e0d2eeba');
    expect(toHex(digest)).toBe('2cf7fdadb998c67ff86ad9e744681159a87dc8eb183679fb55c55ec140cb86ae');
  });

  test('a slot tile serves every bit equally often, with balanced chips', () => {
    const keys = deriveMarkKeys(deriveSeeds(seed).own, 'own', digestA);
    const slots = createSlots(keys.positions, 1024, Float64Array.from([0, 5]));
    const counts = new Uint32Array(1024);
    let positive = 0;
    for (const code of slots.codes(5)) {
      counts[code % 1024]++;
      if (code < 1024) positive++;
    }
    expect(new Set(counts)).toEqual(new Set([4]));
    expect(Math.abs(positive - 2048)).toBeLessThan(160);
    expect([...slots.codes(5)]).toEqual([...createSlots(keys.positions, 1024, new Float64Array(0)).codes(5)]);
  });
});

describe('disclosure', () => {
  const seeds = deriveSeeds(seed);
  const commitment = createCommitment({
    ownerKey: 'k',
    ownerId: 'alice',
    originalDigest: digestA,
    markedDigest: digestA,
    params: { tau: 0.1 },
    seeds,
  });

  test('one shown sub-seed is checked against the commitment; another purpose or seed is refused', () => {
    verifyCommitment(commitment, { purpose: 'own', subSeed: seeds.own });
    expect(() => {
      verifyCommitment(commitment, { purpose: 'recipient', subSeed: seeds.own });
    }).toThrow(coded('WATERMARK_SEED_MISMATCH'));
    expect(() => {
      verifyCommitment(commitment, { purpose: 'own', subSeed: deriveSeeds(digestA).own });
    }).toThrow(coded('WATERMARK_SEED_MISMATCH'));
  });

  test('a changed preimage no longer has the committed hash', () => {
    const forged = { ...commitment, preimage: { ...commitment.preimage, ownerId: 'mallory' } };
    expect(() => {
      verifyCommitment(forged, { purpose: 'own', subSeed: seeds.own });
    }).toThrow(coded('WATERMARK_CLAIM_MALFORMED'));
  });

  test('sub-seeds are pairwise different and none is the seed', () => {
    const all = [seed, ...Object.values(seeds)].map(toHex);
    expect(new Set(all).size).toBe(6);
  });
});

/** A SeedBox that really binds the additional data, as the owner's does. */
const seedBox = {
  sealSeed: (sealed: Uint8Array, aad: Uint8Array): Json => ({ sealed: toHex(sealed), aad: toHex(aad) }),
  openSeed: (box: Json, aad: Uint8Array): Uint8Array => {
    const { sealed, aad: bound } = box as { sealed: string; aad: string };
    if (bound !== toHex(aad)) throw new TypeError('box was sealed for something else');
    return new Uint8Array(Buffer.from(sealed, 'hex'));
  },
};

function makeClaim() {
  const random = seededNumbers(2);
  const values = Array.from({ length: 160 * 128 }, () => random.normal());
  const original = memoryModel([memoryTensor('w', [160, 128], values)]);
  const originalDigest = toOriginalDigest(original);
  const mark = embedMark({ model: original, ownSeed: deriveSeeds(seed).own, ownerId: 'alice', originalDigest });
  const claim = createClaim({
    seed,
    seedBox,
    ownerKey: 'k',
    ownerId: 'alice',
    originalDigest,
    markedDigest: digestA,
    mark,
  });
  return { claim, original };
}

describe('claim file', () => {
  test('it is read back as written, opens its seed, and detects with nothing else', () => {
    const { claim, original } = makeClaim();
    const read = parseClaim(encodeClaim(claim));
    expect(read).toEqual(claim);
    const ownSeed = openOwnSeed(read, seedBox);
    expect(toHex(ownSeed)).toBe(toHex(deriveSeeds(seed).own));
    expect(detectMark({ suspect: original, claim: read, ownSeed }).verdict).toBe('none');
  });

  test('the seed box is bound to the commitment: a box of another claim does not open', () => {
    const { claim } = makeClaim();
    const other: Claim = { ...claim, commitment: { ...claim.commitment, digest: '00'.repeat(32) } };
    expect(() => openOwnSeed(other, seedBox)).toThrow('sealed for something else');
  });

  test('a key that was not committed is refused by the detector', () => {
    const { claim, original } = makeClaim();
    expect(() => detectMark({ suspect: original, claim, ownSeed: digestA })).toThrow(coded('WATERMARK_SEED_MISMATCH'));
  });

  test.each<[string, (claim: Record<string, unknown>) => void]>([
    [
      'an unknown member',
      (claim) => {
        claim.extra = 1;
      },
    ],
    [
      'another version',
      (claim) => {
        claim.v = 2;
      },
    ],
    [
      'a changed layer list',
      (claim) => {
        claim.layers = [];
      },
    ],
    [
      'layers that were not committed',
      (claim) => {
        claim.layers = ['w', 'w'];
      },
    ],
    [
      'another owner',
      (claim) => {
        const commitment = claim.commitment as { preimage: { ownerId: string } };
        commitment.preimage.ownerId = 'mallory';
      },
    ],
    [
      'a topology that was not committed',
      (claim) => {
        (claim.topology as { layers: { outAxis: number }[] }).layers[0].outAxis = 1;
      },
    ],
  ])('%s is refused', (_name, change) => {
    const value = JSON.parse(Buffer.from(encodeClaim(makeClaim().claim)).toString()) as Record<string, unknown>;
    change(value);
    expect(() => parseClaim(utf8(JSON.stringify(value)))).toThrow(coded('WATERMARK_CLAIM_MALFORMED'));
  });

  test('bytes that are no JSON, no UTF-8 or too many are refused', () => {
    expect(() => parseClaim(utf8('{'))).toThrow(coded('WATERMARK_CLAIM_MALFORMED'));
    expect(() => parseClaim(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(coded('WATERMARK_CLAIM_MALFORMED'));
    const tooMany = new Uint8Array(WATERMARK_LIMITS.claimBytesMax + 1);
    expect(() => parseClaim(tooMany)).toThrow(coded('WATERMARK_CLAIM_MALFORMED'));
    expect(WATERMARK_LIMITS.claimBytesMax).toBeLessThanOrEqual(LIMITS.jsonBytesMax);
  });
});

describe('originalDigest', () => {
  test('names, order and uncounted tensors do not matter; one weight, shape or type does', () => {
    const a = memoryTensor('a', [2, 3], [1, 2, 3, 4, 5, 6]);
    const b = memoryTensor('b', [4], [7, 8, 9, 10]);
    const shape = memoryTensor('shape', [2], [2, 3], 'i64');
    const base = toHex(toOriginalDigest(memoryModel([a, b])));
    const same = [
      [b, a],
      [{ ...a, name: 'x' }, b],
      [a, b, shape],
    ];
    for (const tensors of same) expect(toHex(toOriginalDigest(memoryModel(tensors)))).toBe(base);
    const others = [
      [a],
      [a, b, b],
      [memoryTensor('a', [2, 3], [1, 2, 3, 4, 5, 7]), b],
      [memoryTensor('a', [3, 2], [1, 2, 3, 4, 5, 6]), b],
      [memoryTensor('a', [2, 3], [1, 2, 3, 4, 5, 6], 'f64'), b],
    ];
    for (const tensors of others) expect(toHex(toOriginalDigest(memoryModel(tensors)))).not.toBe(base);
    expect(isCounted(memoryModel([memoryTensor('codes', [2, 2], [1, 2, 3, 4], 'i8')]).tensors[0])).toBe(true);
  });
});
