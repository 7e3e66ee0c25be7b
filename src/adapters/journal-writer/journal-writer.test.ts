import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createJournalWriter } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'journal-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('lines arrive whole and in their order; none after the end', async () => {
  const path = join(folder, 'lines');
  const fd = openSync(path, 'w');
  const writer = createJournalWriter(fd);
  const lines = Array.from({ length: 2000 }, (_, at) => `{"at":${at},"text":"ä"}\n`);
  for (const line of lines) expect(writer.write(line)).toBe(true);
  await writer.end(10_000);
  expect(writer.write('late\n')).toBe(false);
  closeSync(fd);
  expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
});

test('lines go to another descriptor once it is named, whole and in their order; then the first one is left', async () => {
  const paths = ['rotated', 'fresh'].map((name) => join(folder, name));
  const [first, second] = paths.map((path) => openSync(path, 'w'));
  const writer = createJournalWriter(first);
  const lines = Array.from({ length: 2000 }, (_, at) => `{"at":${at}}\n`);
  let isLeft = false;
  lines.forEach((line, at) => {
    if (at === 1000) {
      writer.moveTo(second, () => {
        isLeft = true;
        closeSync(first);
      });
    }
    expect(writer.write(line)).toBe(true);
  });
  await writer.end(10_000);
  closeSync(second);
  expect(isLeft).toBe(true);
  const [rotated, fresh] = paths.map((path) => readFileSync(path, 'utf8'));
  expect(rotated + fresh).toBe(lines.join(''));
  expect(fresh).toContain(lines[1000]);
});

test('a descriptor that is closed takes lines, and tells nobody', async () => {
  const fd = openSync(join(folder, 'closed'), 'w');
  closeSync(fd);
  const writer = createJournalWriter(fd);
  expect(writer.write('x\n')).toBe(true);
  await writer.end(10_000);
});

/** A pipe whose reader does not read until it is asked to. */
function openPipe() {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const from = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { from, into: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) };
}

test('a reader that stands still loses lines above the cap, and gets the others when it goes on', async () => {
  const { from, into } = openPipe();
  const writer = createJournalWriter(into, 100_000);
  const line = `${'x'.repeat(99)}\n`;
  let taken = 0;
  for (let round = 0; round < 50; round += 1) {
    for (let at = 0; at < 100; at += 1) if (writer.write(line)) taken += 1;
    await new Promise(setImmediate);
  }
  expect(taken).toBeLessThan(5000);
  const ended = writer.end(10_000);
  const buffer = Buffer.alloc(1 << 20);
  let bytes = 0;
  while (bytes < taken * line.length) {
    try {
      bytes += readSync(from, buffer);
    } catch {
      await new Promise((done) => setTimeout(done, 5));
    }
  }
  await ended;
  expect(bytes).toBe(taken * line.length);
  closeSync(from);
  closeSync(into);
});
