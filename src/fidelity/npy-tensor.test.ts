import { expect, test } from 'vitest';
import { concatBytes } from '../core/bytes.ts';
import { encodeBlocks } from '../model/blocks.ts';
import { encodeFloats } from '../model/floats.ts';
import { toMemoryTensor } from '../model/tensors.ts';
import type { TensorRef } from '../model/types.ts';
import { openBufferSource } from '../source/buffer.ts';
import { findNpyTensor } from './npy-tensor.ts';
import { readNpyDType, readNpyValue, toNpyBytes } from './npy-value.ts';
import { toValues } from './values.ts';

const memory = (dtype: TensorRef['dtype'], shape: readonly number[], bytes: Uint8Array): TensorRef =>
  toMemoryTensor({ name: 't', dtype, shape, bytes });

/** The file, with its pieces copied as they come: their memory is used again. */
function toFile(tensor: TensorRef): Uint8Array {
  const npy = findNpyTensor(tensor)!;
  const bytes = concatBytes(...Array.from(npy.pieces(), (piece) => piece.slice()));
  expect(bytes.length).toBe(npy.totalBytes);
  return bytes;
}

const read = (file: Uint8Array): number[] => {
  const source = openBufferSource('t.npy', file);
  return [...toValues(readNpyValue(source, readNpyDType(source)))];
};

test('types that NumPy has are written as they are, over many pieces too', () => {
  const data = new Uint8Array(new Float32Array(600_001).map((_, i) => i / 7).buffer);
  const expected = toNpyBytes({ dtype: 'f32', shape: [600_001], data });
  expect(Buffer.compare(toFile(memory('f32', [600_001], data)), expected)).toBe(0);
  expect(findNpyTensor(memory('f32', [600_001], data))!.note).toBeNull();
});

test.each(['bf16', 'f8e4m3fn', 'f8e5m2', 'f6e2m3', 'f4e2m1'] as const)('%s becomes f32 without loss', (dtype) => {
  const values = [0, 0.5, 1, -1.5, 2, -3, 4, 1];
  const bits = { bf16: 16, f8e4m3fn: 8, f8e5m2: 8, f6e2m3: 6, f4e2m1: 4 }[dtype];
  const bytes = new Uint8Array(bits);
  encodeFloats(dtype, values, bytes);
  const tensor = memory(dtype, [2, 4], bytes);
  expect(read(toFile(tensor))).toEqual(values);
  expect(findNpyTensor(tensor)).toMatchObject({ dtype: 'f32', note: `${dtype} decoded to f32` });
});

test('4- and 2-bit integers become 8-bit ones with their signs', () => {
  expect(read(toFile(memory('i4', [3], Uint8Array.of(0x8f, 0x07))))).toEqual([-1, -8, 7]);
  expect(read(toFile(memory('u4', [3], Uint8Array.of(0x8f, 0x07))))).toEqual([15, 8, 7]);
  expect(read(toFile(memory('i2', [4], Uint8Array.of(0b11_10_01_00))))).toEqual([0, 1, -2, -1]);
});

test('quantised blocks become f32; those that cannot be decoded, and text, have no file', () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => (i % 32) - 16);
  const blocks = new Uint8Array(68);
  // A scale of 1 in f16.
  for (const at of [0, 34]) blocks.set([0x00, 0x3c], at);
  encodeBlocks('q8_0', values, blocks);
  expect(read(toFile(memory('q8_0', [2, 32], blocks)))).toEqual([...values]);
  expect(findNpyTensor(memory('iq1_s', [256], new Uint8Array(50)))).toBeUndefined();
  expect(findNpyTensor(memory('string', [1], new Uint8Array(4)))).toBeUndefined();
});

test('codes with scales beside them stay codes, and the note says so', () => {
  const quantization = {
    axis: null,
    count: 1,
    read: () => ({ scales: new Float64Array(1), zeroPoints: new Float64Array(1) }),
  };
  const npy = findNpyTensor({ ...memory('i8', [2], Uint8Array.of(1, 255)), quantization });
  expect(npy).toMatchObject({ dtype: 'i8', note: 'codes as stored; scales and zero points are not applied' });
});

test('a scalar and an empty tensor have their shapes', () => {
  expect(read(toFile(memory('u8', [2, 0], new Uint8Array(0))))).toEqual([]);
  expect(Buffer.from(toFile(memory('u8', [], Uint8Array.of(3)))).toString('latin1')).toContain("'shape': ()");
});
