/** Probes as numbers: derivation, patterns, the choice of rare ones, the rate of strangers, and the record. */
import { describe, expect, test } from 'vitest';
import { createPrfStream } from '../../core/prf.ts';
import { codeOf } from '../../../test/error-code.ts';
import { seededNumbers } from '../../../test/fakes/memory-model.ts';
import { toRemoteEvidence, toRemoteVerdict, type QuestionSet, toFirstWord } from '../remote/questions.ts';
import { findArgMax } from './answers.ts';
import { KINSHIP_MIN, toChance, toKinship } from './chance.ts';
import { chooseFamily } from './choose-family.ts';
import { fillPattern, PROBE_FAMILIES, type ProbeFamily } from './families.ts';
import { deriveProbeKey, makeProbe, toProbesDigest } from './inputs.ts';
import { assertMakeable, type TensorPlan } from './plan.ts';
import { toProbeQuestions } from './questions.ts';
import type { ProbePool } from './record.ts';
import { chooseRare } from './select.ts';
import { PROBE_WORDS } from './words.ts';

const key = new Uint8Array(32).fill(3);
/** Of sub-seed 32 × 01 and original 32 × 02, by Python's hmac and openssl enc -aes-256-ctr. */
const KEY_VECTOR = '169fb1a18a4b7be7046b6c652c8e08158b8a48aeda5444e9d998df348abee5a6';
const DIGEST_VECTOR = 'bc9ef5562c8be937951e4bd6aeeea8a23674703c7c18e87c005034c8548a27be';
const plan = (family: ProbeFamily, shape: number[], more: Partial<TensorPlan> = {}): TensorPlan => ({
  ...{ kind: 'tensors', family, hasBatchAxis: true, output: 'y', classes: 4 },
  inputs: [{ name: 'x', dtype: 'f32', shape, rule: { kind: 'pattern', low: -1, high: 3 } }],
  ...more,
});
const pattern = (family: ProbeFamily, shape: number[], index = 0): Float64Array => {
  const values = new Float64Array(shape.reduce((product, dim) => product * dim, 1));
  fillPattern(family, shape, createPrfStream(key, { domain: 50, index }), values);
  return values;
};
const nulls = (...rates: number[]) => rates.map((agreement, at) => ({ name: `n${at}`, digest: null, agreement }));

describe('inputs', () => {
  test('follow from sub-seed and original alone: the same on every machine, others for other keys', () => {
    const subSeed = new Uint8Array(32).fill(1);
    const probeKey = deriveProbeKey(subSeed, new Uint8Array(32).fill(2));
    expect(Buffer.from(probeKey).toString('hex')).toBe(KEY_VECTOR);
    const uniform = plan('uniform', [4]);
    expect(toProbesDigest(probeKey, uniform, 32)).toBe(DIGEST_VECTOR);
    expect(deriveProbeKey(subSeed, new Uint8Array(32).fill(4))).not.toEqual(probeKey);
    expect(toProbesDigest(key, uniform, 32)).not.toBe(toProbesDigest(probeKey, uniform, 32));
  });

  test('probe i does not depend on which were made before', () => {
    const low = plan('low-pass', [8, 8]);
    expect(makeProbe(key, low, 7)).toEqual(makeProbe(key, low, 7));
    expect(makeProbe(key, low, 7)).not.toEqual(makeProbe(key, low, 8));
  });

  test.each(PROBE_FAMILIES)('%s: within the range that the rule gives', (family) => {
    const probe = makeProbe(key, plan(family, [8, 9]), 0);
    if (probe.kind !== 'tensors') throw new TypeError('tensors');
    const values = new Float32Array(new Uint8Array(probe.inputs[0].data).buffer);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...values)).toBeLessThanOrEqual(3);
    expect(values).toHaveLength(72);
  });

  test('whole numbers stay below their bound, constants are constant, texts are words of the list', () => {
    const inputs: TensorPlan['inputs'] = [
      { name: 'ids', dtype: 'i64', shape: [500], rule: { kind: 'below', bound: 7 } },
      { name: 'mask', dtype: 'f32', shape: [2], rule: { kind: 'constant', value: 1 } },
    ];
    const probe = makeProbe(key, plan('uniform', [1], { inputs }), 0);
    if (probe.kind !== 'tensors') throw new TypeError('tensors');
    const ids = new Set(new BigInt64Array(new Uint8Array(probe.inputs[0].data).buffer));
    expect([...ids].sort()).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n]);
    expect(new Float32Array(new Uint8Array(probe.inputs[1].data).buffer)).toEqual(Float32Array.of(1, 1));
    const text = makeProbe(key, { kind: 'text', words: 8 }, 0);
    expect(text.kind === 'text' && text.prompt.split(' ').every((word) => PROBE_WORDS.includes(word))).toBe(true);
    expect(new Set(PROBE_WORDS).size).toBe(256);
  });
});

