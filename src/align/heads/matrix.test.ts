import { describe, expect, test } from 'vitest';
import { seededNumbers } from '../../../test/fakes/memory-model.ts';
import { mixRows, multiplyTurned, solve, transpose } from './matrix.ts';

const numbers = seededNumbers(9);
const draw = (count: number): number[] => Array.from({ length: count }, () => numbers.normal());

describe('small matrices', () => {
  test('what is solved for is found again, also where the first pivot is zero', () => {
    const x = Float64Array.from(draw(8));
    for (const m of [Float64Array.from(draw(16)), Float64Array.of(0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 3, 0)]) {
      const b = mixRows(m, Float32Array.from(x), 4);
      const found = solve(m, Float64Array.from(b), 4)!;
      found.forEach((value, at) => {
        expect(value).toBeCloseTo(x[at], 4);
      });
    }
  });

  test('dependent rows have no solution', () => {
    expect(solve(Float64Array.of(1, 2, 2, 4), Float64Array.of(1, 1), 2)).toBeNull();
    expect(solve(new Float64Array(4), Float64Array.of(1, 1), 2)).toBeNull();
    expect(solve(Float64Array.of(Number.NaN, 0, 0, 1), Float64Array.of(1, 1), 2)).toBeNull();
  });

  test('products of rows, and their transpose', () => {
    const [a, b] = [Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(1, 0, 0, 0, 1, 0)];
    expect([...multiplyTurned(a, b, 2)]).toEqual([1, 2, 4, 5]);
    expect([...transpose(multiplyTurned(a, b, 2), 2)]).toEqual([1, 4, 2, 5]);
  });
});
