/** Statistics of the bench: what may be chance, and what is none. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rankTest, toHolm } from '../../scripts/bench/rank-test.ts';

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index);

/** Every way to choose so many places of all. */
function* chooseAll(from: number, total: number, count: number): Generator<number[]> {
  if (count === 0) {
    yield [];
    return;
  }
  for (let first = from; first <= total - count; first++) {
    for (const rest of chooseAll(first + 1, total, count - 1)) yield [first, ...rest];
  }
}

/** By the definition: all ways to call so many of the values "before", and how many of them lie as far from the middle. */
function countByHand(before: readonly number[], after: readonly number[]): number {
  const all = [...before, ...after];
  const wins = (chosen: ReadonlySet<number>): number => {
    let sum = 0;
    for (const one of chosen) {
      for (const [other, value] of all.entries()) {
        if (!chosen.has(other)) sum += all[one] > value ? 1 : all[one] === value ? 0.5 : 0;
      }
    }
    return Math.abs(sum - (before.length * after.length) / 2);
  };
  const seen = wins(new Set(before.keys()));
  const found = Array.from(chooseAll(0, all.length, before.length), (places) => wins(new Set(places)) >= seen);
  return found.filter(Boolean).length / found.length;
}

describe('the rank sum test', () => {
  test.each([
    { before: range(0, 3), after: range(10, 3), expected: 2 / 20 },
    { before: range(0, 4), after: range(10, 4), expected: 2 / 70 },
    { before: range(0, 5), after: range(10, 5), expected: 2 / 252 },
    { before: range(0, 10), after: range(20, 10), expected: 2 / 184_756 },
    { before: [1, 2, 3, 6, 7], after: [4, 5, 8, 9, 10], expected: 24 / 252 },
    { before: [5, 5, 5], after: [5, 5, 5], expected: 1 },
    { before: [], after: [1], expected: 1 },
  ])('of $before and $after gives $expected', ({ before, after, expected }) => {
    expect(rankTest(before, after)).toBeCloseTo(expected, 9);
    expect(rankTest(after, before)).toBeCloseTo(expected, 9);
  });

  test('gives what counting all ways by hand does, with ties as well', () => {
    const some = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(some, some, (before, after) => {
        expect(rankTest(before, after)).toBeCloseTo(countByHand(before, after), 9);
      }),
    );
  });

  test('calls chance clear no more often than it says: one of twenty', () => {
    // All orders of 4 and 4 are equally likely where nothing differs.
    const orders = Array.from(chooseAll(0, 8, 4), (places) => {
      const others = range(0, 8).filter((place) => !places.includes(place));
      return rankTest(places, others);
    });
    for (const alpha of [0.03, 0.05, 0.1, 0.2]) {
      const share = orders.filter((probability) => probability <= alpha).length / orders.length;
      expect(share).toBeLessThanOrEqual(alpha);
    }
  });
});

test('several tests count together: the least probability times all of them, the next times one fewer, never less than the one before', () => {
  expect(toHolm([0.04, 0.01, 0.03])).toEqual([0.06, 0.03, 0.06]);
  expect(toHolm([0.9, 0.5])).toEqual([1, 1]);
  expect(toHolm([])).toEqual([]);
});