describe('patterns', () => {
  test('sparse is dark in four of five places', () => {
    const share = pattern('sparse', [100, 100]).filter((value) => value === 0).length / 10_000;
    expect(share).toBeGreaterThan(0.78);
    expect(share).toBeLessThan(0.82);
  });

  test('blocks are constant in a cell of the grid, low-pass fills the range and has no jumps', () => {
    const blocks = pattern('blocks', [12, 12]);
    expect(blocks[0]).toBe(blocks[13]);
    expect(new Set(blocks).size).toBe(36);
    const low = pattern('low-pass', [24, 24]);
    expect(Math.min(...low)).toBe(0);
    expect(Math.max(...low)).toBe(1);
    const steps = low.slice(1).map((value, at) => (at % 24 === 23 ? 0 : Math.abs(value - low[at])));
    expect(Math.max(...steps)).toBeLessThan(0.3);
  });

  test('channels first and channels last hold the same planes', () => {
    const first = pattern('blocks', [3, 8, 8]);
    const last = pattern('blocks', [8, 8, 3]);
    expect(Array.from({ length: 64 }, (_, at) => last[at * 3 + 1])).toEqual([...first.subarray(64, 128)]);
  });

  test('items without neighbours are uniform', () => {
    expect(pattern('low-pass', [50])).toEqual(pattern('uniform', [50]));
  });
});

describe('rare probes', () => {
  const answers = Array.from({ length: 1000 }, (_, at) => at % 10);
  /** Agrees where the hash of probe and name is below `share`. */
  const stranger = (name: number, share: number) =>
    answers.map((answer, at) => (((at * 7919 + name * 104_729) % 1009) / 1009 < share ? answer : (answer + 1) % 10));

  test('are those on which at most 15 % of the null models agree, no answer more than 15 % of them', () => {
    const strangers = Array.from({ length: 10 }, (_, name) => stranger(name, 0.3));
    const { chosen, rates } = chooseRare({ answers, nulls: strangers, count: 100 });
    for (const index of chosen) {
      expect(strangers.filter((one) => one[index] === answers[index]).length).toBeLessThanOrEqual(1);
    }
    const perAnswer = Array.from({ length: 10 }, (_, answer) => chosen.filter((at) => answers[at] === answer).length);
    expect(Math.max(...perAnswer)).toBeLessThanOrEqual(15);
    const skewed = answers.map((answer) => (answer < 6 ? 0 : answer));
    const nobody = [1, 2, 3, 4].map(() => skewed.map(() => null));
    const some = chooseRare({ answers: skewed, nulls: nobody, count: 1000 }).chosen;
    expect(some.filter((at) => skewed[at] === 0).length / some.length).toBeLessThanOrEqual(0.31);
    expect([...chosen]).toEqual([...chosen].sort((a, b) => a - b));
    expect(rates).toHaveLength(10);
  });

  test('a null model is measured on what the others choose: it does not look rarer than it is', () => {
    const strangers = Array.from({ length: 8 }, (_, name) => stranger(name * 13, 0.2));
    const { chosen, rates } = chooseRare({ answers, nulls: strangers, count: 1000 });
    const own = strangers.map((one) => chosen.filter((at) => one[at] === answers[at]).length / chosen.length);
    expect(rates.reduce((a, b) => a + b)).toBeGreaterThan(own.reduce((a, b) => a + b));
  });

  test('there are none when the null models are copies of ours', () => {
    expect(chooseRare({ answers, nulls: [answers, answers, answers, answers], count: 10 }).chosen).toEqual([]);
  });
});

