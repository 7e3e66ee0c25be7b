import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openBufferSource } from '../source/index.ts';
import { codeOf } from '../../test/error-code.ts';
import { readArrays, toNpyBytes } from './index.ts';

const samples = join(import.meta.dirname, '../../samples');

test('an npy file is one nameless array, in its own element type', () => {
  const value = {
    dtype: 'f32',
    shape: [2, 3],
    data: new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6.5]).buffer),
  } as const;
  expect([...readArrays(openBufferSource('x.npy', toNpyBytes(value)))]).toEqual([['', value]]);
});

test('an npz file gives all its arrays by their names', () => {
  const arrays = readArrays(openBufferSource('eval.npz', readFileSync(join(samples, 'eval.npz'))));
  expect([...arrays.keys()].sort()).toEqual(['x', 'y']);
  for (const { shape, data } of arrays.values()) expect(data.length).toBeGreaterThanOrEqual(shape[0]);
});

test('other bytes are refused', () => {
  for (const bytes of [Buffer.from('PK nothing'), Buffer.from('{"x":[1]}'), Buffer.alloc(0)]) {
    expect(codeOf(() => readArrays(openBufferSource('x', bytes)))).toBe('DATA_MALFORMED');
  }
});
