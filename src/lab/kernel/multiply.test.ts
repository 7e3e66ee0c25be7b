import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRng } from '../rng.ts';
import { multiply } from './multiply.ts';

const numRuns = process.env.SLOW === '1' ? 300 : 30;
const size = fc.integer({ min: 1, max: 40 });

function random(length: number, seed: string): Float32Array {
  const rng = createRng(seed);
  return Float32Array.from({ length }, () => rng.gaussian());
}

describe('multiply', () => {
  test('equals the plain triple loop for any sizes and transposes, deep products included', () => {
    fc.assert(
      fc.property(size, size, fc.integer({ min: 1, max: 1100 }), fc.boolean(), fc.boolean(), (m, n, k, aT, bT) => {
        const [a, b, out] = [random(m * k, 'a'), random(k * n, 'b'), random(m * n, 'c')];
        multiply({ a, aTransposed: aT, b, bTransposed: bT, out, m, n, k });
        for (let i = 0; i < m; i += 1) {
          for (let j = 0; j < n; j += 1) {
            let sum = 0;
            for (let x = 0; x < k; x += 1) sum += a[aT ? x * m + i : i * k + x] * b[bT ? j * k + x : x * n + j];
            expect(Math.abs(out[i * n + j] - sum)).toBeLessThan(1e-3);
          }
        }
      }),
      { numRuns },
    );
  });

  test('adds to the output when asked', () => {
    const out = Float32Array.of(10, 20);
    const product = { a: Float32Array.of(1, 2), b: Float32Array.of(3, 4, 5, 6), out, m: 1, n: 2, k: 2 };
    multiply({ ...product, accumulate: true });
    expect([...out]).toEqual([10 + 13, 20 + 16]);
  });

  test.each([
    ['a size is zero', { m: 0 }],
    ['a size is not whole', { k: 1.5 }],
    ['an array is too short', { n: 3 }],
  ])('refuses when %s', (_name, change) => {
    const arrays = { a: new Float32Array(4), b: new Float32Array(4), out: new Float32Array(4) };
    expect(() => {
      multiply({ ...arrays, m: 2, n: 2, k: 2, ...change });
    }).toThrow(TypeError);
  });
});