describe('the rate of strangers', () => {
  const various = Array.from({ length: 100 }, (_, at) => at % 10);

  test('kinship is agreement beyond chance: 1 for equals, 0 for models that know nothing of one another', () => {
    const ours = Array.from({ length: 1000 }, (_, at) => (at * 7) % 10);
    expect(toKinship(ours, ours)).toBeCloseTo(1, 12);
    expect(toKinship([0, 0, 1, 1], [0, 1, 1, 1])).toBeCloseTo(0.5, 12);
    expect(
      Math.abs(
        toKinship(
          ours,
          ours.map((_, at) => Math.floor(at / 10) % 10),
        ),
      ),
    ).toBeLessThan(KINSHIP_MIN);
    // Who says one thing always has nothing in common with anybody, however often it is right.
    const mostly = ours.map((_, at) => Number(at % 10 === 0));
    expect(
      toKinship(
        mostly,
        ours.map(() => 0),
      ),
    ).toBe(0);
    expect([
      toKinship([3, 3], [3, 3]),
      toKinship(
        ours,
        ours.map(() => null),
      ),
      toKinship([], []),
    ]).toEqual([0, 0, 0]);
  });

  test('is the largest of floor, null models, and the commonest answer', () => {
    expect(toChance({ nulls: [], answers: various, isRare: false })).toEqual({ chance: 0.65, by: 'floor' });
    expect(toChance({ nulls: nulls(0.7, 0.72, 0.71), answers: various, isRare: false }).chance).toBeCloseTo(0.75, 12);
    expect(toChance({ nulls: nulls(0.9), answers: various, isRare: false }).chance).toBe(0.9);
    const same = various.map((answer, at) => (at < 80 ? 1 : answer));
    expect(toChance({ nulls: nulls(0.1), answers: same, isRare: true })).toEqual({
      chance: 0.82,
      by: 'commonest answer',
    });
    expect(toChance({ nulls: nulls(0.02), answers: various, isRare: true })).toEqual({ chance: 0.15, by: 'floor' });
  });
});

describe('the family', () => {
  test('is the first on which the model does not mostly say one thing, else the most varied one', () => {
    const says = (same: number) => Array.from({ length: 100 }, (_, at) => (at < same ? 0 : 1 + (at % 9)));
    const of = (...shares: number[]) => new Map(PROBE_FAMILIES.map((family, at) => [family, says(shares[at])]));
    expect(chooseFamily(of(30, 40, 10, 10))).toBe('sparse');
    expect(chooseFamily(of(30, 90, 10, 10))).toBe('uniform');
    expect(chooseFamily(of(80, 90, 10, 10))).toBe('blocks');
    expect(chooseFamily(of(80, 90, 70, 75))).toBe('low-pass');
  });
});

