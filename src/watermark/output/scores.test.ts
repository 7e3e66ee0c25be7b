/** The dither of scores: put in, run, and read with its exact evidence. */
import { describe, expect, test } from 'vitest';
import { imageModel } from '../../../test/fakes/image-model.ts';
import { add, digits, key, mlp, otherKey, payload, run, toTensor } from '../../../test/output-marks.ts';
import { type OutputMark, readOutputMark, toOutputMark } from './index.ts';
import { toNumbers } from './values.ts';

const scoresMark = (change: object = {}): OutputMark =>
  toOutputMark({ kind: 'scores', params: { output: 'logits', step: 1e-3 }, payload, key, ...change });

describe('the dither of scores', () => {
  test('is read with its exact evidence; shown scores are what they were', async () => {
    const mark = scoresMark();
    const before = toNumbers((await run(mlp, digits)).get('logits')!);
    const marked = await run(add(mlp, mark), digits);
    const after = toNumbers(marked.get('logits')!);
    before.forEach((value, i) => {
      expect(Math.abs(after[i] - value)).toBeLessThan(0.76e-3);
      expect(after[i].toFixed(3).replace('-0.000', '0.000')).toBe((Math.floor(value * 1e3 + 0.5) / 1e3).toFixed(3));
    });
    const read = readOutputMark(marked, mark, 4);
    if (read.kind !== 'scores') throw new TypeError(read.kind);
    expect(read.agreeing).toBe(read.cells);
    expect(read.cells).toBeGreaterThan(500);
    // All agree: the tail is 2^-cells exactly, less the trials.
    expect(read.evidenceBits).toBeCloseTo(read.cells - 2, 6);
  });

  test('scores of 0 and 1 stay 0 and 1, whatever the key: probabilities remain such', async () => {
    const bytes = imageModel({ output: 'logits', dtype: 'f32', shape: ['batch', 3] });
    const feed = toTensor([1, 3], (i) => [0, 1, 0.5][i]);
    for (let first = 0; first < 8; first++) {
      const mark = scoresMark({ key: new Uint8Array(32).fill(first) });
      const [zero, one, half] = toNumbers((await run(add(bytes, mark), feed)).get('logits')!);
      expect([zero, one]).toEqual([0, 1]);
      expect(Math.abs(half - 0.5)).toBeCloseTo(0.25e-3, 6);
    }
  });

  test('another key, the unmarked model, and rounded scores say nothing', async () => {
    const mark = scoresMark();
    const marked = await run(add(mlp, mark), digits);
    const rounded = toTensor([200, 10], (i) => Math.round(toNumbers(marked.get('logits')!)[i] * 1e3) / 1e3);
    for (const [recording, reader] of [
      [marked, scoresMark({ key: otherKey })],
      [await run(mlp, digits), mark],
      [new Map([['logits', rounded]]), mark],
    ] as const) {
      const read = readOutputMark(recording, reader, 1);
      expect(read).toMatchObject({ kind: 'scores' });
      expect(read.kind === 'scores' ? read.evidenceBits : 0).toBeLessThan(16);
    }
  });

  test('the evidence of keys that marked nothing follows its law: P[b bits] is at most 2^-b', async () => {
    const recording = await run(mlp, digits);
    const bits = Array.from({ length: 400 }, (_, i) => {
      const stranger = new Uint8Array(32).fill(i & 255);
      stranger[1] = i >> 8;
      const read = readOutputMark(recording, scoresMark({ key: stranger }), 1);
      return read.kind === 'scores' ? read.evidenceBits : Number.NaN;
    });
    for (const b of [1, 2, 4]) {
      const hits = bits.filter((value) => value >= b).length;
      // Four standard deviations above the bound.
      expect(hits).toBeLessThan(400 * 2 ** -b + 4 * Math.sqrt(400 * 2 ** -b));
    }
    expect(Math.max(...bits)).toBeLessThan(24);
  });
});
