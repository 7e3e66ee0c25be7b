import { describe, expect, test } from 'vitest';
import { f32Bytes, i64Bytes } from '../../test/tiny-onnx.ts';
import type { RuntimeTensor } from '../model/runtime.ts';
import { addRun, createTally, toAgreement, toRelativeL2 } from './tally.ts';

const f32 = (shape: number[], values: number[]): RuntimeTensor => ({ dtype: 'f32', shape, data: f32Bytes(values) });
const zeros = (shape: number[]): RuntimeTensor =>
  f32(shape, new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0));
const rows = (total: number, count = total): { total: number; count: number } => ({ total, count });

describe('what an output is', () => {
  test.each([
    ['logits', [2, 10], 'classes'],
    ['logits', [2, 10, 1, 1], 'classes'],
    ['sigmoid', [2, 1], 'values'],
    ['scores', [2, 4420, 2], 'values'],
    ['boxes', [2, 4], 'values'],
    ['embedding', [2, 512], 'values'],
    ['pooled', [7, 10], 'values'],
  ])('%s %j of two samples: %s', (name, shape, kind) => {
    expect(createTally(name, zeros(shape), 2, true).kind).toBe(kind);
  });

  test('integers of shape [samples] are class numbers; without a batch axis [K] are scores', () => {
    const label: RuntimeTensor = { dtype: 'i64', shape: [2], data: i64Bytes([3, 4]) };
    expect(createTally('label', label, 2, true).kind).toBe('label');
    expect(createTally('y', zeros([10]), 1, false)).toMatchObject({ kind: 'classes', classCount: 10 });
  });
});

describe('sums', () => {
  test('relative L2 is over all runs, and rows that fill a fixed batch do not count', () => {
    const tally = createTally('y', zeros([2, 2]), 2, true);
    addRun(tally, f32([2, 2], [3, 0, 0, 4]), f32([2, 2], [3, 0, 0, 4]), rows(2));
    const decisions = addRun(tally, f32([2, 2], [0, 5, 9, 9]), f32([2, 2], [5, 0, -9, 99]), rows(2, 1));
    expect(decisions).toEqual({ original: Int32Array.of(1), marked: Int32Array.of(0) });
    expect(toRelativeL2(tally)).toBeCloseTo(Math.sqrt(50 / 50), 12);
    expect(toAgreement(tally)).toBeCloseTo(2 / 3, 12);
  });

  test('equal scores answer the first class, scores that are no numbers answer none', () => {
    const tally = createTally('y', zeros([3, 2]), 3, true);
    const scores = f32([3, 2], [1, 1, Number.NaN, 0, Number.NaN, Number.NaN]);
    expect(addRun(tally, scores, scores, rows(3))!.original).toEqual(Int32Array.of(0, 1, -1));
    expect(toRelativeL2(tally)).toBe(0);
  });

  test('no distance: one value finite and its counterpart not, other shapes, a norm of zero', () => {
    const add = (a: RuntimeTensor, b: RuntimeTensor): number | null => {
      const tally = createTally('y', a, 1, true);
      addRun(tally, a, b, rows(1));
      return toRelativeL2(tally);
    };
    expect(add(f32([1, 2], [1, 2]), f32([1, 2], [1, Number.POSITIVE_INFINITY]))).toBeNull();
    expect(add(zeros([1, 2]), zeros([1, 3]))).toBeNull();
    expect(add(zeros([1, 2]), f32([1, 2], [0, 1]))).toBeNull();
    expect(add(zeros([1, 2]), zeros([1, 2]))).toBe(0);
    expect(add(f32([1, 2], [Number.NaN, 1]), f32([1, 2], [Number.NaN, 1]))).toBe(0);
  });
});
