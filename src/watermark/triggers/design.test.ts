import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { createRng } from '../../lab/rng.ts';
import type { TriggerBody } from './body.ts';
import { COUNT_MIN, type DesignOptions, designTriggers, listCounts, toDefaultCount } from './design.ts';
import { dot, toMomentFactor, unwhiten, whiten } from './matrix.ts';
import { mineCandidates } from './mine.ts';
import { toBest, toLogits, toPush, toRiskWeights, toWorth } from './scores.ts';
import { solveMargins } from './solve.ts';

const rng = createRng('triggers/design');
const vector = (size: number, scale = 1): Float64Array =>
  Float64Array.from({ length: size }, () => scale * rng.gaussian());

describe('the space of clean features', () => {
  const [count, size, lambda] = [40, 6, 0.1];
  const rows = Float32Array.from({ length: count * size }, () => rng.gaussian());
  const factor = toMomentFactor(rows, size, { lambda, weights: null })!;
  /** Σ hhᵀ / n and the ridge, by its definition. */
  const moments = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (__, j) => {
      let sum = 0;
      for (let row = 0; row < count; row++) sum += (rows[row * size + i] * rows[row * size + j]) / count;
      return sum;
    }),
  );
  const ridge = (lambda * moments.reduce((sum, row, i) => sum + row[i], 0)) / size;

  test('whitening makes the moments the identity: x·C·y is the product of the whitened', () => {
    const [x, y] = [vector(size), vector(size)];
    const image = moments.map((row, i) => row.reduce((sum, value, j) => sum + value * y[j], ridge * y[i]));
    // With u = C·x, whiten(u)·whiten(v) = u·C⁻¹·v.
    const toImage = (v: Float64Array): Float32Array =>
      Float32Array.from(moments.map((row, i) => row.reduce((sum, value, j) => sum + value * v[j], ridge * v[i])));
    const found = dot(whiten(factor, toImage(x)), whiten(factor, toImage(y)));
    expect(found).toBeCloseTo(dot(x, Float64Array.from(image)), 3);
  });

  test('unwhitening is the transpose: it acts on features as its argument acts on whitened ones', () => {
    const z = vector(size);
    const h = Float32Array.from(vector(size));
    expect(dot(unwhiten(factor, z), Float64Array.from(h))).toBeCloseTo(dot(z, whiten(factor, h)), 6);
  });

  test('features that are always zero have no space', () => {
    expect(toMomentFactor(new Float32Array(12), 3, { lambda, weights: null })).toBeNull();
  });
});

describe('mining', () => {
  /** zᵀ(I + w Σ ppᵀ)⁻¹z by Gaussian elimination. */
  const toNovelty = (z: Float64Array, picked: readonly Float64Array[], weight: number): number => {
    const size = z.length;
    const rows = Array.from({ length: size }, (_, i) => [
      ...Array.from(
        { length: size },
        (__, j) => Number(i === j) + picked.reduce((sum, p) => sum + weight * p[i] * p[j], 0),
      ),
      z[i],
    ]);
    for (let i = 0; i < size; i++) {
      for (let k = i + 1; k < size; k++) {
        const share = rows[k][i] / rows[i][i];
        for (let j = i; j <= size; j++) rows[k][j] -= share * rows[i][j];
      }
    }
    const x = new Float64Array(size);
    for (let i = size - 1; i >= 0; i--) {
      x[i] = (rows[i][size] - x.reduce((sum, value, j) => (j > i ? sum + rows[i][j] * value : sum), 0)) / rows[i][i];
    }
    return dot(z, x);
  };

  test.each([1, 100])('weight %s: every pick is the newest against all picks before', (weight) => {
    const whitened = Array.from({ length: 30 }, () => vector(5));
    const picks = mineCandidates(whitened, { count: 8, weight });
    for (const [turn, { index, novelty }] of picks.entries()) {
      const before = picks.slice(0, turn).map((pick) => whitened[pick.index]);
      const taken = new Set(picks.slice(0, turn).map((pick) => pick.index));
      const left = whitened.map((z, i) => (taken.has(i) ? -1 : toNovelty(z, before, weight)));
      expect(novelty).toBeCloseTo(Math.max(...left), 6);
      expect(left[index]).toBeCloseTo(Math.max(...left), 6);
    }
  });

  test('candidates that are not numbers are passed over', () => {
    const whitened = [vector(3), Float64Array.of(Number.NaN, 0, 0), vector(3)];
    expect(
      mineCandidates(whitened, { count: 3, weight: 1 })
        .map(({ index }) => index)
        .sort(),
    ).toEqual([0, 2]);
  });
});

