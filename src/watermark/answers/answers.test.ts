import { describe, expect, test } from 'vitest';
import {
  ANSWER_MARK_DEFAULTS,
  deriveAnswersKey,
  judgeReplay,
  type Replay,
  type ReplayedAnswer,
  toAnswerRole,
  toCanonicalInput,
  toSecondClass,
} from './index.ts';

const key = deriveAnswersKey(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2));
const input = (number: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
};
const rolesOf = (customer: string, count: number, params = ANSWER_MARK_DEFAULTS) =>
  Array.from({ length: count }, (_, i) => toAnswerRole(key, customer, input(i), params));

describe('which answers are marked', () => {
  test('half a per cent of the inputs, and four controls for each; the same input always alike', () => {
    const roles = rolesOf('acme', 40_000);
    const count = (role: string): number => roles.filter((one) => one === role).length;
    // 200 and 800 expected; four standard deviations.
    expect(Math.abs(count('marked') - 200)).toBeLessThan(57);
    expect(Math.abs(count('control') - 800)).toBeLessThan(113);
    expect(rolesOf('acme', 1000)).toEqual(roles.slice(0, 1000));
  });

  test('are others for another customer and another key', () => {
    const marked = (roles: readonly string[]): number[] => roles.flatMap((role, i) => (role === 'marked' ? [i] : []));
    const [a, b] = [marked(rolesOf('acme', 20_000)), marked(rolesOf('other', 20_000))];
    expect(a.filter((i) => b.includes(i)).length).toBeLessThan(6);
    const other = deriveAnswersKey(new Uint8Array(32).fill(1), new Uint8Array(32).fill(3));
    expect(toAnswerRole(other, 'acme', input(a[0]), ANSWER_MARK_DEFAULTS)).not.toBe('marked');
    expect(() => toAnswerRole(key, 'a\0b', input(0), ANSWER_MARK_DEFAULTS)).toThrow(TypeError);
    expect(() => toAnswerRole(key, 'a', input(0), { share: 0.06, controls: 4 })).toThrow(TypeError);
  });

  test('near-duplicates of an input are one; NaN and values outside the range have a place, too', () => {
    const range = { low: 0, high: 1 };
    const image = Float32Array.from({ length: 64 }, (_, i) => (i % 16) / 16 + 0.03);
    const noisy = image.map((value, i) => value + 0.02 * Math.sin(i));
    expect(toCanonicalInput(noisy, range)).toEqual(toCanonicalInput(image, range));
    expect([...toCanonicalInput([-3, 0, 0.999, 1, 7, Number.NaN], range)]).toEqual([0, 0, 15, 15, 15, 16]);
  });

  test('a marked input is answered with the second-best class', () => {
    expect(
      [
        [0.1, 0.7, 0.2],
        [3, 2, 1],
        [5, 5],
        [1, 9, 9, 0],
      ].map(toSecondClass),
    ).toEqual([2, 1, 1, 2]);
  });
});

describe('what a suspect learned', () => {
  /** So many answers to inputs that nobody else asks, numbered from `first`. */
  const toAnswers = (first: number, hits: number, count: number): ReplayedAnswer[] =>
    Array.from({ length: count }, (_, i) => ({ input: input(first + i), isHit: i < hits }));
  const toReplay = (marked: readonly [number, number], controls: readonly [number, number]): Replay => ({
    marked: toAnswers(0, ...marked),
    controls: toAnswers(10_000, ...controls),
  });

  test('is judged against controls: many hits on both say nothing, on marked ones alone a lot', () => {
    expect(judgeReplay(toReplay([50, 50], [200, 200]), 1).evidenceBits).toBe(0);
    expect(judgeReplay(toReplay([10, 50], [40, 200]), 1).evidenceBits).toBeLessThan(2);
    // All of 50 marked and none of 200 controls: one draw in C(250, 50).
    const all = judgeReplay(toReplay([50, 50], [0, 200]), 1);
    expect(all.evidenceBits).toBeGreaterThan(170);
    expect(all.evidenceBits - judgeReplay(toReplay([50, 50], [0, 200]), 256).evidenceBits).toBeCloseTo(8, 9);
  });

  test('an input that was asked again is one draw: it counts once, and only when all of its answers are hits', () => {
    const once = toReplay([20, 20], [0, 80]);
    const again = { marked: [...once.marked, ...once.marked, ...once.marked], controls: once.controls };
    expect(judgeReplay(again, 1)).toEqual(judgeReplay(once, 1));
    const wavering = { ...once, marked: [...once.marked, { input: input(3), isHit: false }] };
    expect(judgeReplay(wavering, 1)).toMatchObject({ marked: 20, markedHits: 19 });
    expect(judgeReplay({ ...wavering, marked: [...wavering.marked].reverse() }, 1)).toMatchObject({ markedHits: 19 });
    expect(() => judgeReplay({ marked: once.marked, controls: toAnswers(19, 0, 5) }, 1)).toThrow(TypeError);
  });

  test('whoever is independent of the key reaches b bits with probability at most 2^-b, however it answers', () => {
    // The suspect errs towards our second class on a fixed third of all inputs.
    const many = { share: 0.05, controls: 4 };
    const bits = Array.from({ length: 400 }, (_, customer) => {
      const sides: Record<string, ReplayedAnswer[]> = { marked: [], control: [], plain: [] };
      rolesOf(`customer ${customer}`, 300, many).forEach((role, i) =>
        sides[role].push({ input: input(i), isHit: i % 3 === 0 }),
      );
      return judgeReplay({ marked: sides.marked, controls: sides.control }, 1).evidenceBits;
    });
    for (const b of [1, 2, 4]) {
      const hits = bits.filter((value) => value >= b).length;
      // Four standard deviations above the bound.
      expect(hits).toBeLessThan(400 * 2 ** -b + 4 * Math.sqrt(400 * 2 ** -b));
    }
    expect(bits.filter((value) => value > 0.5).length).toBeGreaterThan(100);
  });
});
