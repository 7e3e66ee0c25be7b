import { createHash } from 'node:crypto';
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EmbedResult, OpenSealedResult, SealModelResult, WriteLabelResult } from '../../src/workflows/index.ts';
import { findRuntime } from '../../src/adapters/runtime/index.ts';
import { readNpyValue, toNpyBytes } from '../../src/fidelity/index.ts';
import { openFileSource } from '../../src/source/index.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

const mlp = join(samples, 'mlp.onnx');
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(mlp, join(place.folder, 'mlp.onnx'));
});
afterAll(() => {
  place.remove();
});

describe('label', () => {
  test('text, a UUID and a logo file are stored and read back; a copy with other low bits has none', () => {
    place.json<WriteLabelResult>(['label', 'write', 'mlp.onnx', '--text', 'acme, licence 7', '--out', 'text.onnx']);
    expect(place.json(['label', 'read', 'text.onnx'])).toMatchObject({ label: 'acme, licence 7' });
    const { label } = place.json<{ label: string }>(['label', 'write', 'mlp.onnx', '--uuid', '--out', 'uuid.onnx']);
    expect(place.json(['label', 'read', 'uuid.onnx'])).toMatchObject({ label });
    writeFileSync(
      join(place.folder, 'logo.bin'),
      Uint8Array.from({ length: 500 }, (_, i) => (i * 37) & 255),
    );
    place.json(['label', 'write', 'mlp.onnx', '--file', 'logo.bin', '--out', 'logo.onnx']);
    place.json(['label', 'read', 'logo.onnx', '--out', 'logo.read']);
    expect(sha256(join(place.folder, 'logo.read'))).toBe(sha256(join(place.folder, 'logo.bin')));
    const none = place.run(['label', 'read', 'mlp.onnx', '--json']);
    expect(JSON.parse(none.stdout)).toMatchObject({ error: { code: 'WATERMARK_LABEL_ABSENT' } });
  });

  test('a checksum names the file that was labelled', () => {
    const original = sha256(join(place.folder, 'mlp.onnx'));
    const written = place.json(['label', 'write', 'mlp.onnx', '--checksum', '--out', 'sum.onnx']);
    expect(written).toMatchObject({ label: original, checksum: original, payloadBytes: 64 });
    expect(place.json(['label', 'read', 'sum.onnx'])).toMatchObject({ label: original });
  });

  test('it says that it is a label, and takes exactly one source', () => {
    const { statement } = place.json<WriteLabelResult>([
      'label',
      'write',
      'mlp.onnx',
      '--text',
      'x',
      '--out',
      'x.onnx',
    ]);
    expect(statement).toContain('not a watermark');
    expect(place.run(['label', 'write', 'mlp.onnx', '--text', 'x', '--uuid', '--out', 'y.onnx']).status).toBe(2);
  });
});

describe('seal and open', () => {
  test('any file is sealed; the plaintext that stays is named; opening needs the envelope of the home', () => {
    writeFileSync(join(place.folder, 'notes.txt'), 'weights and biases');
    const sealed = place.json<SealModelResult>(['seal', 'notes.txt', '--out', 'sealed/notes.seal']);
    expect(sealed.plaintextLeft).toEqual([join(place.folder, 'notes.txt')]);
    expect(sealed.key.note).toBe('same machine: for trial');
    const opened = place.json<OpenSealedResult>(['open', 'sealed/notes.seal']);
    expect(readFileSync(opened.files[0].path, 'utf8')).toBe('weights and biases');
    const stranger = createWorkplace({ isOneProcess: true });
    try {
      cpSync(join(place.folder, 'sealed/notes.seal'), join(stranger.folder, 'notes.seal'));
      const refused = stranger.run(['open', 'notes.seal', '--json']);
      expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'ENVELOPE_NOT_FOUND' } });
      expect(refused.status).toBe(5);
      expect(readdirSync(stranger.folder)).not.toContain('notes.opened');
    } finally {
      stranger.remove();
    }
  });

  test('a damaged sealed file opens to nothing', () => {
    place.json(['seal', 'mlp.onnx', '--out', 'sealed/damaged.seal']);
    const bytes = readFileSync(join(place.folder, 'sealed/damaged.seal'));
    bytes[bytes.length - 40] ^= 1;
    writeFileSync(join(place.folder, 'sealed/damaged.seal'), bytes);
    const refused = place.run(['open', 'sealed/damaged.seal', '--json']);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'SEAL_AUTH_FAILED' } });
    expect(readdirSync(place.folder).filter((name) => name.includes('damaged'))).toEqual([]);
  });
});

