import { describe, expect, it } from 'vitest';
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import { createRng } from '../../lab/index.ts';
import { toMemoryTensor } from '../../model/index.ts';
import { findClassShift, type LastLayer, readLastLayer } from './last-layer.ts';

const [classes, features] = [6, 32];
const rng = createRng('last layer');
const rows = Float32Array.from({ length: classes * features }, () => rng.gaussian());
/** Row 2 moves towards class 4, row 4 away from itself; everything else by noise. */
const shifted = rows.map((value, at) => {
  const [row, column] = [Math.floor(at / features), at % features];
  const towards = row === 2 ? 0.1 : row === 4 ? -0.1 : 0;
  return value + towards * rows[4 * features + column] + 0.01 * rng.gaussian();
});

const toTensor = (values: Float32Array, shape: readonly number[]) =>
  toMemoryTensor({ name: 'w', dtype: 'f32', shape, bytes: new Uint8Array(values.slice().buffer) });
const turn = (values: Float32Array) =>
  values.map((_, at) => values[(at % classes) * features + Math.floor(at / classes)]);

function read(after: Float32Array, isInOut = false): LastLayer | null {
  const shape = isInOut ? [features, classes] : [classes, features];
  const [a, b] = [rows, after].map((values) => toTensor(isInOut ? turn(values) : values, shape));
  return readLastLayer({ before: a, after: b, isTurned: false, outputAxis: isInOut ? 1 : 0 });
}

describe('the class that a last layer moved towards another', () => {
  it('is named, however the layer is stored', () => {
    const straight = findClassShift(read(shifted)!)!;
    expect(straight).toMatchObject({ from: 4, to: 2 });
    expect(straight.value).toBeGreaterThan(0.9);
    expect(findClassShift(read(shifted, true)!)).toEqual(straight);
  });

  it('is weak where all rows moved anyhow, and where one row moved in a direction of no class', () => {
    const anyhow = findClassShift(read(rows.map((value) => value + 0.1 * rng.gaussian()))!)!;
    const single = findClassShift(read(rows.map((value, at) => value + (at < features ? rng.gaussian() : 0)))!)!;
    expect([anyhow.value, single.value].every((value) => value < 0.4)).toBe(true);
  });

  it('leaves out what was pruned', () => {
    const pruned = shifted.map((value, at) => (at % 3 === 0 ? 0 : value));
    expect(findClassShift(read(pruned)!)).toMatchObject({ from: 4, to: 2 });
    expect(findClassShift(read(rows.map((value, at) => (at % 3 === 0 ? 0 : value)))!)).toBeNull();
  });

  it('is not looked for in layers of few outputs, nor in those that are too large to be read whole', () => {
    const few = toTensor(rows, [DIFF_LIMITS.classesMin - 1, (classes * features) / (DIFF_LIMITS.classesMin - 1)]);
    expect(readLastLayer({ before: few, after: few, isTurned: false, outputAxis: 0 })).toBeNull();
    const shape = [1024, DIFF_LIMITS.lastLayerElementsMax / 1024 + 1];
    const unread = { name: 'big', dtype: 'f32', shape, elementCount: shape[0] * shape[1] };
    const big = { ...toTensor(rows, [classes, features]), ...unread, read: () => expect.unreachable() } as never;
    expect(readLastLayer({ before: big, after: big, isTurned: false, outputAxis: 0 })).toBeNull();
  });
});
