import { describe, expect, it } from 'vitest';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { TAMPERINGS } from '../../../test/tamper/tamperings.ts';
import { countConfusion } from '../../../test/tamper/confusion.ts';
import { silentProgress } from '../../core/ports.ts';
import { toMemoryTensor } from '../../model/index.ts';
import { createRng } from '../../lab/index.ts';
import { compareTensor } from './compare-tensor.ts';

const shape = [24, 40];
const gaussian = (seed: string, count: number): Float32Array => {
  const rng = createRng(seed);
  return Float32Array.from({ length: count }, () => 0.1 * rng.gaussian());
};
const values = gaussian('weights', 24 * 40);
const toTensor = (data: Float32Array, dims: readonly number[] = shape) =>
  toMemoryTensor({ name: 'w', dtype: 'f32', shape: dims, bytes: new Uint8Array(data.slice().buffer) });
const compare = (after: Float32Array, before: Float32Array = values, dims: readonly number[] = shape) =>
  compareTensor({
    before: toTensor(before, dims),
    after: toTensor(after, dims),
    isTurned: false,
    listMax: 8,
    progress: silentProgress,
  });

describe('the class of a changed tensor', () => {
  it.each(TAMPERINGS.map((tampering) => [tampering.id, tampering] as const))('%s', (_, tampering) => {
    const after = tampering.apply({ shape, values }, createRng(tampering.id));
    expect(after).not.toBeNull();
    const { class: found, reasons } = compare(after!);
    expect(found, reasons[0]).toBe(tampering.class);
    expect(reasons[0]).toMatch(/\.$/);
  });

  it('says nothing of equal tensors', () => {
    expect(compare(values)).toMatchObject({ class: 'unchanged', reasons: [], figures: null });
  });

  it('tells whole rows and columns that moved, and which axis', () => {
    const columns = Float32Array.from(values, (_, i) => values[Math.floor(i / 40) * 40 + ((i + 7) % 40)]);
    expect(compare(columns).reasons[0]).toContain('whole columns moved');
    const rows = Float32Array.from(values, (_, i) => values[(i + 3 * 40) % values.length]);
    expect(compare(rows).reasons[0]).toContain('whole rows moved');
    const elements = values.slice().reverse();
    expect(compare(elements).reasons[0]).toContain('elements moved');
  });

  it('tells one factor per row from one for all', () => {
    const perRow = values.map((value, i) => value * (1 + 0.01 * (1 + Math.floor(i / 40))));
    expect(compare(perRow)).toMatchObject({ class: 'scaled' });
    expect(compare(perRow).reasons[0]).toContain('Every row');
    expect(compare(values.map((value) => -value)).reasons[0]).toContain('times -1');
  });

  it('names the edited row', () => {
    const after = values.slice();
    for (let column = 0; column < 40; column++) after[5 * 40 + column] += 0.05;
    const { class: found, lines } = compare(after);
    expect(found).toBe('row-edit');
    expect(lines.find(({ axis }) => axis === 0)).toEqual({ axis: 0, index: 5, changed: 40, energyShare: 1 });
  });

  it('says pruned and trained on, and keeps the figure of the zeros', () => {
    const noise = gaussian('noise', values.length);
    const after = values.map((value, i) => (Math.abs(value) < 0.05 ? 0 : value + 0.05 * noise[i]));
    const { class: found, figures, reasons } = compare(after);
    expect(found).toBe('pruned');
    expect(figures!.newZeros).toBe(after.filter((value) => value === 0).length);
    expect(reasons[0]).toContain('others changed as well');
  });

  it('does not take arithmetic of the last bit for a payload', () => {
    const words = new Int32Array(values.slice().buffer);
    const rng = createRng('ulp');
    const after = new Float32Array(words.map((word) => word + rng.below(3) - 1).buffer);
    expect(compare(after).class).not.toBe('lsb-payload');
  });

  it('does not call a grid that was there before quantised', () => {
    const grid = values.map((value) => 0.01 * Math.round(100 * value));
    const moved = grid.map((value, i) => (i % 2 === 0 ? value : value + 0.01));
    expect(compare(moved, grid).class).not.toBe('quantised');
  });

  it('survives numbers that are none, and counts them', () => {
    const after = values.map((value) => value * 1.1 + 0.01);
    after[3] = NaN;
    after[4] = Infinity;
    const { figures, listed } = compare(after);
    expect(figures!.newNonFinite).toBe(2);
    expect(listed[3]).toMatchObject({ element: 3, after: null });
    expect(JSON.stringify(figures)).not.toContain('null,null,null');
  });

  it('does not call a tensor of numbers that are none trained', () => {
    expect(compare(values.map((value, i) => (i % 7 === 0 ? NaN : value + 0.01)))).toMatchObject({ class: 'edited' });
  });

  it('admits that few values tell nothing', () => {
    const small = Float32Array.of(1, 2, 3);
    expect(compare(Float32Array.of(1.5, 2.2, 3.9), small, [3])).toMatchObject({ class: 'edited' });
  });
});

describeWithShared('classes on real tensors', () => {
  it('names at least 95 of 100 changes of a small real model', () => {
    const { right, total } = countConfusion([sharedData('models', 'mnist.onnx')]);
    expect(total).toBeGreaterThan(40);
    expect(right / total).toBeGreaterThanOrEqual(0.95);
  });
});