describe('evidence', () => {
  const set = (chance: number, count: number, kind: 'exact' | 'calibrated' = 'calibrated'): QuestionSet => ({
    ...{ type: 'probes', count, hasBatchAxis: true, classes: 10, output: 'y', notes: [] },
    question: () => ({ kind: 'text', prompt: '' }),
    expected: () => 1,
    statistic: { kind, chance, log2Trials: 2, nulls: nulls(0.5, 0.52, 0.54) },
  });
  const some = (agreed: number, asked: number, unanswered = 0) =>
    Array.from({ length: asked }, (_, at) => (at < agreed ? 1 : at < asked - unanswered ? 0 : null));

  test('2,000 questions above 0.65 need an agreement of 0.745 for 64 bits', () => {
    expect(toRemoteEvidence(set(0.65, 2000), some(1490, 2000)).evidenceBits + 2).toBeGreaterThan(63);
    expect(toRemoteEvidence(set(0.65, 2000), some(1480, 2000)).evidenceBits + 2).toBeLessThan(64);
  });

  test('unanswered questions count as disagreements; refusing lowers the evidence and never raises it', () => {
    const all = toRemoteEvidence(set(0.65, 1000), some(800, 1000));
    const refusing = toRemoteEvidence(set(0.65, 1000), some(800, 1000, 200));
    expect(refusing).toMatchObject({ asked: 1000, agreed: 800, unanswered: 200, agreementOfAnswered: 1 });
    expect(refusing.evidenceBits).toBe(all.evidenceBits);
    expect(refusing.evidenceBitsOfAnswered).toBeGreaterThan(all.evidenceBits);
    expect(refusing.deviations).toBeCloseTo((0.8 - 0.52) / 0.02, 9);
  });

  test('calibrated evidence is never a claim; where its choice was not seen it is no flag', () => {
    const strong = toRemoteEvidence(set(0.2, 500), some(500, 500));
    expect(strong.evidenceBits).toBeGreaterThan(128);
    expect(toRemoteVerdict('exact', strong)).toBe('claim');
    expect(toRemoteVerdict('calibrated', strong)).toBe('flag');
    expect(toRemoteVerdict('calibrated', strong, 'supporting')).toBe('supporting');
    expect(toRemoteVerdict('calibrated', toRemoteEvidence(set(0.65, 200), some(120, 200)))).toBe('none');
    expect(toRemoteVerdict('calibrated', toRemoteEvidence(set(0.65, 200), some(50, 200, 150)))).toBe('inconclusive');
  });

  test('who stops where it looks best gains nothing: fewer questions than there are pay for the choice of their number', () => {
    const random = seededNumbers(64);
    const [count, strangers] = [30, 3000];
    const best = Array.from({ length: strangers }, () => {
      const answers = Array.from({ length: count }, () => Number(random.normal() > 0));
      const stops = Array.from({ length: count }, (_, at) => answers.slice(0, at + 1));
      return Math.max(...stops.map((asked) => toRemoteEvidence(set(0.5, count), asked).evidenceBits + 2));
    });
    for (const bits of [3, 4, 5, 6]) {
      const reached = best.filter((found) => found >= bits).length / strangers;
      expect(reached, `${bits} bits`).toBeLessThanOrEqual(2 * 2 ** -bits);
    }
    expect(toRemoteEvidence(set(0.5, 16), some(12, 12)).evidenceBits).toBeCloseTo(12 - 2 - 4, 9);
  });

  test('the tail is that of the binomial law, the trials taken off', () => {
    expect(toRemoteEvidence(set(0.5, 10), some(10, 10)).evidenceBits).toBeCloseTo(10 - 2, 9);
  });
});

