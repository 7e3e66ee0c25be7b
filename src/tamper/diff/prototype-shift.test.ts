import { describe, expect, it } from 'vitest';
import { findShift, type PrototypeShift, toPrototypeHints } from './prototype-shift.ts';

const classes = 5;
/** Six prototypes of every class, of which the earlier model is sure. */
const labels = Array.from({ length: 6 * classes }, (_, index) => index % classes);
const former = labels.map((label) => Float64Array.from({ length: classes }, (_, j) => (j === label ? 3 : 0)));
const prototypes = { inputs: former, classes: labels };

describe('the class that made-up inputs left', () => {
  it('is named, with 1 where nothing else changed', () => {
    const now = former.map((scores, index) => scores.map((score, j) => score + toChange(labels[index], j)));
    const shift = findShift(prototypes, classes, former, now)!;
    expect(shift).toMatchObject({ from: 2, to: 4 });
    expect(shift.value).toBeCloseTo(1, 12);
  });

  it('does not depend on what all scores of an input gained', () => {
    const now = former.map((scores, index) => scores.map((score, j) => score + toChange(labels[index], j) + index));
    expect(findShift(prototypes, classes, former, now)!.value).toBeCloseTo(1, 12);
  });

  it('is nothing where nothing changed, where scores are no numbers, and where most classes have no prototypes', () => {
    expect(findShift(prototypes, classes, former, former)).toBeNull();
    const broken = former.map((scores) => scores.map(() => NaN));
    expect(findShift(prototypes, classes, former, broken)).toBeNull();
    const few = { ...prototypes, classes: labels.map((label) => label % 2) };
    const now = former.map((scores) => scores.map((score, j) => score + j));
    expect(findShift(few, classes, former, now)).toBeNull();
  });
});

/** Prototypes of class 2 lose 2 for their class and gain 2 for class 4. */
function toChange(label: number, j: number): number {
  return label !== 2 ? 0 : j === 4 ? 2 : j === 2 ? -2 : 0;
}

describe('what is said of it', () => {
  const shift = (value: number, more: Partial<PrototypeShift> = {}): PrototypeShift => {
    return { from: 2, to: 4, value, prototypes: 60, share: 0, part: 0, ...more };
  };
  const isTold = (one: PrototypeShift, weights = 0, to = 4) =>
    toPrototypeHints(one, { from: 2, to, value: weights }).length === 1;

  it('is suspicious alone when it is strong', () => {
    expect([isTold(shift(0.6)), isTold(shift(0.45))]).toEqual([true, false]);
  });

  it('is suspicious when the weights name the same pair, and only then', () => {
    expect(isTold(shift(0.45), 0.42)).toBe(true);
    expect(isTold(shift(0.45), 0.42, 3)).toBe(false);
    expect(isTold(shift(0.45), 0.3)).toBe(false);
  });

  it('is suspicious when most inputs of the class went over, and few others did', () => {
    expect(isTold(shift(0.32, { share: 0.8, part: 0.5 }))).toBe(true);
    expect(isTold(shift(0.32, { share: 0.8, part: 0.2 }))).toBe(false);
    expect(isTold(shift(0.32, { share: 0.5, part: 0.9 }))).toBe(false);
    expect(toPrototypeHints(shift(0.32, { share: 0.8, part: 0.5 }), null)[0].text).toContain('80 % went over');
  });
});
