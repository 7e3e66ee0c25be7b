import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nodeStorage } from './node-storage.ts';
import { stageFile } from './staged-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'staged-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const stage = (replace: boolean) =>
  stageFile({ storage: nodeStorage, path: join(folder, 'out'), mode: 0o600, replace });

test('the name appears on commit only, with all bytes', () => {
  const staged = stage(false);
  staged.write(Uint8Array.of(1, 2));
  staged.write(Uint8Array.of(3));
  expect(readdirSync(folder)).not.toContain('out');
  staged.commit();
  expect(readdirSync(folder)).toEqual(['out']);
  expect([...readFileSync(join(folder, 'out'))]).toEqual([1, 2, 3]);
});

test('abort leaves the old file and nothing else', () => {
  writeFileSync(join(folder, 'out'), 'old');
  const staged = stage(true);
  staged.write(Uint8Array.of(1));
  staged.abort();
  expect(readdirSync(folder)).toEqual(['out']);
  expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('old');
});

test('an existing file is refused unless it may be replaced, also when it appears meanwhile', () => {
  const staged = stage(false);
  writeFileSync(join(folder, 'out'), 'other');
  expect(() => {
    staged.commit();
  }).toThrow(expect.objectContaining({ code: 'WRITE_EXISTS' }));
  staged.abort();
  expect(() => stage(false)).toThrow(expect.objectContaining({ code: 'WRITE_EXISTS' }));
  expect(readdirSync(folder)).toEqual(['out']);
});