describe('what the verdict rests on', () => {
  const answers = Array.from({ length: 400 }, (_, at) => at % 10);
  const measured = (count: number, digest = (at: number) => `${at}`.repeat(64)) =>
    Array.from({ length: count }, (_, at) => ({ name: `n${at}`, digest: digest(at), agreement: 0.3 }));
  const pool = (rates: ReturnType<typeof measured>, modelDigest: string | null = 'aa'.repeat(32)): ProbePool => ({
    record: {
      ...{ v: 1, plan: plan('uniform', [4], { classes: 10 }), inputsDigest: '00'.repeat(32), modelDigest },
      ...{ answers, chosen: null, nulls: rates, chance: 0.65 },
    },
    ...{ size: 400, probe: () => ({ kind: 'text', prompt: '' }), forget: () => undefined },
  });
  const judged = (set: QuestionSet, given = answers) =>
    toRemoteVerdict(set.statistic.kind, toRemoteEvidence(set, given), set.statistic.verdictMax);
  const own = Array.from({ length: 4 }, (_, at) => {
    return { name: `own ${at}`, digest: `${at + 4}`.repeat(64), answers: answers.map(() => 99) };
  });
  const seen = { isBefore: true, areAnswersOurs: true };

  test('without null models full agreement accuses nobody: strangers may agree as often', () => {
    const set = toProbeQuestions(pool([]), { judge: null });
    expect(judged(set)).toBe('inconclusive');
    expect(set.notes.join(' ')).toContain('strangers of the same task may agree as often');
    expect(
      judged(
        set,
        answers.map(() => 10),
      ),
    ).toBe('none');
  });

  test.each([
    [1, 'supporting'],
    [3, 'supporting'],
    [4, 'flag'],
  ])('with %d null models it is at most %s', (count, verdict) => {
    expect(judged(toProbeQuestions(pool(measured(count)), { judge: null }))).toBe(verdict);
  });

  test('one null model under four names is one', () => {
    const same = measured(4, () => 'bb'.repeat(32));
    expect(judged(toProbeQuestions(pool(same), { judge: null }))).toBe('supporting');
  });

  test('a judge sees a flag only with the record before the date, our model at hand and null models of his own', () => {
    const verdictOf = (options: Parameters<typeof toProbeQuestions>[1]) =>
      judged(toProbeQuestions(pool(measured(4)), options));
    expect(verdictOf({ judge: seen, nulls: own })).toBe('flag');
    expect(verdictOf({ judge: { ...seen, isBefore: false }, nulls: own })).toBe('supporting');
    expect(verdictOf({ judge: { ...seen, areAnswersOurs: false }, nulls: own })).toBe('supporting');
    expect(verdictOf({ judge: seen, nulls: own.slice(1) })).toBe('supporting');
    const text = toProbeQuestions(pool(measured(4), null), { judge: { ...seen, areAnswersOurs: false }, nulls: own });
    expect(judged(text)).toBe('supporting');
    expect(text.notes.join(' ')).toContain('answers of an end point');
  });
});

describe('answers', () => {
  test('the first of the largest; none where one is no finite number', () => {
    expect(findArgMax([0, 3, 3])).toBe(1);
    expect(findArgMax([0, Number.NaN])).toBeNull();
    expect(findArgMax([Number.POSITIVE_INFINITY, 0])).toBeNull();
    expect(findArgMax([])).toBeNull();
  });

  test('first words', () => {
    expect(toFirstWord('  "Cat", she said')).toBe('cat');
    expect(toFirstWord('東京 is')).toBe('東京');
    expect(toFirstWord(' … ')).toBeNull();
    expect(toFirstWord('a'.repeat(5000))).toHaveLength(64);
  });
});

describe('plans of others', () => {
  test.each<[string, TensorPlan, number]>([
    ['an input of 2^40 elements', plan('uniform', [2 ** 20, 2 ** 20]), 200],
    ['probes that are too large together', plan('uniform', [4096, 4096]), 10_000],
    [
      'an empty range',
      plan('uniform', [4], {
        inputs: [{ name: 'x', dtype: 'f32', shape: [4], rule: { kind: 'pattern', low: 1, high: 1 } }],
      }),
      200,
    ],
    [
      'no input that differs',
      plan('uniform', [4], { inputs: [{ name: 'x', dtype: 'f32', shape: [4], rule: { kind: 'constant', value: 1 } }] }),
      200,
    ],
  ])('%s is refused before anything is made', (_name, bad, count) => {
    expect(
      codeOf(() => {
        assertMakeable(bad, count);
      }),
    ).toBe('PROBES_MODEL_UNFIT');
  });
});
