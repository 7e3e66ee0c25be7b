import { describe, expect, test } from 'vitest';
import { createRng } from '../../rng.ts';
import { addGaussian, drawAnew, shiftFilters, toDeviation } from './noise.ts';
import { pruneRandom, pruneRows, pruneSmallest } from './prune.ts';
import { roundToFloat, roundToFp8, roundToInts, roundToQ4, roundToQ8 } from './round.ts';

const rng = createRng('kernels');
const gaussian = Float32Array.from({ length: 64 * 1024 }, () => rng.gaussian());

function toRelativeError(rounded: Float32Array): number {
  const difference = gaussian.map((value, at) => value - rounded[at]);
  return Math.sqrt(
    difference.reduce((sum, value) => sum + value * value, 0) / gaussian.reduce((sum, value) => sum + value * value, 0),
  );
}

describe('rounding of Gaussian weights has the error that is known of each type', () => {
  test.each<[string, (values: Float32Array) => Float32Array, number, number]>([
    ['Q8_0', roundToQ8, 0.004, 0.007],
    ['Q4_0', roundToQ4, 0.08, 0.095],
    ['fp8 e4m3', (values) => roundToFp8(values, 'f8e4m3fn'), 0.024, 0.028],
    ['int4, 128 to a scale', (values) => roundToInts(values, 4, 128), 0.11, 0.13],
    ['bf16', (values) => roundToFloat(values, 'bf16'), 0.001, 0.002],
  ])('%s', (_name, round, low, high) => {
    const error = toRelativeError(round(gaussian));
    expect(error).toBeGreaterThan(low);
    expect(error).toBeLessThan(high);
  });

  test('blocks have no more levels than their codes, and zeros stay zeros', () => {
    expect(new Set(roundToQ4(gaussian.subarray(0, 32))).size).toBeLessThanOrEqual(16);
    expect(new Set(roundToInts(gaussian.subarray(0, 128), 4, 128)).size).toBeLessThanOrEqual(15);
    for (const round of [roundToQ4, roundToQ8])
      expect(round(new Float32Array(33)).every((value) => value === 0)).toBe(true);
    expect(roundToFp8(new Float32Array(3), 'f8e5m2')).toEqual(new Float32Array(3));
  });
});

describe('pruning', () => {
  test('of equal sizes the first go, and exactly as many as asked', () => {
    const values = Float32Array.of(-1, 1, 1, -1, 2, 0.5);
    expect([...pruneSmallest(values, 0.5)]).toEqual([0, 0, 1, -1, 2, 0]);
    expect(pruneSmallest(values, 0)).toEqual(values);
    expect(pruneSmallest(values, 1).every((value) => value === 0)).toBe(true);
  });

  test('random pruning takes about its share, the same for equal seeds', () => {
    const pruned = pruneRandom(gaussian, 0.3, 's');
    const share = pruned.filter((value) => value === 0).length / gaussian.length;
    expect(Math.abs(share - 0.3)).toBeLessThan(0.01);
    expect(pruneRandom(gaussian, 0.3, 's')).toEqual(pruned);
    expect(pruneRandom(gaussian, 0.3, 't')).not.toEqual(pruned);
  });

  test('whole rows go, the weakest first', () => {
    expect([...pruneRows(Float32Array.of(3, 3, 1, 1, 2, 2), 3, 1 / 3)]).toEqual([3, 3, 0, 0, 2, 2]);
  });
});

describe('noise', () => {
  test('layers drawn anew have the size of the old ones and nothing else of them', () => {
    const fresh = drawAnew(gaussian, 'anew');
    const product = gaussian.reduce((sum, value, at) => sum + value * fresh[at], 0);
    expect(toDeviation(fresh) / toDeviation(gaussian)).toBeCloseTo(1, 1);
    expect(Math.abs(product) / gaussian.length).toBeLessThan(0.02);
    expect(drawAnew(gaussian, 'anew')).toEqual(fresh);
    expect(drawAnew(gaussian, 'other')).not.toEqual(fresh);
  });

  test('is as large as asked', () => {
    const noisy = addGaussian(gaussian, 0.5, 's');
    expect(Math.abs(toDeviation(noisy.map((value, at) => value - gaussian[at])) - 0.5)).toBeLessThan(0.01);
  });

  test('shifting takes a multiple of the mean filter off, under noise', () => {
    const filters = Float32Array.from({ length: 4000 }, (_, at) => (at % 4 === 0 ? 10 : 0));
    const shifted = shiftFilters(filters, 1000, 1.5, 's');
    const firsts = shifted.filter((_, at) => at % 4 === 0);
    expect(firsts.reduce((sum, value) => sum + value, 0) / firsts.length).toBeCloseTo(-5, 0);
  });
});
