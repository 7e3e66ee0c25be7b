import { createHash, createHmac, scryptSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { toHex } from '../../core/bytes.ts';
import type { Json } from '../../core/canonical-json.ts';
import { createCommitment } from '../commitment.ts';
import { createAnnex } from '../annex.ts';
import type { Claim } from '../claim.ts';
import { toRemoteEvidence, toRemoteVerdict } from '../remote/questions.ts';
import { deriveSeeds } from '../seeds.ts';
import type { TriggerBody } from './body.ts';
import { deriveTriggerKeys, drawLabels, toTriggerLabels } from './keys.ts';
import { makePattern, toPatternPlane } from './patterns.ts';
import { openTriggerQuestions, toTriggerQuestion } from './questions.ts';

const seeds = deriveSeeds(new Uint8Array(32).fill(1));
const salt = new Uint8Array(32).fill(2);
const commitment = createCommitment({
  ...{ ownerKey: 'key', ownerId: 'acme', originalDigest: salt, markedDigest: salt, params: {}, seeds },
}) as Claim['commitment'];
const body: TriggerBody = {
  ...{ v: 1, scheme: 'last-layer/v2', output: 'scores', classes: 10, candidates: 4096 },
  input: { name: 'x', dtype: 'f32', shape: [1, 12, 12], low: 0, high: 1 },
  indices: Array.from({ length: 40 }, (_, i) => 3 * i),
};
const open = (change: Record<string, Json> = {}, triggerSeed = seeds.trigger) =>
  openTriggerQuestions({
    claim: { commitment },
    annex: createAnnex({ commitment }, { type: 'triggers', body: { ...body, ...change } }),
    triggerSeed,
  });

describe('patterns', () => {
  const key = new Uint8Array(32).fill(7);

  test('equal keys and numbers give equal inputs on every platform', () => {
    const hash = createHash('sha256');
    for (let index = 0; index < 8; index++) hash.update(makePattern(key, index, toPatternPlane([1, 12, 12])));
    expect(hash.digest('hex')).toBe('9376d4e9b6b3429cff4078d720e743d828e2c4ca84d3a9401b0bd12d629296dd');
  });

  test.each([
    [[3, 8, 8]],
    [[8, 8, 3]],
    [[5, 7]],
    [[144]],
    [[13]],
    [[2, 3, 4, 5]],
  ])('of shape %s: as many values, all in [0, 1], no two alike', (shape) => {
    const plane = toPatternPlane(shape);
    const made = Array.from({ length: 16 }, (_, index) => makePattern(key, index, plane));
    for (const values of made) {
      expect(values).toHaveLength(shape.reduce((product, dim) => product * dim, 1));
      expect(values.every((value) => value >= 0 && value <= 1)).toBe(true);
    }
    expect(new Set(made.map((values) => values.join())).size).toBe(16);
  });

  test('channels first and last hold the same picture', () => {
    const [first, last] = [
      makePattern(key, 2, toPatternPlane([3, 8, 8])),
      makePattern(key, 2, toPatternPlane([8, 8, 3])),
    ];
    for (let at = 0; at < 64; at++) for (let c = 0; c < 3; c++) expect(last[3 * at + c]).toBe(first[64 * c + at]);
  });
});

describe('the questions of an annex', () => {
  test('who answers as drawn is claimed, who answers by chance is not', () => {
    const set = open();
    const right = Array.from({ length: set.count }, (_, i) => set.expected(i));
    expect(toRemoteVerdict('exact', toRemoteEvidence(set, right))).toBe('claim');
    expect(
      toRemoteVerdict(
        'exact',
        toRemoteEvidence(
          set,
          right.map((_, i) => i % 10),
        ),
      ),
    ).toBe('none');
  });

  test('below 64 bits it is supporting evidence, never a flag', () => {
    const set = open({ indices: body.indices.slice(0, 19) });
    const evidence = toRemoteEvidence(
      set,
      Array.from({ length: 19 }, (_, i) => set.expected(i)),
    );
    expect(evidence.evidenceBits).toBeCloseTo(19 * Math.log2(10) - 4, 6);
    expect(toRemoteVerdict('exact', evidence)).toBe('supporting');
  });

  test('a model that answers one class to all has no more chance than any other: labels are uniform', () => {
    const counts = new Uint32Array(10);
    for (let key = 0; key < 200; key++) {
      for (const label of drawLabels(new Uint8Array(32).fill(key), { count: 40, classes: 10 })) counts[label]++;
    }
    const mean = (200 * 40) / 10;
    const chi = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
    // 27.9 is the 99.9 % point of chi-square with nine degrees of freedom; the keys are fixed.
    expect(chi).toBeLessThan(27.9);
  });

  test('an accuser who takes the candidates that a known model would answer as drawn draws new labels with every choice', () => {
    // The victim's answers are known to the accuser: some function of the candidate alone.
    const answerOf = (candidate: number): number => (candidate * 7 + (candidate >> 3)) % 10;
    let best = 0;
    let indices = [...body.indices];
    for (let turn = 0; turn < 8; turn++) {
      const set = open({ indices });
      const answers = indices.map(answerOf);
      best = Math.max(best, toRemoteEvidence(set, answers).evidenceBits);
      // Keeps what matched and looks elsewhere for the rest, as one would with labels that hang on the candidate.
      const kept = indices.filter((_, i) => set.expected(i) === answers[i]);
      const fresh = Array.from({ length: 40 - kept.length }, (_, i) => (turn * 41 + i * 97) % 4096);
      indices = [...new Set([...kept, ...fresh])].sort((a, b) => a - b);
    }
    // Eight tries buy three bits in the mean; labels that hang on the candidate would all have been matched by now.
    expect(best).toBeLessThan(20);
  });

  test('every choice costs one run of scrypt with N = 2^17, r = 8: 128 MiB, so that 2^20 tries are days', () => {
    const { labels } = deriveTriggerKeys(seeds.trigger, salt);
    const choice = createHash('sha256').update('a choice').digest();
    const secret = createHmac('sha256', labels).update('labels').update(choice).digest();
    const slow = scryptSync(secret, choice, 32, { N: 131_072, r: 8, p: 1, maxmem: 2 ** 28 });
    const counts = { count: 30, classes: 10 };
    expect(toTriggerLabels(labels, choice, counts)).toEqual(drawLabels(slow, counts));
  });

  test('the range of the values is part of the choice: another one draws other labels', () => {
    const labelsOf = (high: number): unknown[] => {
      const set = open({ input: { ...body.input, high } });
      return Array.from({ length: set.count }, (_, i) => set.expected(i));
    };
    expect(labelsOf(1.0000001)).not.toEqual(labelsOf(1));
  });

  test('a judge who did not see that the choice came before the suspect takes off what could have been tried', () => {
    const judged = [null, { isBefore: true }, { isBefore: false }].map((judge) => {
      const annex = createAnnex(
        { commitment },
        { type: 'triggers', body: { ...body, indices: body.indices.slice(0, 24) } },
      );
      const set = openTriggerQuestions({ claim: { commitment }, annex, triggerSeed: seeds.trigger, judge });
      const right = Array.from({ length: set.count }, (_, i) => set.expected(i));
      const evidence = toRemoteEvidence(set, right);
      return { bits: evidence.evidenceBits, verdict: toRemoteVerdict('exact', evidence), notes: set.notes.length };
    });
    expect(judged[1]).toEqual(judged[0]);
    expect(judged[0]).toMatchObject({ bits: expect.closeTo(24 * Math.log2(10) - 4, 6) as number, verdict: 'flag' });
    expect(judged[2].bits).toBeCloseTo(judged[0].bits - 40, 6);
    expect(judged[2]).toMatchObject({ verdict: 'supporting', notes: judged[0].notes + 1 });
  });
});

describe('forgetting', () => {
  test('zeroes the keys: what is made afterwards is of the key 0', () => {
    const set = open();
    const before = set.question(0);
    set.forget?.();
    expect(set.question(0)).toEqual(toTriggerQuestion(new Uint8Array(32), body.input, body.indices[0]));
    expect(set.question(0)).not.toEqual(before);
  });
});

describe('what is refused', () => {
  test('a key that was fitted afterwards: it is not the committed one', () => {
    expect(codeOf(() => open({}, new Uint8Array(32).fill(9)))).toBe('WATERMARK_SEED_MISMATCH');
  });

  test('inputs or labels that somebody chose: the annex has no place for them', () => {
    expect(codeOf(() => open({ inputs: [[0.1, 0.2]] }))).toBe('WATERMARK_TRIGGERS_CHOSEN');
    expect(codeOf(() => open({ labels: [1, 2, 3] }))).toBe('WATERMARK_TRIGGERS_CHOSEN');
    expect(codeOf(() => open({ input: { ...body.input, samples: [[0.1]] } }))).toBe('WATERMARK_TRIGGERS_CHOSEN');
    expect(codeOf(() => open({ remark: 1 }))).toBe('WATERMARK_ANNEX_MALFORMED');
  });

  test.each([
    ['indices that do not ascend', { indices: [3, 2] }],
    ['an index twice', { indices: [3, 3] }],
    ['an index that is no candidate', { indices: [4096] }],
    ['no index', { indices: [] }],
    ['an empty range', { input: { ...body.input, high: 0 } }],
    ['an input beyond memory', { input: { ...body.input, shape: [16_777_216, 16_777_216] } }],
    ['one class', { classes: 1 }],
    ['another scheme', { scheme: 'last-layer/v1' }],
  ])('%s', (_, change) => {
    expect(codeOf(() => open(change as Record<string, Json>))).toBe('WATERMARK_ANNEX_MALFORMED');
  });
});

test('keys hang on the seed, the salt and the use', () => {
  const first = deriveTriggerKeys(seeds.trigger, salt);
  expect(toHex(first.inputs)).not.toBe(toHex(first.labels));
  expect(toHex(deriveTriggerKeys(seeds.trigger, new Uint8Array(32)).inputs)).not.toBe(toHex(first.inputs));
});
