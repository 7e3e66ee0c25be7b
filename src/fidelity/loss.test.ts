import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findResolvablePoints, mapLabels, toLossPoints } from './loss.ts';
import type { OutputTally } from './tally.ts';

describe('the loss of accuracy', () => {
  /**
   * The score statistic for a loss `delta`, its nuisance (the chance of a gain) estimated by a search for the largest
   * likelihood instead of by the closed form.
   */
  function toScore(
    { samples, lost, gained }: { samples: number; lost: number; gained: number },
    delta: number,
  ): number {
    const toLikelihood = (gain: number): number =>
      lost * Math.log(gain + delta) +
      gained * Math.log(gain) +
      (samples - lost - gained) * Math.log(1 - 2 * gain - delta);
    let low = Math.max(0, -delta) + 1e-12;
    let high = (1 - delta) / 2 - 1e-12;
    for (let i = 0; i < 200; i++) {
      const third = (high - low) / 3;
      if (toLikelihood(low + third) < toLikelihood(high - third)) low += third;
      else high -= third;
    }
    return (lost - gained - samples * delta) / Math.sqrt(samples * (2 * low + delta - delta * delta));
  }

  test.each([
    { samples: 50, lost: 12, gained: 2 },
    { samples: 1797, lost: 9, gained: 4 },
    { samples: 10_000, lost: 30, gained: 41 },
  ])("is Tango's: the score is ±1.96 at the bounds of %j", (counts) => {
    const { estimate, low, high } = toLossPoints(counts);
    expect(estimate).toBeCloseTo((100 * (counts.lost - counts.gained)) / counts.samples, 10);
    expect(toScore(counts, low / 100)).toBeCloseTo(1.959964, 4);
    expect(toScore(counts, high / 100)).toBeCloseTo(-1.959964, 4);
  });

  test('gains are negative losses', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.integer({ min: 80, max: 5000 }), (lost, gained, samples) => {
        const forth = toLossPoints({ samples, lost, gained });
        const back = toLossPoints({ samples, lost: gained, gained: lost });
        expect(forth.estimate).toBeCloseTo(-back.estimate, 9);
        expect(forth.low).toBeCloseTo(-back.high, 6);
        expect(forth.low).toBeLessThanOrEqual(forth.estimate + 1e-9);
        expect(forth.high).toBeGreaterThanOrEqual(forth.estimate - 1e-9);
      }),
    );
  });

  /**
   * Null hypothesis: the loss is 0 with a discordance of 2 %. Exact probability, by summing the trinomial of 2,000
   * samples, that the lower bound lies above 0: at most 2.5 %, and an asymptotic interval is allowed 10 % of that.
   */
  test('the false-alarm rate of the lower bound is 2.5 %', () => {
    const samples = 2000;
    const logFactorial = [0];
    for (let n = 1; n <= samples; n++) logFactorial.push(logFactorial[n - 1] + Math.log(n));
    let alarm = 0;
    for (let lost = 0; lost <= 70; lost++) {
      for (let gained = 0; gained < lost; gained++) {
        if (toLossPoints({ samples, lost, gained }).low <= 0) continue;
        const rest = samples - lost - gained;
        const ways = logFactorial[samples] - logFactorial[lost] - logFactorial[gained] - logFactorial[rest];
        alarm += Math.exp(ways + (lost + gained) * Math.log(0.01) + rest * Math.log(0.98));
      }
    }
    expect(alarm).toBeGreaterThan(0.015);
    expect(alarm).toBeLessThan(0.0275);
  });
});

describe('what a set can resolve', () => {
  test.each([
    [100, 0.1],
    [1797, 0.1],
    [10_000, 0.1],
    [40_000, 0.1],
    [1000, 5],
  ])('of %i samples is the smallest loss shown to be above %f points', (samples, limit) => {
    const points = findResolvablePoints(samples, limit)!;
    const lost = Math.round((points * samples) / 100);
    expect(toLossPoints({ samples, lost, gained: 0 }).low).toBeGreaterThan(limit);
    expect(toLossPoints({ samples, lost: lost - 1, gained: 0 }).low).toBeLessThanOrEqual(limit);
  });

  test('more samples resolve less; too few resolve nothing', () => {
    expect(findResolvablePoints(40_000, 0.1)!).toBeLessThan(findResolvablePoints(1797, 0.1)!);
    expect(findResolvablePoints(1, 50)).toBeNull();
  });
});

describe('labels in the numbers of the classes', () => {
  const decider = (classCount: number): OutputTally => ({
    name: 'scores',
    kind: classCount === 0 ? 'label' : 'classes',
    classCount,
    squaredDifference: 0,
    squaredOriginal: 0,
    incomparable: 0,
    samples: 0,
    agreements: 0,
  });
  const map = (values: number[], classes: number): number[] => [
    ...mapLabels({ values: Int32Array.from(values), names: null }, decider(classes))!,
  ];

  test('0..K-1 stays, 1..K counts from one, K others are ranked, class numbers are compared as they are', () => {
    expect(map([0, 2], 3)).toEqual([0, 2]);
    expect(map([1, 2, 3], 3)).toEqual([0, 1, 2]);
    expect(map([-1, 1, -1], 2)).toEqual([0, 1, 0]);
    expect(map([40, 7], 0)).toEqual([40, 7]);
    expect(mapLabels({ values: Int32Array.of(1), names: null }, undefined)).toBeNull();
  });

  test('DATA_SHAPE_MISMATCH: more labels than classes', () => {
    expect(() => map([0, 1, 2, 3], 3)).toThrow(expect.objectContaining({ code: 'DATA_SHAPE_MISMATCH' }));
  });
});
