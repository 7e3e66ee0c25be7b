import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  toHardEvidenceBits,
  toLog2BinomialTail,
  toLog2HypergeometricTail,
  toLogFactorial,
  toNormalQuantile,
  toPairedChange,
  toSoftEvidenceBits,
} from './stats.ts';

/** P[X ≥ k] · 2^n as an exact integer. */
function exactTail(n: number, k: number): bigint {
  let term = 1n;
  let sum = 0n;
  for (let i = 0; i <= n; i++) {
    if (i >= k) sum += term;
    term = (term * BigInt(n - i)) / BigInt(i + 1);
  }
  return sum;
}

function log2Big(value: bigint): number {
  const text = value.toString(2);
  return text.length - 53 > 0
    ? Math.log2(Number(value >> BigInt(text.length - 53))) + text.length - 53
    : Math.log2(Number(value));
}

describe('stats', () => {
  test('log factorials agree with exact products across the switch to the series', () => {
    let exact = 0;
    for (let n = 1; n <= 200; n++) {
      exact += Math.log(n);
      expect(toLogFactorial(n)).toBeCloseTo(exact, 10);
    }
  });

  test('binomial tails agree with exact integer sums for every k', () => {
    for (const n of [1, 7, 64, 256, 1024]) {
      for (let k = 1; k <= n; k += Math.ceil(n / 40)) {
        expect(toLog2BinomialTail(n, k, 0.5)).toBeCloseTo(log2Big(exactTail(n, k)) - n, 8);
      }
    }
  });

  test('hypergeometric tails agree with exact counts for every number of hits', () => {
    const choose = (n: number, k: number): bigint => {
      let result = 1n;
      for (let i = 0; i < k; i++) result = (result * BigInt(n - i)) / BigInt(i + 1);
      return k < 0 || k > n ? 0n : result;
    };
    for (const [population, successes, draws] of [
      [10, 4, 3],
      [10, 8, 7],
      [250, 60, 50],
      [250, 50, 50],
      [30, 0, 6],
      [30, 30, 6],
    ]) {
      const all = choose(population, draws);
      for (let atLeast = 0; atLeast <= draws; atLeast++) {
        let hits = 0n;
        for (let k = atLeast; k <= draws; k++) hits += choose(successes, k) * choose(population - successes, draws - k);
        const found = toLog2HypergeometricTail({ population, successes, draws, atLeast });
        if (hits === 0n) expect(found).toBe(Number.NEGATIVE_INFINITY);
        else expect(found).toBeCloseTo(log2Big(hits) - log2Big(all), 8);
      }
    }
    expect(() => toLog2HypergeometricTail({ population: 3, successes: 4, draws: 1, atLeast: 1 })).toThrow(TypeError);
  });

  test('the error budgets of 64 and 128 bits are those of the design note', () => {
    const budget = (n: number, bits: number): number => {
      let errors = 0;
      while (toHardEvidenceBits(n, errors + 1) >= bits) errors++;
      return errors;
    };
    expect([256, 512, 1024].map((n) => [budget(n, 64), budget(n, 128)])).toEqual([
      [56, 29],
      [154, 112],
      [367, 305],
    ]);
    expect(toHardEvidenceBits(256, 0)).toBeCloseTo(256, 9);
    expect(toHardEvidenceBits(256, 256)).toBe(0);
  });

  test('tails fall with k and add up with their complements for any p', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0.01, max: 0.99, noNaN: true }), (n, p) => {
        const k = Math.round(n * p);
        const above = 2 ** toLog2BinomialTail(n, k, p);
        const below = 2 ** toLog2BinomialTail(n, n - k + 1, 1 - p);
        expect(above + below).toBeCloseTo(1, 8);
        expect(toLog2BinomialTail(n, k + 1, p)).toBeLessThanOrEqual(toLog2BinomialTail(n, k, p));
      }),
      { numRuns: 50 },
    );
    expect(toLog2BinomialTail(10, 11, 0.5)).toBe(Number.NEGATIVE_INFINITY);
    expect(toLog2BinomialTail(10, 0, 0.5)).toBe(0);
  });

  test('Hoeffding evidence: n matching unit signs give n / (2 ln 2) bits', () => {
    expect(toSoftEvidenceBits(100, 100)).toBeCloseTo(100 / (2 * Math.LN2), 12);
    expect(toSoftEvidenceBits(-5, 100)).toBe(0);
    expect(toSoftEvidenceBits(5, 0)).toBe(0);
  });

  test('normal quantiles of the published algorithm', () => {
    expect(toNormalQuantile(0.25)).toBeCloseTo(-0.6744897501960817, 14);
    expect(toNormalQuantile(0.001)).toBeCloseTo(-3.090232306167813, 13);
    expect(toNormalQuantile(1e-20)).toBeCloseTo(-9.262340089798408, 12);
    expect(toNormalQuantile(0.975)).toBeCloseTo(1.959963984540054, 13);
  });

  test('paired change: the worked example of Tango (1998): 44 pairs, 0 against 1 discordant', () => {
    const result = toPairedChange({ samples: 44, lost: 1, gained: 0 }, 0.95);
    expect(result.change).toBeCloseTo(-1 / 44, 12);
    expect(result.low).toBeCloseTo(-0.1184, 3);
    expect(result.high).toBeCloseTo(0.0597, 2);
  });

  test('paired change without a discordant pair is symmetric and shrinks with the sample', () => {
    const z2 = toNormalQuantile(0.975) ** 2;
    const small = toPairedChange({ samples: 100, lost: 0, gained: 0 }, 0.95);
    expect(small.high).toBeCloseTo(z2 / (100 + z2), 6);
    expect(small.low).toBeCloseTo(-small.high, 9);
    expect(toPairedChange({ samples: 10_000, lost: 0, gained: 0 }, 0.95).high).toBeLessThan(0.0004);
  });
});
