import { describe, expect, test } from 'vitest';
import type { Agreement } from './agreement.ts';
import { judgeAgreement, NULLS_MIN } from './rule.ts';

/** Layers of 100 neurons of which so many were matched twice alike. */
function toAgreement(...agreed: readonly number[]): Agreement {
  const layers = agreed.map((count, space) => {
    return { space, layer: `l${space}`, neurons: 100, kind: 'sides' as const, agreed: count, alike: 0 };
  });
  const [neurons, total] = [100 * agreed.length, agreed.reduce((sum, count) => sum + count, 0)];
  return { layers, skipped: [], neurons, agreed: total, share: total / neurons, alike: 0, placed: 0 };
}

const nulls = (count: number, largest = 0.06): number[] =>
  Array.from({ length: count }, (_, i) => (largest * (i + 1)) / count);

describe('the built-in rule', () => {
  test.each([
    [[46, 46], 'derived'],
    [[45, 45], 'inconclusive'],
    // Above the bar in total, and in one layer only.
    [[100, 10], 'inconclusive'],
    [[20, 20], 'inconclusive'],
    [[19, 20], 'unrelated'],
    [[0, 0], 'unrelated'],
    // One layer is never enough to be called derived.
    [[100], 'inconclusive'],
  ] as const)('%j of 100 each: %s', (agreed, verdict) => {
    expect(judgeAgreement(toAgreement(...agreed), [])).toMatchObject({ verdict, rule: 'built-in', nulls: null });
  });

  test('judges no fewer than 100 neurons, and counts no layer of fewer than 16', () => {
    const { layers } = toAgreement(100, 100);
    const few = { layers: [], skipped: [], neurons: 99, agreed: 99, share: 1, alike: 0, placed: 0 };
    expect(judgeAgreement(few, []).verdict).toBe('inconclusive');
    const small = layers.map((layer) => ({ ...layer, neurons: 15, agreed: 15 }));
    expect(judgeAgreement({ ...few, layers: small, neurons: 100, agreed: 100 }, [])).toMatchObject({
      verdict: 'inconclusive',
      layersJudged: 0,
    });
  });

  test('is raised, never lowered, by fewer independent models than make a rule', () => {
    const low = judgeAgreement(toAgreement(46, 46), nulls(NULLS_MIN - 1, 0.06));
    expect(low).toMatchObject({ verdict: 'derived', rule: 'built-in', derivedShare: 0.45, unrelatedShare: 0.2 });
    const high = judgeAgreement(toAgreement(46, 46), nulls(3, 0.3));
    expect(high).toMatchObject({ verdict: 'inconclusive', rule: 'built-in', derivedShare: 0.6, unrelatedShare: 0.3 });
  });
});

describe('the rule from independent models', () => {
  test.each([
    [[17, 17], 'derived'],
    [[16, 16], 'inconclusive'],
    [[7, 7], 'inconclusive'],
    [[6, 6], 'unrelated'],
    [[60, 10], 'inconclusive'],
  ] as const)('%j of 100 each against at most 6 %% of 20: %s', (agreed, verdict) => {
    expect(judgeAgreement(toAgreement(...agreed), nulls(20))).toMatchObject({ verdict, rule: 'nulls' });
  });

  test('states a rank and its floor; the distance in deviations is no probability', () => {
    const { nulls: above } = judgeAgreement(toAgreement(90, 90), nulls(20));
    expect(above).toMatchObject({ models: 20, rankP: 1 / 21, rankPFloor: 1 / 21 });
    expect(above!.z).toBeGreaterThan(20);
    const inside = judgeAgreement(toAgreement(3, 3), nulls(20)).nulls!;
    expect(inside.rankP).toBeCloseTo(12 / 21, 10);
    expect(judgeAgreement(toAgreement(3, 3), [0.05]).nulls).toMatchObject({ shareDeviation: 0, z: null });
  });
});
