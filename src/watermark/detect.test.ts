/** Which readings are taken, how much of the suspect each reads, and that what is not taken is paid for. */
import { describe, expect, test } from 'vitest';
import { MLP_GRAPH } from '../../test/fakes/graphs.ts';
import { toMarkedModel } from '../../test/fakes/marked-model.ts';
import { type MemoryModel, memoryModel, memoryTensor, seededNumbers } from '../../test/fakes/memory-model.ts';
import type { Model } from '../model/types.ts';
import { detectMark } from './detect.ts';
import { toReference } from './reference.ts';

const random = seededNumbers(77);

function gaussian(name: string, ...shape: readonly number[]) {
  const count = shape.reduce((a, b) => a * b, 1);
  return memoryTensor(
    name,
    shape,
    Array.from({ length: count }, () => random.normal() * 0.1),
  );
}

/** Three square layers of one shape and no graph: every layer has six readings. */
const squares = (): MemoryModel => memoryModel(['a', 'b', 'c'].map((name) => gaussian(name, 160, 160)));

const mlp = (): MemoryModel =>
  memoryModel(
    [
      gaussian('w1', 128, 64),
      gaussian('b1', 128),
      gaussian('w2', 128, 160),
      gaussian('b2', 160),
      gaussian('w3', 160, 10),
    ],
    MLP_GRAPH,
  );

/** The model, and how many bytes of each tensor were read so far. */
function counting(model: Model): { readonly model: Model; readonly bytes: ReadonlyMap<string, number> } {
  const bytes = new Map<string, number>();
  const tensors = model.tensors.map((tensor) => ({
    ...tensor,
    read: (offset: number, into: Uint8Array): void => {
      bytes.set(tensor.name, (bytes.get(tensor.name) ?? 0) + into.length);
      tensor.read(offset, into);
    },
  }));
  return { model: { ...model, tensors }, bytes };
}

function turned(model: MemoryModel): MemoryModel {
  return memoryModel(
    model.data.map(({ name, shape: [rows = 0, columns = 0], data }, at) => {
      const values = new Float32Array(data.slice().buffer);
      const other = values.map((_, k) => values[(k % rows) * columns + Math.floor(k / rows)]);
      return memoryTensor(`onnx::${at}${name}`, [columns, rows], other);
    }),
  );
}

describe('the readings of a suspect', () => {
  test('a whole mark in the order of the file settles it: the other readings are paid for and not taken', () => {
    const { model, claim, ownSeed } = toMarkedModel(squares());
    const few = counting(model);
    const all = counting(model);
    const settled = detectMark({ suspect: few.model, claim, ownSeed });
    const whole = detectMark({ suspect: all.model, claim, ownSeed, readings: 'all' });
    expect(settled.schemes.map(({ name }) => name)).toEqual(['spread/hard', 'spread/soft']);
    expect(whole.schemes.map(({ name }) => name)).toContain('spread/best-match/hard');
    expect(whole.settled).toBe(false);
    expect(settled).toMatchObject({
      verdict: 'claim',
      settled: true,
      trials: whole.trials,
      evidenceBits: whole.schemes[1].evidenceBits,
    });
    // Once for the scale, once for the sums.
    const size = 160 * 160 * 4;
    expect([...few.bytes.values()]).toEqual([2 * size, 2 * size, 2 * size]);
  });

  test('no layer is measured twice in one tensor, and a turned one is read once from front to back', () => {
    const { claim, ownSeed } = toMarkedModel(squares());
    const suspect = counting(squares());
    expect(detectMark({ suspect: suspect.model, claim, ownSeed }).verdict).toBe('none');
    const size = 160 * 160 * 4;
    // Three layers try each tensor as it lies (two reads) and turned (one).
    expect([...suspect.bytes.values()]).toEqual([9 * size, 9 * size, 9 * size]);
  });

  test('a suspect that is turned, renamed and reordered is still found among its fitting tensors', () => {
    const { model, claim, ownSeed } = toMarkedModel(squares());
    const { data } = turned(model);
    const result = detectMark({ suspect: memoryModel([data[2], data[0], data[1]]), claim, ownSeed });
    const best = result.schemes.find(({ name }) => name === 'spread/best-match/hard');
    expect(best).toMatchObject({ bitErrors: 0 });
    expect(result.verdict).toBe('claim');
    // Two statistics, two readings, five subsets, six choices for each of three layers.
    expect(Math.round(result.trials)).toBe(2 * 2 * 5 * 6 ** 3);
  });

  test('the first reading alone has its own price, and does not look further', () => {
    const { model, claim, ownSeed } = toMarkedModel(squares());
    const alone = detectMark({ suspect: model, claim, ownSeed, readings: 'first' });
    expect(alone).toMatchObject({ verdict: 'claim', trials: 2 * 5, notes: [] });
    const suspect = detectMark({ suspect: turned(model), claim, ownSeed, readings: 'first' });
    expect(suspect.verdict).toBe('none');
    expect(suspect.schemes).toHaveLength(2);
  });

  test('the original is asked for only when the order of the file leaves something open', () => {
    const original = mlp();
    const { model, claim, ownSeed } = toMarkedModel(original);
    let asked = 0;
    const open = () => {
      asked += 1;
      return toReference(original);
    };
    const settled = detectMark({ suspect: model, claim, ownSeed, original: open });
    expect([settled.verdict, asked]).toEqual(['claim', 0]);
    expect(settled.trials).toBe(detectMark({ suspect: model, claim, ownSeed, original, readings: 'all' }).trials);
    const open2 = detectMark({ suspect: mlp(), claim, ownSeed, original: open });
    expect([open2.verdict, asked]).toEqual(['none', 1]);
    expect(open2.schemes.some(({ aligned }) => aligned)).toBe(true);
    const none = detectMark({ suspect: mlp(), claim, ownSeed, original: () => undefined });
    expect(none.trials).toBe(open2.trials / 2);
    expect(none.notes.join()).toContain('needs the original');
  });

  test('a late original is held against the commitment like any other', () => {
    const { claim, ownSeed } = toMarkedModel(mlp());
    const wrong = () => toReference(mlp());
    expect(() => detectMark({ suspect: mlp(), claim, ownSeed, original: wrong })).toThrow(
      expect.objectContaining({ code: 'ALIGN_REFERENCE_REFUSED', exit: 3 }) as Error,
    );
  });
});
