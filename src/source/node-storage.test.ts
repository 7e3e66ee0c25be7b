import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { nodeStorage } from './node-storage.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelward-storage-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const codeOfReading = (path: string): string => codeOf(() => nodeStorage.read(path));

test('a file is read whole, up to 256 MiB; a larger one is refused before memory is taken', () => {
  const path = join(folder, 'plain');
  writeFileSync(path, 'bytes');
  expect(Buffer.from(nodeStorage.read(path)).toString()).toBe('bytes');
  truncateSync(path, 256 * 1024 * 1024 + 1);
  expect(codeOfReading(path)).toBe('SOURCE_UNREADABLE');
});

test('what has no end, or would wait for a writer, is refused at once', () => {
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  mkdirSync(join(folder, 'sub'));
  for (const path of ['/dev/zero', join(folder, 'pipe'), join(folder, 'sub')]) {
    expect(codeOfReading(path), path).toBe('SOURCE_NOT_A_FILE');
  }
  expect(codeOfReading(join(folder, 'none'))).toBe('SOURCE_NOT_FOUND');
  expect(codeOfReading(join(folder, 'plain', 'below'))).toBe('SOURCE_NOT_FOUND');
});

test('a name that was taken since anyone looked is refused, and both files stay what they were', () => {
  const [from, to] = [join(folder, 'mine'), join(folder, 'theirs')];
  writeFileSync(from, 'mine');
  writeFileSync(to, 'theirs');
  const code = codeOf(() => {
    nodeStorage.renameToFree(from, to);
  });
  expect(code).toBe('WRITE_EXISTS');
  expect([from, to].map((path) => readFileSync(path, 'utf8'))).toEqual(['mine', 'theirs']);
  rmSync(to);
  nodeStorage.renameToFree(from, to);
  expect(readFileSync(to, 'utf8')).toBe('mine');
  expect(nodeStorage.exists(from)).toBe(false);
});
