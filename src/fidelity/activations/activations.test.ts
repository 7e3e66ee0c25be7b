import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { build, i64, node } from '../../../test/surgery/build.ts';
import { findRuntime } from '../../adapters/runtime/index.ts';
import { silentProgress } from '../../core/ports.ts';
import type { FeedSource } from '../feeds.ts';
import { readRuntimeModel } from '../runtime-model.ts';
import { Distribution, type Statistics } from './distribution.ts';
import { type Activation, observeValues } from './observe.ts';

function describeNumbers(...runs: readonly (readonly number[])[]): Statistics {
  const distribution = new Distribution();
  for (const run of runs) distribution.add(Float64Array.from(run));
  for (const run of runs) distribution.count(Float64Array.from(run));
  return distribution.toStatistics();
}

describe('a distribution', () => {
  test('of numbers in several runs is that of all of them', () => {
    const numbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 1, maxLength: 4 }), (runs) => {
        const all = runs.flat();
        const found = describeNumbers(...runs);
        const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
        const variance = all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length;
        expect(found).toMatchObject({ elements: all.length, min: Math.min(...all), max: Math.max(...all) });
        expect(Math.abs(found.mean! - mean)).toBeLessThan(1e-6);
        expect(Math.abs(found.deviation! - Math.sqrt(variance))).toBeLessThan(1e-3);
        expect(found.zeroShare).toBe(all.filter((value) => value === 0).length / all.length);
        expect(found.histogram!.reduce((sum, count) => sum + count, 0)).toBe(all.length);
      }),
    );
  });

  test('counts NaN and infinities apart; bins are of equal width', () => {
    const found = describeNumbers([0, 24, 23.5, 12, NaN, Infinity, -Infinity, 1]);
    expect(found).toMatchObject({ min: 0, max: 24, nanShare: 1 / 8, infinityShare: 2 / 8, zeroShare: 1 / 8 });
    const counts = new Array<number>(24).fill(0);
    [counts[0], counts[1], counts[12], counts[23]] = [1, 1, 1, 2];
    expect(found.histogram).toEqual(counts);
  });

  test('of nothing finite has shares and no range; of one number has one bin', () => {
    expect(describeNumbers([NaN, NaN])).toMatchObject({ min: null, mean: null, nanShare: 1, histogram: null });
    expect(describeNumbers([])).toMatchObject({ elements: 0, zeroShare: 0, histogram: null });
    expect(describeNumbers([-1e308, 1e308]).histogram).toMatchObject({ 0: 1, 23: 1 });
    expect(describeNumbers([3, 3])).toMatchObject({ min: 3, max: 3, deviation: 0 });
  });
});

describe('observed values', () => {
  const model = build({
    inputs: [{ name: 'x', dtype: 'f32', shape: ['n', 2] }],
    initializers: { zero: i64(0) },
    nodes: [
      node('Relu', ['x'], ['r']),
      node('Log', ['r'], ['l']),
      node('Cast', ['r'], ['b'], { to: { int: '16' } }),
      node('Cast', ['b'], ['c'], { to: { int: '1' } }),
      node('SequenceConstruct', ['c'], ['s']),
      node('SequenceAt', ['s', 'zero'], ['y']),
    ],
    outputs: [{ name: 'y', dtype: 'f32', shape: ['n', 2] }],
  });
  const rows = [-1, 2, 0, 4, 1, -3, 8, 0];
  const source: FeedSource = {
    samples: 4,
    hasBatchAxis: true,
    step: 3,
    isFree: true,
    toRows: (count) => count,
    make: (start, count) => {
      const data = new Uint8Array(Float32Array.from(rows.slice(2 * start, 2 * (start + count))).buffer);
      return new Map([['x', { dtype: 'f32', shape: [count, 2], data }]]);
    },
  };
  const observe = async (...names: readonly string[]): Promise<readonly Activation[]> => {
    const runtime = await findRuntime();
    const given = { runtime, model: readRuntimeModel(model), graph: model.graph!, source, progress: silentProgress };
    const { samples, values } = await observeValues({ ...given, names });
    expect(samples).toBe(4);
    return values;
  };

  test('are those of every sample: an input, inner values, an output', async () => {
    const [x, r, l, y] = await observe('x', 'r', 'l', 'y', 'r');
    expect(x).toMatchObject({ kind: 'observed', elements: 8, min: -3, max: 8, zeroShare: 2 / 8 });
    expect(x).toHaveProperty('mean', expect.closeTo(11 / 8, 12));
    expect(r).toMatchObject({ name: 'r', dtype: 'f32', shape: [1, 2], min: 0, max: 8, zeroShare: 0.5 });
    expect(r).toHaveProperty('mean', expect.closeTo(15 / 8, 12));
    expect(l).toMatchObject({ min: 0, max: Math.fround(Math.log(8)), infinityShare: 0.5, nanShare: 0 });
    expect(y).toMatchObject({ min: 0, max: 8, elements: 8 });
  });

  test('that the runtime cannot show are named with the reason, and hide no others', async () => {
    const values = await observe('r', 'b', 's', 'l');
    expect(values.map(({ name, kind }) => [name, kind])).toEqual([
      ['r', 'observed'],
      ['b', 'hidden'],
      ['s', 'hidden'],
      ['l', 'observed'],
    ]);
    expect(values[2]).toMatchObject({ code: 'RUNTIME_DTYPE_UNSUPPORTED' });
  });
});
