import { describe, expect, test } from 'vitest';
import { findCode } from '../../../test/formats/models.ts';
import { build, f32, i64, node } from '../../../test/surgery/build.ts';
import { reopen } from '../../../test/surgery/graphs.ts';
import { encodeFloats } from '../../model/floats.ts';
import { toMemoryTensor } from '../../model/tensors.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { editGraph, type Transaction } from '../index.ts';
import { toDerivedTensor } from './derived-tensor.ts';

const VALUES = [1, -2, 1 / 3, 4, 65_504, 1e-8];

const model = (): Model =>
  build({
    inputs: [{ name: 'x', dtype: 'f32', shape: [2, 3] }],
    initializers: { w: f32([2, 3], ...VALUES), k: i64(1) },
    nodes: [node('Add', ['x', 'w'], ['y'])],
    outputs: [{ name: 'y', dtype: 'f32', shape: [2, 3] }],
  });

function read(tensor: TensorRef): Uint8Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
}

const edited = (act: (tx: Transaction) => void): Model => reopen(editGraph(model(), act));

describe('castTensor', () => {
  test('rounds each element once, to nearest, as the codec does', () => {
    const tensor = edited((tx) => {
      tx.castTensor('w', 'f16');
    }).graph!.tensors.get('w')!;
    const expected = new Uint8Array(12);
    encodeFloats('f16', Float32Array.from(VALUES), expected);
    expect(tensor).toMatchObject({ dtype: 'f16', shape: [2, 3], storage: 'raw' });
    expect(read(tensor)).toEqual(expected);
  });

  test('to the type that it has costs no byte', () => {
    expect(
      editGraph(model(), (tx) => {
        tx.castTensor('w', 'f32');
      }).document.graph.initializers[0].place,
    ).not.toBeNull();
  });

  test('of integers is refused', () => {
    expect(
      findCode(() =>
        edited((tx) => {
          tx.castTensor('k', 'f16');
        }),
      ),
    ).toBe('SURGERY_TENSOR_DATA');
  });
});

describe('scaleTensor', () => {
  test.each([
    [0, [2, 10], [2, -4, 2 / 3, 40, 655_040, 1e-7]],
    [1, [1, 2, 3], [1, -4, 1, 4, 131_008, 3e-8]],
  ])('multiplies along axis %i', (axis, factors, expected) => {
    const tensor = edited((tx) => {
      tx.scaleTensor('w', axis, { dtype: 'f64', shape: [factors.length], values: factors });
    }).graph!.tensors.get('w')!;
    const values = new Float32Array(read(tensor).buffer);
    // One rounding of the exact product of the f32 weight.
    const exact = VALUES.map((v, i) => Math.fround(Math.fround(v) * factors[axis === 0 ? Math.floor(i / 3) : i % 3]));
    expect([...values]).toEqual(exact);
    values.forEach((value, i) => {
      expect(value / expected[i]).toBeCloseTo(1, 5);
    });
  });

  test.each([
    [0, [1, 2, 3]],
    [2, [1]],
  ])('with factors that do not fit axis %i is refused', (axis, factors) => {
    const act = (): Model =>
      edited((tx) => {
        tx.scaleTensor('w', axis, f32([factors.length], ...factors));
      });
    expect(findCode(act)).toBe('SURGERY_TENSOR_DATA');
  });
});

test('setType declares a value between nodes, and forgets it again', () => {
  const twice = build({
    inputs: [{ name: 'x', dtype: 'f32', shape: [2] }],
    nodes: [node('Neg', ['x'], ['n']), node('Neg', ['n'], ['y'])],
    outputs: ['y'],
  });
  const declared = editGraph(twice, (tx) => {
    tx.setType('n', { dtype: 'f32', shape: ['k'] });
  });
  expect(reopen(declared).graph!.values.get('n')).toMatchObject({ dtype: 'f32', shape: ['k'] });
  const forgotten = editGraph(reopen(declared), (tx) => {
    tx.setType('n', null);
  });
  expect(reopen(forgotten).graph!.values.has('n')).toBe(false);
});

test('a derived tensor gives the same bytes in any cut', () => {
  const count = 20_000;
  const bytes = new Uint8Array(4 * count);
  encodeFloats(
    'f32',
    Float64Array.from({ length: count }, (_, i) => Math.sin(i)),
    bytes,
  );
  const base = { ...toMemoryTensor({ name: 't', dtype: 'f32', shape: [count], bytes }), dtype: 'f32' } as const;
  const map = (values: Float64Array, first: number): void => {
    for (let i = 0; i < values.length; i++) values[i] *= first + i;
  };
  const tensor = toDerivedTensor({ base, dtype: 'f16', map });
  const whole = read(tensor);
  for (const size of [1, 3, 7, 4096, 16_385, 39_999]) {
    for (let at = 0; at < whole.length; at += size === 1 ? 997 : size) {
      const part = new Uint8Array(Math.min(size, whole.length - at));
      tensor.read(at, part);
      expect(Buffer.compare(part, whole.subarray(at, at + part.length))).toBe(0);
    }
  }
  expect(() => {
    tensor.read(whole.length, new Uint8Array(1));
  }).toThrow(TypeError);
});
