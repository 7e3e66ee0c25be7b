/** Readers that go away before the command has written: `modelward … | head`. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bin, samples } from './command.ts';

test.each([
  ['--help'],
  ['graph', 'insert-before', '--help'],
  ['--version'],
  ['inspect', join(samples, 'mlp.onnx')],
])('a closed pipe ends the output of %s %s quietly', (...words) => {
  // The reader is gone before Node has started.
  const script = '"$@" | true; exit "${PIPESTATUS[0]}"';
  const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', process.execPath, bin, ...words], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('help reaches a pipe whole', () => {
  const help = execFileSync(process.execPath, [bin, 'protect', '--help'], { encoding: 'utf8' });
  expect(help).toMatch(/^Usage: modelward protect/);
  expect(help).toContain('Examples:');
});
