import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelPath, toSafetensors } from '../../src/formats/index.ts';
import { applyRewrite } from '../../src/source/rewrite.ts';
import type {
  DetectReport,
  EmbedResult,
  LedgerSummary,
  OpenSealedResult,
  ProtectResult,
} from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

const mlp = join(samples, 'mlp.onnx');
const evalData = join(samples, 'eval.npz');
const FILES = [
  ...(['original', 'marked', 'sealed', 'envelope', 'baseline', 'signature', 'commitment', 'claim', 'report'] as const),
];
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
});
afterAll(() => {
  place.remove();
});

describe('protect', () => {
  test('prints one object that names every file with its digest', () => {
    const result = place.json<ProtectResult>(['protect', mlp, '--eval', evalData, '--owner', 'acme', '--out', 'out']);
    for (const name of FILES) {
      expect(result[name], name).toMatchObject({
        path: expect.any(String),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect(sha256(result[name]?.path ?? ''), name).toBe(result[name]?.sha256);
    }
    expect(result.commitment?.leafIndex).toBeGreaterThanOrEqual(0);
    expect(result.fidelity).toMatchObject({
      samples: 4000,
      accuracyOriginal: expect.any(Number),
      accuracyMarked: expect.any(Number),
      argmaxAgreement: expect.any(Number),
      relativeL2: expect.any(Number),
      runtime: expect.stringMatching(/^onnxruntime-(node|web) /),
    });
    expect(result.mark).toMatchObject({ scheme: 'spread/v1', bits: 256, weights: expect.any(Number) });
    expect(result.mark?.relativeDistortion).toBeGreaterThan(0);
  });

  test('what it wrote can be read back: detect claims, verify finds nothing, open gives the same bytes', () => {
    const marked = join(place.folder, 'out/mlp.marked.onnx');
    expect(place.json(['detect', marked])).toMatchObject({ verdict: 'claim', original: 'not-needed' });
    expect(place.json(['detect', mlp])).toMatchObject({ verdict: 'none' });
    expect(place.json(['verify', marked])).toMatchObject({ verdict: 'unchanged', changes: [] });
    expect(place.json(['verify-signature', marked, '--signature', 'out/mlp.baseline.sig'])).toMatchObject({
      verdict: 'unchanged',
    });
    expect(place.run(['verify-signature', mlp, '--signature', 'out/mlp.baseline.sig']).status).toBe(1);
    const opened = place.json<OpenSealedResult>(['open', 'out/mlp.seal', '--out', 'opened']);
    expect(opened.files[0].sha256).toBe(sha256(marked));
    expect(place.json(['ledger', 'fsck'])).toMatchObject({ findings: [] });
  });

  test('sealed models are inspected, verified and detected without being opened to files', () => {
    const before = readdirSync(place.folder).sort();
    expect(place.json(['inspect', 'out/mlp.seal'])).toMatchObject({
      isSealed: true,
      format: 'onnx',
      parameters: 88_394,
    });
    expect(place.json(['verify', 'out/mlp.seal'])).toMatchObject({ verdict: 'unchanged' });
    expect(place.json(['detect', 'out/mlp.seal'])).toMatchObject({ verdict: 'claim' });
    expect(readdirSync(place.folder).sort()).toEqual(before);
  });

  test('every key use is in the ledger, intent before outcome', () => {
    const { entries } = place.json<LedgerSummary>(['ledger', 'show', '--last', '100']);
    const intents = entries.filter(({ type }) => type === 'key-use-intent');
    expect(intents.length).toBeGreaterThanOrEqual(5);
    for (const { detail } of intents) {
      const outcomes = entries.filter(
        (entry) => entry.type === 'key-use-outcome' && entry.detail.useId === detail.useId,
      );
      expect(outcomes.map((entry) => entry.detail.outcome)).toEqual(['done']);
      const intent = intents.find((entry) => entry.detail.useId === detail.useId);
      expect(outcomes[0].seq).toBeGreaterThan(intent?.seq ?? Number.POSITIVE_INFINITY);
    }
  });

  test('protect warns until the owner has a backup', () => {
    const warn = (out: string): string =>
      place.json<ProtectResult>(['protect', mlp, '--no-mark', '--out', out]).warnings.join(' ');
    expect(warn('before-backup')).toContain('no backup');
    writeFileSync(join(place.folder, 'pass'), 'correct horse battery staple\n', { mode: 0o600 });
    place.json(['keys', 'backup', '--out', 'owner.backup', '--passphrase-file', 'pass']);
    expect(warn('after-backup')).not.toContain('no backup');
  });

  test('protect, detect, verify, seal and open each write an entry', () => {
    const count = (): Record<string, number> => {
      const { entries } = place.json<LedgerSummary>(['ledger', 'show', '--last', '1000']);
      const counts: Record<string, number> = {};
      for (const { type } of entries) counts[type] = (counts[type] ?? 0) + 1;
      return counts;
    };
    const before = count();
    place.json(['protect', mlp, '--eval', evalData, '--out', 'recorded']);
    place.json(['detect', 'recorded/mlp.marked.onnx']);
    place.json(['verify', 'recorded/mlp.marked.onnx']);
    place.json(['seal', mlp, '--out', 'resealed/mlp.seal']);
    place.json(['open', 'resealed/mlp.seal', '--out', 'recorded-opened']);
    const after = count();
    const added = { mark: 1, commit: 1, baseline: 1, seal: 2, detect: 1, verify: 1, open: 1 };
    for (const [type, times] of Object.entries(added)) expect(after[type] - (before[type] ?? 0), type).toBe(times);
    // Sealing twice wraps twice, opening unwraps once: two entries each.
    expect(after['key-use-intent'] - before['key-use-intent']).toBe(3);
    expect(after['key-use-outcome'] - before['key-use-outcome']).toBe(3);
  });

  test('every claim of the home that is tried is one trial more', () => {
    const suspect = 'out/mlp.marked.onnx';
    place.json(['embed', join(samples, 'cnn.onnx'), '--eval', evalData, '--out', 'other']);
    const all = place.json<DetectReport>(['detect', suspect]);
    expect(all.claims).toBeGreaterThan(1);
    const alone = place.json<DetectReport>(['detect', suspect, '--claim', all.claim.path]);
    expect(alone.claims).toBe(1);
    expect(all.trials).toBe(alone.trials * all.claims);
    expect(alone.evidenceBits - all.evidenceBits).toBeCloseTo(Math.log2(all.claims), 6);
  });

  test('a claim that cannot be judged does not hide what another one says of a stranger', () => {
    const stranger = place.json<DetectReport>(['detect', mlp]);
    expect(stranger.verdict).toBe('none');
    // Owner keys are drawn: by chance a stranger shows more than 16 bits once in 65,536 times.
    expect(stranger.evidenceBits).toBeLessThan(16);
    expect(stranger.notes.join(' ')).toContain('1 of 2 claims could not be judged');
    const cnnClaim = readdirSync(join(place.home, 'claims')).find((name) => /^cnn.*claim\.json$/.test(name)) ?? '';
    const alone = place.run(['detect', mlp, '--claim', join(place.home, 'claims', cnnClaim)]);
    expect(alone.status).toBe(4);
  });

  test('the claim opens with the owner key only: the key that opens weights does not open the seed', () => {
    const claimName = readdirSync(join(place.home, 'claims')).find((name) => name.endsWith('.claim.json'))!;
    const owner = JSON.parse(readFileSync(join(place.home, 'owner/owner.key'), 'utf8')) as Record<string, string>;
    const kek = JSON.parse(readFileSync(join(place.home, 'keys/model.kek.json'), 'utf8')) as {
      versions: { kek: string }[];
    };
    const thief = createWorkplace({ isOneProcess: true });
    try {
      cpSync(place.home, thief.home, { recursive: true });
      // A thief who has everything but the owner's sealing key puts the model key in its place.
      const forged = { ...owner, sealKey: Buffer.from(kek.versions[0].kek, 'hex').toString('base64') };
      writeFileSync(join(thief.home, 'owner/owner.key'), JSON.stringify(forged));
      const claim = join(thief.home, 'claims', claimName);
      const refused = thief.run(['detect', join(place.folder, 'out/mlp.marked.onnx'), '--claim', claim, '--json']);
      expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'SIGN_SEED_REFUSED' } });
      expect(refused.status).toBe(5);
    } finally {
      thief.remove();
    }
  });

  test('the home and everything secret in it is readable by the user alone', () => {
    expect(statSync(place.home).mode & 0o777).toBe(0o700);
    for (const path of ['owner/owner.key', 'keys/model.kek.json']) {
      expect(statSync(join(place.home, path)).mode & 0o777, path).toBe(0o600);
    }
  });

  test('detect and verify work without a ledger, and say that nothing was recorded', () => {
    const home = join(place.folder, 'no-ledger');
    cpSync(place.home, home, { recursive: true });
    rmSync(join(home, 'ledger'), { recursive: true });
    writeFileSync(join(home, 'ledger'), 'no folder');
    const marked = 'out/mlp.marked.onnx';
    const detected = place.json<DetectReport>(['detect', marked, '--home', home]);
    expect(detected).toMatchObject({ verdict: 'claim', leafIndex: null });
    const verified = place.json(['verify', marked, '--home', home]);
    expect(verified).toMatchObject({ verdict: 'unchanged', leafIndex: null });
    for (const verb of ['detect', 'verify']) {
      expect(place.run([verb, marked, '--home', home]).stdout).toMatch(/ledger +not recorded/);
    }
  });

  test('a reading without the original says what it could not see', () => {
    copyFileSync(mlp, join(place.folder, 'lost.onnx'));
    const { claim } = place.json<{ claim: { path: string } }>(['embed', 'lost.onnx', '--unmeasured', '--out', 'lost']);
    rmSync(join(place.folder, 'lost.onnx'));
    const { stdout, status } = place.run(['detect', mlp, '--claim', claim.path]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/original +not at hand or of no use: a copy with reordered neurons cannot be read/);
    expect(place.run(['detect', mlp, '--claim', claim.path, '--original', mlp]).stdout).not.toContain('not at hand');
  });

  test('an existing output is refused, and replaced with --force; the seed of the original is used again', () => {
    const refused = place.run(['protect', mlp, '--eval', evalData, '--out', 'out']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('WRITE_EXISTS');
    const first = JSON.parse(readFileSync(join(place.folder, 'out/mlp.commitment.json'), 'utf8')) as {
      preimage: { seeds: object };
    };
    place.json<ProtectResult>(['protect', mlp, '--eval', evalData, '--out', 'out', '--force']);
    const second = JSON.parse(readFileSync(join(place.folder, 'out/mlp.commitment.json'), 'utf8')) as typeof first;
    expect(second.preimage.seeds).toEqual(first.preimage.seeds);
  });

  test('--seal-only writes no plaintext weights: no window of a tensor is in any file that it made', () => {
    const result = place.json<ProtectResult>(['protect', mlp, '--eval', evalData, '--out', 'sealed', '--seal-only']);
    expect(result.marked).toBeNull();
    const opened = place.json<OpenSealedResult>(['open', 'sealed/mlp.seal', '--out', 'sealed-opened']);
    const plain = readFileSync(opened.files[0].path);
    const made = readdirSync(join(place.folder, 'sealed')).map((name) =>
      readFileSync(join(place.folder, 'sealed', name)),
    );
    for (let at = 1000; at + 32 < plain.length; at += 5000) {
      const window = plain.subarray(at, at + 32);
      if (new Set(window).size < 8) continue;
      expect(
        made.some((bytes) => bytes.includes(window)),
        `window at ${at}`,
      ).toBe(false);
    }
    expect(made.some((bytes) => bytes.includes(plain.subarray(-20, -10)))).toBe(false);
    expect(place.json(['detect', 'sealed/mlp.seal'])).toMatchObject({ verdict: 'claim' });
  });

  test('--no-mark seals, signs and records without a claim', () => {
    const result = place.json<ProtectResult>(['protect', mlp, '--out', 'unmarked', '--no-mark']);
    expect(result).toMatchObject({ mark: null, claim: null, commitment: null });
    expect(result.marked?.sha256).toBe(sha256(mlp));
  });

  test('a format that cannot be run ends in 4, and goes on with --unmeasured', () => {
    const model = join(samples, 'mlp.safetensors');
    const refused = place.run(['protect', model, '--out', 'st']);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toContain('FIDELITY_UNMEASURED');
    expect(existsSync(join(place.folder, 'st'))).toBe(false);
    const result = place.json<ProtectResult>(['protect', model, '--out', 'st', '--unmeasured']);
    expect(result.fidelity).toBeNull();
    expect(result.fidelityReason).toMatch(/graph/);
    expect(place.json(['detect', 'st/mlp.marked.safetensors'])).toMatchObject({ verdict: 'claim' });
  });

  test('a mark survives the way from ONNX to safetensors: the suspect has no graph, and is still claimed', () => {
    const { evidenceBits } = place.json<EmbedResult>(['embed', mlp, '--eval', evalData, '--out', 'embedded']);
    expect(evidenceBits).toBeGreaterThan(128);
    const model = openModelPath(join(place.folder, 'embedded/mlp.marked.onnx'));
    const { plan } = toSafetensors(model, 'suspect.safetensors');
    const chunks: Uint8Array[] = [];
    applyRewrite(plan.files[0].ops, { write: (chunk) => chunks.push(Uint8Array.from(chunk)) });
    model.close();
    writeFileSync(join(place.folder, 'suspect.safetensors'), Buffer.concat(chunks));
    expect(place.json(['detect', 'suspect.safetensors'])).toMatchObject({ verdict: 'claim' });
  });

  test('a model that is too small ends in 4 and says what is needed', () => {
    const refused = place.run([
      'protect',
      join(import.meta.dirname, '../fixtures/tiny.safetensors'),
      '--out',
      'tiny',
      '--unmeasured',
    ]);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toContain('WATERMARK_TOO_SMALL');
    expect(refused.stderr).toMatch(/needed/i);
    expect(existsSync(join(place.folder, 'tiny'))).toBe(false);
  });

  test('a key in the folder tree of the sealed file is refused before anything is written', () => {
    mkdirSync(join(place.folder, 'near'));
    const args = ['protect', mlp, '--eval', evalData, '--out', 'near/out', '--key', 'local:near/kek.json'];
    const refused = place.run(args);
    expect(refused.stderr).toContain('KEY_NOT_APART');
    expect(refused.status).not.toBe(70);
    expect(readdirSync(join(place.folder, 'near'))).toEqual([]);
  });
});
