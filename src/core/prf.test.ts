import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from './bytes.ts';
import { createPermutation, createPrfStream, toPrfBytes } from './prf.ts';

const key = Uint8Array.from({ length: 32 }, (_, i) => i);
const numRuns = process.env.SLOW === '1' ? 500 : 30;

describe('prf', () => {
  test('streams are AES-256-CTR: the zero key and counter give AES(0), as in NIST CAVP KeySbox', () => {
    // AES-256 of the zero block under the zero key.
    expect(toHex(toPrfBytes(new Uint8Array(32), { domain: 0, index: 0 }, 16))).toBe('dc95c078a2408989ad48a21492842087');
  });

  test('pinned outputs of our counter layout', () => {
    expect(toHex(toPrfBytes(key, { domain: 1, index: 2 }, 20))).toMatchInlineSnapshot(
      `"d131982ce6b26a778263f8d4ffc5e98cb2436f80"`,
    );
    const permutation = createPermutation(key, 7, 1000);
    expect([0, 1, 2, 999].map((i) => permutation.forward(i))).toMatchInlineSnapshot(`
      [
        862,
        211,
        555,
        406,
      ]
    `);
  });

  test('a stream gives the same bytes in any cut, and other ids give others', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40_000), { maxLength: 4 }), (cuts) => {
        const total = cuts.reduce((a, b) => a + b, 0);
        const stream = createPrfStream(key, { domain: 3, index: 9 });
        const parts = cuts.map((cut) => {
          const part = new Uint8Array(cut);
          stream.fill(part);
          return part;
        });
        expect(Buffer.concat(parts).equals(toPrfBytes(key, { domain: 3, index: 9 }, total))).toBe(true);
      }),
      { numRuns },
    );
    expect(toHex(toPrfBytes(key, { domain: 3, index: 9 }, 16))).not.toBe(
      toHex(toPrfBytes(key, { domain: 3, index: 10 }, 16)),
    );
  });

  test('below() is uniform: chi-square of 10 bins over 100,000 draws stays under its 1e-6 quantile', () => {
    const stream = createPrfStream(key, { domain: 4, index: 0 });
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) bins[stream.below(10)]++;
    const chi = bins.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chi).toBeLessThan(46);
  });

  test('below() rejects what would be biased: every draw is in range for awkward bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), fc.nat(1000), (bound, index) => {
        const drawn = createPrfStream(key, { domain: 5, index }).below(bound);
        expect(drawn).toBeGreaterThanOrEqual(0);
        expect(drawn).toBeLessThan(bound);
      }),
      { numRuns },
    );
  });

  test('a permutation is a bijection with a matching inverse for every size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), (size) => {
        const permutation = createPermutation(key, 6, size);
        const seen = new Set<number>();
        for (let i = 0; i < size; i++) {
          const image = permutation.forward(i);
          expect(permutation.inverse(image)).toBe(i);
          seen.add(image);
        }
        expect(seen.size).toBe(size);
      }),
      { numRuns: Math.ceil(numRuns / 3) },
    );
  });

  test('a permutation of 2^41 entries needs no memory and stays in range', () => {
    const permutation = createPermutation(key, 6, 2 ** 41 - 3);
    const image = permutation.forward(123_456_789_012);
    expect(image).toBeLessThan(2 ** 41 - 3);
    expect(permutation.inverse(image)).toBe(123_456_789_012);
  });

  test('misuse is a TypeError', () => {
    expect(() => toPrfBytes(new Uint8Array(16), { domain: 0, index: 0 }, 1)).toThrow(TypeError);
    expect(() => toPrfBytes(key, { domain: 256, index: 0 }, 1)).toThrow(TypeError);
    expect(() => createPrfStream(key, { domain: 0, index: -1 })).toThrow(TypeError);
    expect(() => createPrfStream(key, { domain: 0, index: 0 }).below(0)).toThrow(TypeError);
    expect(() => createPermutation(key, 0, 10).forward(10)).toThrow(TypeError);
  });
});