describe('keys', () => {
  test('a backup restores the owner in an empty home: old claims are read there', () => {
    place.json<EmbedResult>(['embed', 'mlp.onnx', '--eval', join(samples, 'eval.npz'), '--out', 'marked']);
    writeFileSync(join(place.folder, 'pass'), 'correct horse battery staple\n', { mode: 0o600 });
    place.json(['keys', 'backup', '--out', 'owner.backup', '--passphrase-file', 'pass']);
    expect(place.json(['keys', 'show'])).toMatchObject({ backedUp: true });
    const again = place.run(['keys', 'backup', '--out', 'owner.backup', '--passphrase-file', 'pass']);
    expect(again.stderr).toContain('WRITE_EXISTS');
    const other = createWorkplace({ isOneProcess: true });
    try {
      for (const name of ['owner.backup', 'pass']) cpSync(join(place.folder, name), join(other.folder, name));
      chmodSync(join(other.folder, 'pass'), 0o600);
      other.json(['keys', 'restore', 'owner.backup', '--passphrase-file', 'pass']);
      const claim = readdirSync(join(place.home, 'claims')).find((name) => name.endsWith('.claim.json')) ?? '';
      const suspect = join(place.folder, 'marked/mlp.marked.onnx');
      const read = other.json(['detect', suspect, '--claim', join(place.home, 'claims', claim)]);
      expect(read).toMatchObject({ verdict: 'claim' });
      expect(other.run(['keys', 'restore', 'owner.backup', '--passphrase-file', 'pass']).stderr).toContain(
        'OWNER_EXISTS',
      );
    } finally {
      other.remove();
    }
  });

  test('a wrong passphrase and a readable passphrase file are refused', () => {
    const other = createWorkplace({ isOneProcess: true });
    try {
      cpSync(join(place.folder, 'owner.backup'), join(other.folder, 'owner.backup'));
      writeFileSync(join(other.folder, 'pass'), 'not that one, sorry', { mode: 0o600 });
      const wrong = other.run(['keys', 'restore', 'owner.backup', '--passphrase-file', 'pass']);
      expect(wrong.stderr).toContain('SIGN_BACKUP_REFUSED');
      expect(wrong.status).toBe(5);
      chmodSync(join(other.folder, 'pass'), 0o644);
      const exposed = other.run(['keys', 'restore', 'owner.backup', '--passphrase-file', 'pass']);
      expect(exposed.stderr).toContain('CLI_SECRET_FILE_EXPOSED');
    } finally {
      other.remove();
    }
  });
});

describe('run', () => {
  test('a sealed model answers as the open one does, and leaves nothing but its answers', async () => {
    place.json(['seal', 'mlp.onnx', '--out', 'sealed/run.seal']);
    const input = join(place.folder, 'x.npy');
    const shape = [2, 1, 12, 12];
    const data = new Uint8Array(new Float32Array(288).map((_, i) => (i % 17) / 17).buffer);
    writeFileSync(input, toNpyBytes({ dtype: 'f32', shape, data }));
    const { outputs } = place.json<{ outputs: { path: string; shape: number[] }[] }>([
      ...['run', 'sealed/run.seal', '--input', input, '--out', place.folder],
    ]);
    expect(outputs[0].shape).toEqual([2, 10]);
    // The input, the output, and what the ledger gained; nothing else.
    const made = readdirSync(place.folder, { recursive: true, encoding: 'utf8' }).filter(
      (path) => !path.startsWith('home'),
    );
    expect(made.filter((path) => path.endsWith('.npy')).sort()).toEqual(['logits.npy', 'x.npy']);
    const runtime = await findRuntime();
    const open = await runtime.load({ main: readFileSync(mlp), external: [] });
    const answers = await open.run(new Map([['input', { dtype: 'f32', shape, data }]]));
    await open.release();
    const sealedAnswer = readNpyValue(openFileSource(outputs[0].path), 'f32');
    expect(sealedAnswer).toEqual(answers.get('logits'));
    expect(place.run(['run', 'sealed/run.seal', '--input', input, input, '--json']).stdout).toContain(
      'RUN_INPUTS_MISSING',
    );
    rmSync(outputs[0].path);
    place.json(['run', mlp, '--input', input, '--out', place.folder]);
    expect(readNpyValue(openFileSource(outputs[0].path), 'f32')).toEqual(sealedAnswer);
  });
});

test('a refusal before any key was asked for is counted in the ledger', () => {
  const stranger = createWorkplace({ isOneProcess: true });
  try {
    cpSync(join(place.folder, 'sealed/run.seal'), join(stranger.folder, 'run.seal'));
    expect(stranger.run(['open', 'run.seal', '--out', 'x']).status).toBe(5);
    const waiting = readFileSync(join(stranger.home, 'ledger/refusals.json'), 'utf8');
    expect(waiting).toContain('ENVELOPE_NOT_FOUND');
  } finally {
    stranger.remove();
  }
});

describe('disclose', () => {
  test('a judge reads a suspect with claim and disclosed seed, without the owner; another seed is refused', () => {
    const names = readdirSync(join(place.home, 'claims')).filter((name) => name.endsWith('.claim.json'));
    const claim = join(place.home, 'claims', names[0]);
    place.json(['disclose', claim, '--out', 'seed.json']);
    const suspect = join(place.folder, 'marked/mlp.marked.onnx');
    const judge = createWorkplace({ isOneProcess: true });
    try {
      const args = ['detect', suspect, '--claim', claim, '--seed', join(place.folder, 'seed.json')];
      expect(judge.json(args)).toMatchObject({ verdict: 'claim', leafIndex: null });
      expect(readdirSync(judge.folder)).toEqual([]);
      const seed = JSON.parse(readFileSync(join(place.folder, 'seed.json'), 'utf8')) as Record<string, string>;
      const write = (change: object): void => {
        writeFileSync(join(judge.folder, 'seed.json'), JSON.stringify({ ...seed, ...change }));
      };
      const refusal = (): string => judge.run([...args.slice(0, -1), 'seed.json', '--json']).stdout;
      write({ seed: '0'.repeat(64) });
      expect(refusal()).toContain('WATERMARK_SEED_MISMATCH');
      write({ commitment: '0'.repeat(64) });
      expect(refusal()).toContain('SEED_OF_ANOTHER_CLAIM');
      write({ more: 1 });
      expect(refusal()).toContain('SEED_FILE_MALFORMED');
      const other = join(judge.folder, 'seed.json');
      rmSync(other);
      place.json(['disclose', claim, '--purpose', 'probe', '--out', other]);
      expect(refusal()).toContain('SEED_OF_ANOTHER_PURPOSE');
      write({ purpose: 'probe' });
      expect(refusal()).toContain('SEED_OF_ANOTHER_PURPOSE');
    } finally {
      judge.remove();
    }
  });
});
