import { describe, expect, test } from 'vitest';
import { seededNumbers } from '../../../test/fakes/memory-model.ts';
import { toDirections } from './directions.ts';

const FEATURES = 24;

/** Rows with deviation `along` on two known orthogonal directions and 1 elsewhere. */
function rowsWith(along: readonly [number, number], count = 4000): { rows: Float32Array; axes: Float64Array[] } {
  const random = seededNumbers(5);
  const first = Float64Array.from({ length: FEATURES }, () => 1 / Math.sqrt(FEATURES));
  const second = first.map((value, i) => (i % 2 === 0 ? value : -value));
  const rows = new Float32Array(count * FEATURES);
  for (let row = 0; row < count; row++) {
    const [a, b] = [along[0] * random.normal(), along[1] * random.normal()];
    for (let i = 0; i < FEATURES; i++) rows[row * FEATURES + i] = random.normal() + a * first[i] + b * second[i];
  }
  return { rows, axes: [first, second] };
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);
}

describe('principal directions', () => {
  test('the two directions of largest mean square are found, with their powers, in order', () => {
    const { rows, axes } = rowsWith([9, 4]);
    const { vectors, powers, meanPower } = toDirections(rows, FEATURES, 4);
    expect(Math.abs(dot(vectors.subarray(0, FEATURES), axes[0]))).toBeGreaterThan(0.99);
    expect(Math.abs(dot(vectors.subarray(FEATURES, 2 * FEATURES), axes[1]))).toBeGreaterThan(0.99);
    expect(powers[0] / 82).toBeCloseTo(1, 1);
    expect(powers[1] / 17).toBeCloseTo(1, 1);
    expect(meanPower).toBeCloseTo((FEATURES + 81 + 16) / FEATURES, 0);
  });

  test('a mean counts like a spread: the constant direction is found', () => {
    const rows = new Float32Array(300 * FEATURES).map((_, i) => 3 + ((i * 7919) % 13) / 13);
    const { vectors } = toDirections(rows, FEATURES, 1);
    expect(Math.abs(dot(vectors, new Float64Array(FEATURES).fill(1 / Math.sqrt(FEATURES))))).toBeGreaterThan(0.999);
  });

  test('directions are orthonormal, and rows of low rank give no direction beyond it', () => {
    const { vectors } = toDirections(rowsWith([9, 4]).rows, FEATURES, 6);
    for (let a = 0; a < 6; a++) {
      for (let b = 0; b <= a; b++) {
        const product = dot(vectors.subarray(a * FEATURES, (a + 1) * FEATURES), vectors.subarray(b * FEATURES));
        expect(product).toBeCloseTo(a === b ? 1 : 0, 9);
      }
    }
    const single = new Float32Array(FEATURES).map((_, i) => i + 1);
    const { powers } = toDirections(single, FEATURES, 3);
    expect(powers[0]).toBeCloseTo(4900, 0);
    expect(powers[1]).toBeCloseTo(0, 6);
  });
});
