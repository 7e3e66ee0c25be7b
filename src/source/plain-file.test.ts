/** What would be lost when a path is replaced: the file itself, by whatever name, and all that lies in a folder. */
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { holdsFile } from './plain-file.ts';

let root: string;
const at = (...names: readonly string[]): string => join(root, ...names);

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'holds-'));
  mkdirSync(at('models', 'deep'), { recursive: true });
  mkdirSync(at('models-2'));
  writeFileSync(at('models', 'deep', 'a.onnx'), 'a');
  writeFileSync(at('models', 'b.onnx'), 'a');
  symlinkSync(at('models'), at('link'));
  symlinkSync(at('models', 'deep', 'a.onnx'), at('a-link.onnx'));
  linkSync(at('models', 'deep', 'a.onnx'), at('a-hard.onnx'));
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

test.each([
  ['models/deep/a.onnx'],
  ['models/deep'],
  ['models'],
  ['link'],
  ['a-link.onnx'],
  ['a-hard.onnx'],
  ['models/../models'],
])('%s holds the file', (path) => {
  expect(holdsFile(join(root, path), at('models', 'deep', 'a.onnx'))).toBe(true);
  expect(holdsFile(join(root, path), at('a-link.onnx'))).toBe(true);
});

test.each([['models/b.onnx'], ['models-2'], ['nothing'], ['models/deep/a.onnx/x']])('%s does not', (path) => {
  expect(holdsFile(join(root, path), at('models', 'deep', 'a.onnx'))).toBe(false);
});

test('a file that does not exist is nowhere', () => {
  expect(holdsFile(root, at('nothing'))).toBe(false);
});
