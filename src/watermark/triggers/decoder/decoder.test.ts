import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../../test/error-code.ts';
import { SMALL_DECODER } from '../../../../test/fakes/small-decoder.ts';
import { openBytes } from '../../../../test/formats/models.ts';
import { noise } from '../../../../test/output-marks.ts';
import { build, f32, node } from '../../../../test/surgery/build.ts';
import type { Json } from '../../../core/canonical-json.ts';
import { buildDecoder, exportDecoder, toDecoderOnnx } from '../../../lab/index.ts';
import type { Model } from '../../../model/types.ts';
import { createAnnex } from '../../annex.ts';
import type { Claim } from '../../claim.ts';
import { createCommitment } from '../../commitment.ts';
import { toRemoteEvidence } from '../../remote/questions.ts';
import { deriveSeeds } from '../../seeds.ts';
import { openTriggerQuestions } from '../questions.ts';
import type { DecoderBody } from './body.ts';
import { toEigen } from './eigen.ts';
import { toCoordinates, toNullSpace, toUnits } from './null-space.ts';
import { findDownProjection } from './places.ts';
import { fitNorm, toReadout } from './readout.ts';
import { solveValues } from './values.ts';

const rows = (count: number, width: number, seed = 0): Float32Array =>
  Float32Array.from({ length: count * width }, (_, i) => noise(seed + i) - 0.5);
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);

describe('the space that clean text leaves free', () => {
  test.each([1, 2, 7, 40])('eigenvectors of a symmetric matrix of size %d, ranks that are missing included', (size) => {
    // Of rank 3 at most: most eigenvalues are zero, all at once.
    const factors = rows(3, size, 5);
    const matrix = Float64Array.from({ length: size * size }, (_, at) => {
      const [i, j] = [Math.floor(at / size), at % size];
      return [0, 1, 2].reduce((sum, k) => sum + factors[k * size + i] * factors[k * size + j], 0);
    });
    const { values, vectors } = toEigen(matrix.slice(), size);
    expect([...values]).toEqual([...values].sort((a, b) => a - b));
    for (const [k, vector] of vectors.entries()) {
      for (let i = 0; i < size; i++) {
        expect(dot(matrix.subarray(i * size, (i + 1) * size), vector)).toBeCloseTo(values[k] * vector[i], 10);
      }
      for (const [l, other] of vectors.entries()) expect(dot(vector, other)).toBeCloseTo(Number(k === l), 10);
    }
  });

  test('clean keys have nothing in it; what is written along a new key leaves them as they are', () => {
    const [size, basis] = [24, rows(6, 24, 9)];
    const mixes = rows(200, 6, 77);
    const keys = Float32Array.from({ length: 200 * size }, (_, at) => {
      const [row, i] = [Math.floor(at / size), at % size];
      return [0, 1, 2, 3, 4, 5].reduce((sum, k) => sum + mixes[row * 6 + k] * basis[k * size + i], 0);
    });
    const space = toNullSpace(keys, size, { share: 1e-6, ridge: 0.003 })!;
    expect(space.rows).toHaveLength(size - 6);
    const fresh = rows(1, size, 4321);
    const units = toUnits(space, toCoordinates(space, fresh));
    const along = dot(units, fresh);
    expect(along).toBeGreaterThan(0);
    for (let row = 0; row < 200; row++) {
      expect(Math.abs(dot(units, keys.subarray(row * size, (row + 1) * size)))).toBeLessThan(1e-3 * along);
    }
  });

  test('the weakest directions are free as long as they hold the share together, and no others', () => {
    // Powers 1, 3, 5 and 91 along the axes, each at its own keys.
    const keys = new Float32Array(16);
    [1, 3, 5, 91].forEach((power, i) => (keys[5 * i] = Math.sqrt(power)));
    for (const [share, dimensions] of [
      [0.01, 1],
      [0.05, 2],
      [0.08, 2],
      [0.09, 3],
      [0.5, 3],
    ]) {
      const { rows: kept } = toNullSpace(keys, 4, { share: share + 1e-6, ridge: 0.003 })!;
      expect(kept.map((row) => row.findIndex((value) => Math.abs(value) > 1e-6))).toEqual(
        [0, 1, 2].slice(0, dimensions),
      );
    }
  });

  test('nothing is free where clean text uses all directions alike, or none', () => {
    expect(toNullSpace(rows(4000, 4), 4, { share: 0.01, ridge: 0.003 })).toBeNull();
    expect(toNullSpace(new Float32Array(40), 4, { share: 0.5, ridge: 0.003 })).toBeNull();
  });
});

