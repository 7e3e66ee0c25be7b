/** docs/published-attacks.md: every row names a code that exists, and a test that asserts it on the attack. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS } from '../core/errors.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/published-attacks.md'), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && line.includes(' › '))
  .map((line) => {
    const cells = line.slice(1, -1).split(' | ');
    const [file, ...text] = cells[3].trim().replaceAll('`', '').split(' › ');
    return { attack: cells[0].trim(), code: cells[2].trim().replaceAll('`', ''), file, text: text.join(' › ') };
  });

test('there are rows for every format', () => {
  const found = new Set(rows.map(({ code }) => code.split('_')[0]));
  expect([...found]).toEqual(
    expect.arrayContaining(['SOURCE', 'WRITE', 'ONNX', 'GGUF', 'SAFETENSORS', 'PYTORCH', 'TFLITE']),
  );
});

test.each(rows)('$attack: $code', ({ code, file, text }) => {
  expect(Object.hasOwn(ERRORS, code)).toBe(true);
  const path = join(root, file);
  expect(existsSync(path)).toBe(true);
  const lines = readFileSync(path, 'utf8').split('\n');
  const at = lines.findIndex((line) => line.includes(text));
  expect(at).toBeGreaterThanOrEqual(0);
  // Before the text in a table row, or inside the test that the text names.
  expect(lines.slice(Math.max(0, at - 2), at + 22).join('\n')).toContain(code);
});
