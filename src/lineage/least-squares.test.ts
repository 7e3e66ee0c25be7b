import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findRelativeDistance, solve, toCentred, toCosine, toMoments } from './least-squares.ts';

/** Numbers that are spread, the same every time. */
const column = (seed: number, count = 200): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin((i + 1) * (seed + 1.37) * 12.9898) * 3);

const fit = (...columns: (Float32Array | null)[]) => {
  const moments = toMoments(columns);
  return solve(toCentred(moments), moments.columns, moments.count);
};

describe('least squares', () => {
  test('finds the shares of a mixture, whatever is added to all of it', () => {
    const share = fc.double({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(share, share, share, (a, b, offset) => {
        const [x, y] = [column(1), column(2)];
        const { coefficients, residual } = fit(
          x.map((value, i) => a * value + b * y[i] + offset),
          x,
          y,
        );
        expect(coefficients[0]).toBeCloseTo(a, 4);
        expect(coefficients[1]).toBeCloseTo(b, 4);
        if (Math.abs(a) + Math.abs(b) > 0.1) expect(residual).toBeLessThan(1e-3);
      }),
    );
  });

  test('of something else leaves nearly everything, with errors that cover the shares', () => {
    const { coefficients, errors, residual } = fit(column(5, 4000), column(1, 4000), column(2, 4000));
    expect(residual).toBeGreaterThan(0.99);
    coefficients.forEach((value, i) => {
      expect(Math.abs(value!)).toBeLessThan(5 * errors[i]!);
    });
  });

  test('leaves out what is zero, missing, or said by those before it', () => {
    const [x, y] = [column(1), column(2)];
    const twice = x.map((value) => 2 * value);
    expect(fit(y, x, twice, null, new Float32Array(200), y).coefficients).toEqual([
      expect.closeTo(0, 5),
      null,
      null,
      null,
      expect.closeTo(1, 5),
    ]);
    expect(fit(new Float32Array(200), x).residual).toBe(0);
  });

  test('the cosine does not see a scale or an offset, the distance does', () => {
    const x = column(1);
    const moments = toMoments([x.map((value) => 3 * value + 1), x, new Float32Array(200)]);
    expect(toCosine(moments, 1)).toBeCloseTo(1, 6);
    expect(toCosine(moments, 2)).toBe(0);
    expect(findRelativeDistance(moments, 1)).toBeGreaterThan(2);
    expect(findRelativeDistance(moments, 2)).toBeNull();
    expect(findRelativeDistance(toMoments([x, x]), 1)).toBe(0);
  });
});
