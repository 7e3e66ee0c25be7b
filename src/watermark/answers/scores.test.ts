/** The mark of scores: what it leaves as it is, what a reader finds, and what chance gives. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createScoreBasis,
  createScoreMark,
  deriveAnswersKey,
  judgeScores,
  markScores,
  SCORE_MARK_DEFAULTS,
  type ScoreMark,
  type ScoreReply,
} from './index.ts';

const FEATURES = 12;
const CLASSES = 6;
const key = deriveAnswersKey(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2));

/** A number in [-1, 1) that hangs on its arguments alone. */
const noise = (a: number, b: number): number => {
  const value = Math.sin(a * 127.1 + b * 311.7 + 0.5) * 43758.5453;
  return 2 * (value - Math.floor(value)) - 1;
};
const toInput = (item: number): Float32Array =>
  Float32Array.from({ length: FEATURES }, (_, i) => 3 + noise(item, i) * (1 + (i % 4)) + noise(item, 99));
const toProbabilities = (logits: readonly number[]): number[] => {
  const powers = logits.map(Math.exp);
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
};
/** A model that is sure of one class, as trained ones are. */
const answer = (item: number): number[] =>
  toProbabilities(Array.from({ length: CLASSES }, (_, c) => (item % CLASSES === c ? 7 : noise(item, 50 + c))));

const rows = Float32Array.from(
  { length: 400 * FEATURES },
  (_, at) => toInput(Math.floor(at / FEATURES))[at % FEATURES],
);
const basis = createScoreBasis(rows, FEATURES, 8);
const markOf = (customer: string, params = SCORE_MARK_DEFAULTS): ScoreMark =>
  createScoreMark(key, customer, { basis, classes: CLASSES, params });
const mark = markOf('acme');
const ask = (said: (item: number) => ArrayLike<number>, count = 600): ScoreReply[] =>
  Array.from({ length: count }, (_, i) => ({ input: toInput(1000 + i), own: answer(1000 + i), said: said(1000 + i) }));

describe('marked scores', () => {
  test('sum to one, keep the best class, and give away no more than the share', () => {
    const scores = fc.array(fc.double({ min: 0.001, max: 1, noNaN: true }), { minLength: CLASSES, maxLength: CLASSES });
    fc.assert(
      fc.property(scores, fc.integer({ min: 0, max: 5000 }), (values, item) => {
        const total = values.reduce((a, b) => a + b);
        const given = values.map((value) => value / total);
        const marked = markScores(mark, given, toInput(item));
        expect(marked.reduce((a, b) => a + b)).toBeCloseTo(
          given.reduce((a, b) => a + b),
          9,
        );
        // To rounding, where two classes are nearly equal.
        expect(marked[given.indexOf(Math.max(...given))]).toBeGreaterThanOrEqual(Math.max(...marked) - 1e-12);
        expect(Math.max(...given) - Math.max(...marked)).toBeLessThanOrEqual(SCORE_MARK_DEFAULTS.share + 1e-9);
      }),
    );
  });

  test('are the same for the same question and another lean for another customer', () => {
    const marked = markScores(mark, answer(3), toInput(3));
    expect(markScores(markOf('acme'), answer(3), toInput(3))).toEqual(marked);
    expect(markScores(markOf('globex'), answer(3), toInput(3))).not.toEqual(marked);
  });

  test.each([
    [() => markOf('a\0b')],
    [() => markOf('a', { share: 0.6, lean: 1 })],
    [() => markOf('a', { share: 0.1, lean: 0 })],
    [() => createScoreMark(key, 'a', { basis, classes: 2, params: SCORE_MARK_DEFAULTS })],
    [() => createScoreBasis(rows, FEATURES, FEATURES + 1)],
    [() => createScoreBasis(rows.subarray(0, 50 * FEATURES), FEATURES, 8)],
    [() => createScoreBasis(new Float32Array(400 * FEATURES).fill(2), FEATURES, 8)],
    [() => markScores(mark, answer(1), new Float32Array(3))],
    [() => judgeScores({ ...mark, signs: null }, [], 1)],
  ])('case %#: what has no sense is refused', (act) => {
    expect(act).toThrow(TypeError);
  });
});

describe('the lean of a suspect', () => {
  const copy = (item: number): ArrayLike<number> => markScores(mark, answer(item), toInput(item));

  test('who answers as one customer was answered is told, with every sign; trials are paid for', () => {
    const found = judgeScores(mark, ask(copy), 1);
    expect(found).toMatchObject({ signs: 48, errors: 0, queries: 600 });
    expect(found.evidenceBits).toBeGreaterThan(25);
    expect(judgeScores(mark, ask(copy), 256).evidenceBits).toBeCloseTo(found.evidenceBits - 8, 9);
  });

  test('rounded to two decimals the lean is still there; answers with the best class alone have none', () => {
    const rounded = (item: number): number[] => Array.from(copy(item), (value) => Math.round(value * 100) / 100);
    const hard = (item: number): number[] => Array.from({ length: CLASSES }, (_, c) => Number(item % CLASSES === c));
    expect(judgeScores(mark, ask(rounded), 1).evidenceBits).toBeGreaterThan(15);
    expect(judgeScores(mark, ask(hard), 1).evidenceBits).toBeLessThan(5);
  });

  test('whoever is independent of the signs reaches b bits with probability at most 2^-b, however it leans', () => {
    const others = Array.from({ length: 400 }, (_, i) => markOf(`customer ${String(i)}`));
    const replies = ask(copy, 60);
    const bits = others.map((other) => judgeScores(other, replies, 1).evidenceBits);
    for (const b of [1, 2, 4]) {
      const hits = bits.filter((value) => value >= b).length;
      // Four standard deviations above the bound.
      expect(hits).toBeLessThan(400 * 2 ** -b + 4 * Math.sqrt(400 * 2 ** -b));
    }
    expect(bits.filter((value) => value > 0.5).length).toBeGreaterThan(20);
  });

  test('answers that are no numbers, or none at all, say nothing', () => {
    const odd = (item: number): number[] => (item % 2 === 0 ? [] : Array.from({ length: CLASSES }, () => Number.NaN));
    expect(judgeScores(mark, ask(odd), 1).evidenceBits).toBeLessThan(8);
    expect(judgeScores(mark, [], 1)).toEqual({ signs: 48, errors: 48, evidenceBits: 0, queries: 0 });
  });
});
