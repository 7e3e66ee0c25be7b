/** A sealed model under a new data key: the same files, nothing in the clear on the way, and the old key opens the old file alone. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/system/index.ts';
import { openSealBuffer, parseEnvelope, unwrapDek } from '../../src/seal/index.ts';
import type { ResealResult } from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from '../e2e/command.ts';
import { openHomeKey } from './many.ts';

let place: Workplace;
const at = (name: string): string => join(place.folder, name);
beforeEach(() => {
  place = createWorkplace({ isOneProcess: true });
  copyFileSync(join(samples, 'mlp.onnx'), at('mlp.onnx'));
});
afterEach(() => {
  place.remove();
});

async function readDek(path: string): Promise<Uint8Array> {
  const envelope = parseEnvelope(readFileSync(path));
  return (await unwrapDek({ envelope, unwrappers: [await openHomeKey(place)], clock: systemClock })).dek;
}

test('opens to the same bytes under another data key, which is not that of the old file', async () => {
  const old = place.json<{ sealId: string; envelope: { path: string } }>([
    'seal',
    'mlp.onnx',
    '--out',
    'old.seal/m.seal',
  ]);
  const words = ['keys', 'reseal', 'old.seal/m.seal', '--out', 'new.seal/m.seal'];
  const made = place.json<ResealResult>(words);
  expect(made).toMatchObject({ from: { sealId: old.sealId }, sealed: { path: at('new.seal/m.seal') } });
  expect(made.sealId).not.toBe(old.sealId);
  const [before, after] = [await readDek(old.envelope.path), await readDek(made.envelope.path)];
  expect(Buffer.compare(before, after)).not.toBe(0);
  const plain = readFileSync(at('mlp.onnx'));
  const opened = (dek: Uint8Array) => openSealBuffer({ sealed: readFileSync(at('new.seal/m.seal')), dek });
  expect(() => opened(before)).toThrow(expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }));
  expect(Buffer.from(opened(after)).equals(plain)).toBe(true);
  // Whoever kept the old file and its key goes on opening it: that is what the note says.
  place.json(['open', 'old.seal/m.seal', '--out', 'again']);
  expect(readFileSync(at('again/mlp.onnx')).equals(plain)).toBe(true);
  const { entries } = place.json<{ entries: { type: string; detail: Record<string, string> }[] }>(['ledger', 'show']);
  const ofReseal = entries.filter(({ detail }) => detail.purpose === 'reseal' || detail.sealId === made.sealId);
  expect(ofReseal.map(({ type, detail }) => [type, detail.sealId])).toEqual([
    ['open', old.sealId],
    ['seal', made.sealId],
  ]);
});

test('a damaged file, a key beside the new file, and a file that is there already leave nothing', () => {
  place.json(['seal', 'mlp.onnx', '--out', 'old.seal/m.seal']);
  const codeOf = (...words: readonly string[]): string => {
    const { stdout } = place.run(['keys', 'reseal', 'old.seal/m.seal', ...words, '--json']);
    return (JSON.parse(stdout) as { error: { code: string } }).error.code;
  };
  const envelopes = (): number => readdirSync(join(place.home, 'envelopes')).length;
  mkdirSync(at('there'));
  writeFileSync(at('there/m.seal'), 'x');
  expect(codeOf('--out', 'there/m.seal')).toBe('WRITE_EXISTS');
  expect(codeOf('--out', join(place.home, 'keys/m.seal'))).toBe('KEY_NOT_APART');
  const sealed = readFileSync(at('old.seal/m.seal'));
  sealed[sealed.length - 1] ^= 1;
  writeFileSync(at('old.seal/m.seal'), sealed);
  expect(codeOf('--out', 'new/m.seal')).toBe('SEAL_AUTH_FAILED');
  expect(existsSync(at('new/m.seal'))).toBe(false);
  expect(envelopes()).toBe(1);
});