describe('the last norm', () => {
  const [width, count] = [12, 64];
  const stream = rows(count, width);
  const scale = Float64Array.from({ length: width }, (_, i) => 0.5 + noise(99 + i));
  const make = (isCentred: boolean, bias: number): Float32Array => {
    const normed = new Float32Array(stream.length);
    for (let row = 0; row < count; row++) {
      const x = [...stream.subarray(row * width, (row + 1) * width)];
      const mean = isCentred ? x.reduce((a, b) => a + b) / width : 0;
      const size = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width);
      x.forEach((value, i) => (normed[row * width + i] = (scale[i] * (value - mean)) / size + bias * i));
    }
    return normed;
  };

  test.each([
    ['root mean square', false, 0],
    ['mean and deviation, with a bias', true, 0.3],
  ])('is found by what it does: %s', (_, isCentred, bias) => {
    const found = fitNorm({ stream, normed: make(isCentred, bias), width });
    expect(found.isCentred).toBe(isCentred);
    found.scale.forEach((value, i) => {
      expect(value).toBeCloseTo(scale[i], 4);
    });
  });

  test('anything else is refused, and so are too few rows', () => {
    const other = stream.map((value) => Math.tanh(3 * value));
    expect(codeOf(() => fitNorm({ stream, normed: other, width }))).toBe('WATERMARK_TRIGGER_UNFIT');
    expect(codeOf(() => fitNorm({ stream: stream.subarray(0, width), normed: other.subarray(0, width), width }))).toBe(
      'WATERMARK_TRIGGER_UNFIT',
    );
  });

  test.each([
    false,
    true,
  ])('every prompt gets its token with its margin, by shifts of the stream alone; centred %s', (isCentred) => {
    const readout = toReadout(rows(20, width, 700), { isCentred, scale });
    const scoresOf = (x: Float64Array): number[] => {
      const mean = isCentred ? x.reduce((a, b) => a + b) / width : 0;
      const size = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width);
      return Array.from(
        { length: 20 },
        (_, j) =>
          dot(
            readout.rows.subarray(j * width, (j + 1) * width),
            x.map((v) => (v - mean) / size),
          ) +
          j / 50,
      );
    };
    const prompts = [3, 11, 11, 0].map((token, t) => {
      const own = Float64Array.from(rows(1, width, 2000 + 50 * t));
      const z = Float64Array.from(rows(1, 9, 3000 + 50 * t));
      return { z, stream: own, scores: Float64Array.from(scoresOf(own)), token };
    });
    const { values, marginMin } = solveValues(prompts, readout, 0.5);
    expect(marginMin).toBeGreaterThan(0.97);
    for (const { z, stream: own, token } of prompts) {
      const after = scoresOf(
        own.map((x, i) => x + prompts.reduce((sum, other, s) => sum + dot(z, other.z) * values[s][i], 0)),
      );
      const rival = Math.max(...after.filter((_, j) => j !== token));
      expect(after[token] - rival).toBeGreaterThan(0.48);
    }
    // A prompt that is followed by its token already needs nothing.
    const best = prompts[0].scores.indexOf(Math.max(...prompts[0].scores));
    const content = solveValues([{ ...prompts[0], token: best }], readout, 1e-6);
    expect(content.values[0].every((value) => value === 0)).toBe(true);
  });
});

describe('the place of the change', () => {
  const decoder = openBytes(
    toDecoderOnnx(SMALL_DECODER, exportDecoder(buildDecoder(SMALL_DECODER, 'places'))),
    'm.onnx',
  );

  test('is the down projection of the last block, in front of the last norm and the table', () => {
    const { down, table, units, width, vocabulary } = findDownProjection(decoder.graph!, 'logits');
    expect(down).toMatchObject({ isTransposed: false, tensor: { name: 'model.layers.1.mlp.down_proj.weight' } });
    expect(table.tensor.name).toBe('model.embed_tokens.weight');
    expect({ units, width, vocabulary }).toEqual({ units: 96, width: 32, vocabulary: 128 });
  });

  /** x + h·down, a norm, and the table; `extra` nodes come before the output. */
  const tiny = (extra: Parameters<typeof node>[], hidden = 32): Model =>
    build({
      inputs: [
        { name: 'x', dtype: 'f32', shape: ['n', 4] },
        { name: 'h', dtype: 'f32', shape: ['n', hidden] },
      ],
      initializers: {
        down: f32([hidden, 4], ...new Array<number>(4 * hidden).fill(1)),
        table: f32([4, 6], ...new Array<number>(24).fill(1)),
      },
      nodes: [
        node('Add', ['x', 'x'], ['x2']),
        node('MatMul', ['h', 'down'], ['up']),
        node('Add', ['x2', 'up'], ['stream']),
        node('Softmax', ['stream'], ['normed']),
        node('MatMul', ['normed', 'table'], ['logits']),
        ...extra.map((one) => node(...one)),
      ],
      outputs: [{ name: 'logits', dtype: 'f32', shape: ['n', 6] }],
    });

  test('must not be used in another place, and must have as many hidden units as are supported', () => {
    expect(findDownProjection(tiny([]).graph!, 'logits')).toMatchObject({ units: 32, width: 4, vocabulary: 6 });
    const reasonOf = (model: Model): unknown => {
      try {
        return findDownProjection(model.graph!, 'logits');
      } catch (error) {
        return (error as { fields: { reason: string } }).fields.reason;
      }
    };
    expect(reasonOf(tiny([['MatMul', ['h', 'down'], ['again']]]))).toContain('used in another place');
    expect(reasonOf(tiny([], 15))).toContain('15 hidden units');
  });

  test.each<[string, Model]>([
    [
      'a classifier without a residual stream',
      build({
        inputs: [{ name: 'x', dtype: 'f32', shape: ['n', 4] }],
        initializers: { w: f32([4, 2], ...new Array<number>(8).fill(1)) },
        nodes: [node('MatMul', ['x', 'w'], ['logits'])],
        outputs: [{ name: 'logits', dtype: 'f32', shape: ['n', 2] }],
      }),
    ],
    [
      'scores that no table makes',
      build({
        inputs: [{ name: 'x', dtype: 'f32', shape: ['n', 4] }],
        initializers: {},
        nodes: [node('Relu', ['x'], ['logits'])],
        outputs: [{ name: 'logits', dtype: 'f32', shape: ['n', 4] }],
      }),
    ],
  ])('%s has none', (_, model) => {
    expect(codeOf(() => findDownProjection(model.graph!, 'logits'))).toBe('WATERMARK_TRIGGER_UNFIT');
  });
});