describe('what clean data and candidates weigh', () => {
  test('a sample between two answers weighs the most, one far from any boundary next to nothing', () => {
    const scores = [Float64Array.of(5, 5), Float64Array.of(6, 5), Float64Array.of(50, 5)];
    const [between, near, far] = toRiskWeights({ scores }, 10);
    expect(between).toBeCloseTo(0.51, 9);
    // p = 1 / (1 + e^(-1/3)): 1 - p² - (1 - p)² = 0.4864.
    expect(near).toBeCloseTo(0.4964, 3);
    expect(far).toBeCloseTo(0.01, 4);
  });

  test('of equally new candidates the one that needs the smaller push is worth more', () => {
    const [z, w] = [Float64Array.of(1, 0), Float64Array.of(0, 1)];
    const [flat, steep] = toWorth(
      [z, w],
      [Float64Array.of(1, 1), Float64Array.of(9, 1)].map((scores) => toPush(scores, 2)),
    );
    expect(dot(flat, flat)).toBeGreaterThan(dot(steep, steep));
    expect(dot(flat, flat) + dot(steep, steep)).toBeCloseTo(2, 9);
  });
});

describe('the least edit', () => {
  test('one trigger, two classes: the closed form', () => {
    const z = vector(4);
    const { change } = solveMargins({ whitened: [z], logits: [Float64Array.of(1, 0)], labels: [1], margin: 2 });
    const factor = (2 + 1) / (2 * dot(z, z));
    for (let i = 0; i < 4; i++) {
      expect(change[1][i]).toBeCloseTo(factor * z[i], 6);
      expect(change[0][i]).toBeCloseTo(-factor * z[i], 6);
    }
  });

  test('a trigger that leads by the margin already changes nothing', () => {
    const options = { whitened: [vector(4)], logits: [Float64Array.of(5, 0)], labels: [0], margin: 2 };
    expect(solveMargins(options).change.flatMap((row) => [...row])).toEqual(Array<number>(8).fill(0));
  });

  test('every margin holds, and any push against one of them makes the change larger', () => {
    const whitened = Array.from({ length: 6 }, () => vector(12));
    const logits = whitened.map(() => vector(4));
    const labels = [0, 1, 2, 3, 0, 1];
    const { change, marginMin } = solveMargins({ whitened, logits, labels, margin: 1 });
    expect(marginMin).toBeGreaterThan(0.99);
    for (const [t, z] of whitened.entries()) {
      const after = logits[t].map((logit, j) => logit + dot(change[j], z));
      for (let j = 0; j < 4; j++) if (j !== labels[t]) expect(after[labels[t]] - after[j]).toBeGreaterThan(0.98);
    }
    // The least change lies in the span of the triggers.
    const outside = vector(12);
    for (let round = 0; round < 200; round++) {
      for (const z of whitened) {
        const share = dot(outside, z) / dot(z, z);
        for (let i = 0; i < 12; i++) outside[i] -= share * z[i];
      }
    }
    for (const row of change) expect(Math.abs(dot(row, outside))).toBeLessThan(1e-6);
  });
});

