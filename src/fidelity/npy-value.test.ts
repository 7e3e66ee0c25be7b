import { expect, test } from 'vitest';
import type { DType } from '../model/dtype.ts';
import { openBufferSource } from '../source/buffer.ts';
import { readNpyValue, toNpyBytes } from './npy-value.ts';
import { encodeValues } from './values.ts';

const values = Float64Array.of(1, 2, 3, 4, 5, 6);

test.each<DType>([
  'f64',
  'f32',
  'f16',
  'i64',
  'i32',
  'i16',
  'i8',
  'u64',
  'u32',
  'u16',
  'u8',
])('a value of %s is written as npy and read back', (dtype) => {
  const value = { dtype, shape: [2, 3], data: encodeValues(dtype, values) };
  const bytes = toNpyBytes(value);
  expect((bytes.length - value.data.length) % 64).toBe(0);
  expect(readNpyValue(openBufferSource('x.npy', bytes), dtype)).toEqual(value);
});

test('one dimension has its comma, and types that NumPy lacks are refused', () => {
  const bytes = toNpyBytes({ dtype: 'u8', shape: [6], data: encodeValues('u8', values) });
  expect(Buffer.from(bytes).toString('latin1')).toContain("'shape': (6,)");
  expect(() => toNpyBytes({ dtype: 'bf16', shape: [1], data: new Uint8Array(2) })).toThrow(
    expect.objectContaining({ code: 'RUNTIME_DTYPE_UNSUPPORTED' }),
  );
});