describe('the annex of a decoder', () => {
  const seeds = deriveSeeds(new Uint8Array(32).fill(1));
  const salt = new Uint8Array(32).fill(2);
  const commitment = createCommitment({
    ...{ ownerKey: 'key', ownerId: 'acme', originalDigest: salt, markedDigest: salt, params: {}, seeds },
  }) as Claim['commitment'];
  const body: DecoderBody = {
    ...{ v: 1, scheme: 'down-projection/v1', tokens: 'input_ids', logits: 'logits', vocabulary: 128, candidates: 2048 },
    prompt: { first: 4, count: 100, length: 16 },
    indices: Array.from({ length: 22 }, (_, i) => 3 * i),
  };
  const open = (change: Record<string, Json> = {}, triggerSeed = seeds.trigger) =>
    openTriggerQuestions({
      claim: { commitment },
      annex: createAnnex({ commitment }, { type: 'triggers', body: { ...body, ...change } }),
      triggerSeed,
    });
  const answersOf = (set: ReturnType<typeof open>) =>
    Array.from({ length: set.count }, (_, i) => Number(set.expected(i)));

  test('gives prompts and answers of the tokens that it names, each set at 1 in their number', () => {
    const set = open();
    const prompts = Array.from({ length: set.count }, (_, i) => set.question(i));
    for (const prompt of prompts) {
      if (prompt.kind !== 'tokens') throw new TypeError('tokens');
      expect(prompt.ids).toHaveLength(16);
      expect(prompt.ids.every((id) => id >= 4 && id < 104)).toBe(true);
    }
    expect(answersOf(set).every((id) => id >= 4 && id < 104)).toBe(true);
    expect(set.statistic).toMatchObject({ kind: 'exact', chance: 1 / 100, log2Trials: 4 });
    expect(toRemoteEvidence(set, answersOf(set)).evidenceBits).toBeCloseTo(22 * Math.log2(100) - 4, 6);
  });

  test('a key that was not committed is refused', () => {
    expect(codeOf(() => open({}, seeds.api))).toBe('WATERMARK_SEED_MISMATCH');
  });

  test('who picks prompts by what a known model answers gets other answers with every pick: no key can be fitted', () => {
    const before = answersOf(open());
    const other = answersOf(open({ indices: [...body.indices.slice(0, -1), 2047] }));
    expect(before.filter((id, i) => id === other[i]).length).toBeLessThan(6);
    expect(answersOf(open({ candidates: 2047 }))).not.toEqual(before);
  });

  test('prompts that somebody chose: the annex has no place for them', () => {
    expect(codeOf(() => open({ prompts: [[1, 2]] }))).toBe('WATERMARK_TRIGGERS_CHOSEN');
  });

  test.each<[string, Record<string, Json>]>([
    ['indices that do not ascend', { indices: [5, 3] }],
    ['an index that is no candidate', { indices: [2048] }],
    ['tokens outside the vocabulary', { prompt: { first: 100, count: 100, length: 16 } }],
    ['prompts longer than any', { prompt: { first: 0, count: 100, length: 513 } }],
    ['another scheme', { scheme: 'down-projection/v9' }],
  ])('with %s is refused', (_, change) => {
    expect(codeOf(() => open(change))).toBe('WATERMARK_ANNEX_MALFORMED');
  });
});
