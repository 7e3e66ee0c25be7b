/** The green list: put in front of scores, run, and read in texts with its exact evidence. */
import { beforeAll, describe, expect, test } from 'vitest';
import {
  createBigrams,
  createGreen,
  PAIR_SCORES,
  reopen,
  type Shape,
  VOCABULARY,
  withDecoder,
  writeWith,
} from '../../../test/bigrams.ts';
import { codeOf } from '../../../test/error-code.ts';
import { noise } from '../../../test/output-marks.ts';
import { build, f32, node } from '../../../test/surgery/build.ts';
import type { Model } from '../../model/types.ts';
import { readText } from './detect.ts';
import { editTextMark, editTextMarkRemoval, findTextPlaces } from './insert.ts';
import { toDefaultBuckets } from './params.ts';

const ID = '0123abcd';
const mark = (model: Model, green = createGreen(1)): Model => reopen(editTextMark(model, ID, green));
describe('the green list in a graph', () => {
  test.each<Shape>([
    'all',
    'last',
    'flat',
    'fixed',
  ])('adds the bias to green tokens after each token and nothing to others: scores %s', async (shape) => {
    const green = createGreen(1);
    const text = Int32Array.of(5, 60, 0, 255, 5);
    const rows = await withDecoder(mark(createBigrams(shape), green), (decoder) => decoder.score([text, text]));
    const isAll = shape === 'all' || shape === 'fixed';
    for (const sequence of rows) {
      expect(sequence).toHaveLength(isAll ? text.length : 1);
      sequence.forEach((scores, row) => {
        const context = isAll ? text[row] : text[4];
        scores.forEach((score, token) => {
          const isGreen = green.isGreen(green.buckets[context], token);
          expect(score).toBe(Math.fround(PAIR_SCORES[context * VOCABULARY + token] + (isGreen ? 2 : 0)));
        });
      });
    }
  });

  test('is taken out again: scores are what they were, and nothing of it is left', async () => {
    const plain = createBigrams();
    const without = reopen(editTextMarkRemoval(mark(plain)));
    const text = Int32Array.from({ length: 20 }, (_, i) => (7 * i) % VOCABULARY);
    const score = (model: Model) => withDecoder(model, (decoder) => decoder.score([text]));
    expect(await score(without)).toEqual(await score(plain));
    expect([...without.graph!.tensors.keys()]).toEqual(['scores']);
    expect(codeOf(() => editTextMarkRemoval(without))).toBe('WATERMARK_OUTPUT_ABSENT');
  });

  test('goes in once', () => {
    expect(codeOf(() => mark(mark(createBigrams())))).toBe('WATERMARK_LABEL_PRESENT');
  });

  test('is put where tokens and scores are, by name or because nothing else fits; else the error lists the choice', () => {
    expect(findTextPlaces(createBigrams('all', 'ids'))).toEqual({
      tokens: 'ids',
      logits: 'logits',
      vocabulary: VOCABULARY,
    });
    expect(findTextPlaces(createBigrams(), { tokens: 'input_ids' })).toMatchObject({ tokens: 'input_ids' });
    expect(() => findTextPlaces(createBigrams(), { tokens: 'mask' })).toThrow(
      expect.objectContaining({
        code: 'WATERMARK_TEXT_UNFIT',
        fields: { reason: '"mask" is no input of token ids [batch, tokens]; those that do: input_ids' },
      }),
    );
    const image = build({
      inputs: [{ name: 'x', dtype: 'f32', shape: ['n', 4] }],
      initializers: { w: f32([4, 2], ...new Array<number>(8).fill(1)) },
      nodes: [node('MatMul', ['x', 'w'], ['y'])],
      outputs: [{ name: 'y', dtype: 'f32', shape: ['n', 2] }],
    });
    expect(codeOf(() => findTextPlaces(image))).toBe('WATERMARK_TEXT_UNFIT');
  });

  test('takes at most 32 MiB', () => {
    expect(toDefaultBuckets(1000)).toBe(256);
    expect(toDefaultBuckets(256_000) * 256_000).toBeLessThanOrEqual(32 * 1024 * 1024);
    expect(toDefaultBuckets(1024 * 1024)).toBe(32);
  });
});

describe('a text', () => {
  let plain: Int32Array[];
  let marked: Int32Array[];
  beforeAll(async () => {
    plain = await writeWith(createBigrams(), 24);
    marked = await writeWith(mark(createBigrams()), 24);
  });
  const green = createGreen(1);

  test('of the marked model is a claim; of the unmarked one, and with another key, it is nothing', () => {
    const read = readText(marked, green, 1);
    expect(read.evidenceBits).toBeGreaterThan(128);
    expect(read.green / read.pairs).toBeGreaterThan(0.4);
    expect(readText(plain, green, 1).evidenceBits).toBeLessThan(16);
    expect(readText(marked, createGreen(2), 1).evidenceBits).toBeLessThan(16);
  });

  test('has the evidence of the exact tail, and pays for every trial', () => {
    const [free, paid] = [readText(marked, green, 1), readText(marked, green, 1024)];
    expect(free.evidenceBits - paid.evidenceBits).toBeCloseTo(10, 9);
    const tiny = readText([[0, 1, 2]], createGreen(1, { share: 0.5 }), 1);
    const hits = tiny.green;
    const tail = [0, 0, 0].map((_, k) => (k >= hits ? [1, 2, 1][k] / 4 : 0)).reduce((a, b) => a + b, 0);
    expect(tiny.evidenceBits).toBeCloseTo(-Math.log2(tail), 9);
  });

  test('said ten times is worth what it is worth once', () => {
    const ten = Array.from({ length: 10 }, () => marked).flat();
    expect(readText(ten, green, 1).evidenceBits).toBe(readText(marked, green, 1).evidenceBits);
  });

  test('keeps evidence when a third of its words are replaced; when all are, none is left', () => {
    const replaced = (share: number): Int32Array[] =>
      marked.map((text, i) =>
        text.map((token, at) =>
          noise(99 + 64 * i + at) < share ? Math.floor(noise(7 + 64 * i + at) * VOCABULARY) : token,
        ),
      );
    expect(readText(replaced(0.33), green, 1).evidenceBits).toBeGreaterThan(32);
    expect(readText(replaced(1), green, 1).evidenceBits).toBeLessThan(16);
  });

  test('with tokens that the model does not have is read between them', () => {
    const broken = [[3, -1, 4, VOCABULARY, 5, 6]];
    expect(readText(broken, green, 1)).toMatchObject({ tokens: 6, pairs: 1 });
    expect(readText([[], [1]], green, 1)).toMatchObject({ tokens: 1, pairs: 0, z: 0, evidenceBits: 0 });
  });

  test.each([
    0.25, 0.5,
  ])('is independent of keys that did not mark it: P[b bits] is at most 2^-b, share %d', (share) => {
    const keys = 800;
    const bits = Array.from(
      { length: keys },
      (_, i) => readText(marked, createGreen(3 + i, { share }), 1).evidenceBits,
    );
    for (const b of [1, 2, 4]) {
      const hits = bits.filter((value) => value >= b).length;
      // Four standard deviations above the bound.
      expect(hits).toBeLessThan(keys * 2 ** -b + 4 * Math.sqrt(keys * 2 ** -b));
    }
    // The law has no gap either: about half of the keys show something.
    expect(bits.filter((value) => value >= 0.5).length).toBeGreaterThan(keys / 4);
    expect(Math.max(...bits)).toBeLessThan(26);
  });
});