describe('a design for a layer', () => {
  const [width, classes] = [40, 4];
  const head = {
    rows: Array.from({ length: classes }, (_, c) => vector(width).map((v, i) => (i % classes === c ? 3 : 0) + 0.1 * v)),
    width,
  };
  /** Clean features lie in the first half of the directions; candidates in all. */
  const toRows = (count: number, used: number, label: (row: number) => number): Float32Array =>
    Float32Array.from({ length: count * width }, (_, at) => {
      const [row, i] = [Math.floor(at / width), at % width];
      if (i === width - 1) return 1;
      if (i >= used) return 0.02 * rng.gaussian();
      return 0.3 * rng.gaussian() + Number(i % classes === label(row));
    });
  const clean = { count: 600, values: toRows(600, 20, (row) => row % classes) };
  const candidates = {
    count: 200,
    values: Float32Array.from({ length: 200 * width }, (_, at) =>
      at % width === width - 1 ? 1 : Math.abs(rng.gaussian()),
    ),
  };
  const frame: Omit<TriggerBody, 'indices'> = {
    ...{ v: 1, scheme: 'last-layer/v2', output: 'scores', classes, candidates: 200 },
    input: { name: 'x', dtype: 'f32', shape: [4, 4], low: 0, high: 1 },
  };
  const options: DesignOptions = {
    ...{ head, clean, candidates, frame, count: 12, limitPoints: 2 },
    labels: Int32Array.from({ length: 600 }, (_, row) => row % classes),
    labelsKey: new Uint8Array(32).fill(1),
  };

  test('answers every trigger as drawn, within the limit, and indices ascend', () => {
    const design = designTriggers(options);
    expect(design.body.indices).toHaveLength(12);
    expect([...design.body.indices].sort((a, b) => a - b)).toEqual(design.body.indices);
    expect(design.lossPoints).toBeLessThanOrEqual(2);
    const marked = head.rows.map((row, j) => row.map((value, i) => value + design.change[j][i]));
    const answers = design.body.indices.map((index) =>
      toBest(toLogits(marked, candidates.values.subarray(index * width, (index + 1) * width))),
    );
    expect(answers).toEqual([...design.labels]);
  });

  test('mined candidates move the scores of clean samples less than candidates as they come', () => {
    const toMove = (isMined: boolean): number => {
      const { change } = designTriggers({ ...options, isMined, count: 20, limitPoints: 100 });
      let square = 0;
      for (let row = 0; row < clean.count; row++) {
        const moves = toLogits(change, clean.values.subarray(row * width, (row + 1) * width));
        square += dot(moves, moves);
      }
      return square;
    };
    expect(toMove(true)).toBeLessThan(toMove(false));
  });

  test('over the limit: fewer triggers, then a coded refusal', () => {
    // Candidates that are clean samples themselves: every label drawn otherwise is a loss.
    const same = { ...options, candidates: { count: 200, values: clean.values.subarray(0, 200 * width) } };
    const { body, firstCount, lossPoints } = designTriggers({ ...same, limitPoints: 1.7 });
    expect(firstCount).toBe(12);
    expect(body.indices.length).toBeLessThan(12);
    expect(body.indices.length).toBeGreaterThanOrEqual(COUNT_MIN);
    expect(lossPoints).toBeLessThanOrEqual(1.7);
    expect(codeOf(() => designTriggers({ ...same, count: 5, limitPoints: 0 }))).toBe('WATERMARK_TRIGGER_COST');
  });

  test('where there is enough data, the loss is within the limit at 99 % confidence', () => {
    const many = { count: 4000, values: toRows(4000, 20, (row) => row % classes) };
    const labels = Int32Array.from({ length: 4000 }, (_, row) => row % classes);
    const design = designTriggers({ ...options, clean: many, labels, limitPoints: 0.5 });
    expect(design.lossPointsMax).toBeLessThanOrEqual(0.5);
    expect(design.lossPointsMax).toBeGreaterThan(design.lossPoints);
  });

  test('another key: other labels for the same choice', () => {
    const first = designTriggers({ ...options, limitPoints: 100 });
    const second = designTriggers({ ...options, limitPoints: 100, labelsKey: new Uint8Array(32).fill(2) });
    expect(second.body).toEqual(first.body);
    expect([...second.labels]).not.toEqual([...first.labels]);
  });
});

describe('how many', () => {
  test.each([
    [2, 4000],
    [10, 4000],
    [1000, 4000],
  ])('%s classes: a flag survives a tenth of them lost', (classes, width) => {
    const count = toDefaultCount(classes, width);
    const kept = Math.ceil(0.9 * count);
    expect(kept * Math.log2(classes)).toBeGreaterThan(64);
  });

  test.each([
    [25, 10],
    [24, 10],
    [95, 2],
    [1024, 2],
    [1024, 1000],
    [4, 10],
  ])('from %s triggers for %s classes: fewer and fewer, and no more draws of labels than are counted', (first, classes) => {
    const counts = listCounts(first, classes);
    expect(counts[0]).toBe(first);
    expect(counts.length).toBeLessThanOrEqual(16);
    for (const [i, count] of counts.entries()) expect(count).toBeLessThan(i === 0 ? first + 1 : counts[i - 1]);
    expect(counts[counts.length - 1]).toBeGreaterThanOrEqual(COUNT_MIN);
  });

  test('a narrow layer begins with half its width', () => {
    expect(toDefaultCount(10, 32)).toBe(16);
  });
});
