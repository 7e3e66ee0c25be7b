import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ElementOrder, listOrders } from './element-order.ts';
import type { Layer } from './ports.ts';

type Kind = 'OIHW' | 'OHWI' | 'HWIO' | '1HWO' | 'O1HW';

/** A layer whose stored axes are those of `order`; sizes by letter. */
function toLayer(order: Kind, sizes: Readonly<Record<string, number>>): Layer {
  const shape = Array.from(order).map((letter) => sizes[letter]);
  const inLetter = order.includes('I') ? 'I' : '1';
  return {
    name: 'w',
    kind: 'conv',
    dtype: 'f32',
    storedShape: shape,
    shape,
    outAxis: order.indexOf('O'),
    inAxis: order.indexOf(inLetter),
    groups: 1,
    isOutput: false,
    out: null,
    in: null,
  };
}

function toDense(out: number, channels: number, inner: number, isInterleaved: boolean): Layer {
  const axis = { axis: 1, segments: [{ space: -1, channels }], inner };
  return {
    ...toLayer('OIHW', { O: out, I: channels * inner, H: 1, W: 1 }),
    kind: 'dense',
    storedShape: [out, channels * inner],
    shape: [out, channels * inner],
    in: isInterleaved ? { ...axis, isInterleaved: true } : axis,
  };
}

/** Where each element of the layer lies, in the layer's order. */
function toIndexes(order: ElementOrder, count: number): number[] {
  if (order.length === 0) return Array.from({ length: count }, (_, i) => i);
  return order.reduce<number[]>(
    (starts, { size, stride }) => starts.flatMap((start) => Array.from({ length: size }, (_, i) => start + i * stride)),
    [0],
  );
}

/** The same, by taking the letters apart. */
function toExpected(ours: Kind, theirs: Kind, sizes: Readonly<Record<string, number>>): number[] {
  const places: Record<string, number>[] = [{}];
  const all = Array.from(ours).reduce(
    (found, letter) =>
      found.flatMap((place) => Array.from({ length: sizes[letter] }, (_, i) => ({ ...place, [letter]: i }))),
    places,
  );
  return all.map((place) => Array.from(theirs).reduce((at, letter) => at * sizes[letter] + place[letter], 0));
}

const size = fc.integer({ min: 1, max: 5 });
const sizesOf = fc.record({ O: size, I: size, H: size, W: size, '1': fc.constant(1) });

describe('where the elements of a layer lie', () => {
  test('kernels of two graphs: every pair of arrangements, every size', () => {
    const full = fc.constantFrom<Kind>('OIHW', 'OHWI', 'HWIO');
    const depthwise = fc.constantFrom<Kind>('1HWO', 'O1HW');
    const pairs = fc.oneof(fc.tuple(full, full), fc.tuple(depthwise, depthwise));
    fc.assert(
      fc.property(pairs, sizesOf, ([ours, theirs], sizes) => {
        const layer = toLayer(ours, sizes);
        const own = toLayer(theirs, sizes);
        const orders = listOrders(layer, own, own.shape);
        expect(orders).toHaveLength(1);
        expect(
          toIndexes(
            orders[0],
            layer.shape.reduce((a, b) => a * b, 1),
          ),
        ).toEqual(toExpected(ours, theirs, sizes));
      }),
    );
  });

  test('a kernel of another size has no place', () => {
    const sizes = { O: 4, I: 3, H: 2, W: 2 };
    const own = toLayer('OHWI', { ...sizes, I: 2, O: 6 });
    expect(listOrders(toLayer('OIHW', sizes), own, own.shape)).toEqual([]);
  });

  test('without a graph the usual arrangements are tried, what lies alike first', () => {
    const sizes = { O: 8, I: 4, H: 3, W: 3 };
    const layer = toLayer('OIHW', sizes);
    expect(listOrders(layer, null, [8, 4, 3, 3])).toEqual([[]]);
    expect(listOrders(layer, null, [8, 3, 3, 4])).toEqual(listOrders(layer, toLayer('OHWI', sizes), [8, 3, 3, 4]));
    expect(listOrders(layer, null, [3, 3, 4, 8])).toEqual(listOrders(layer, toLayer('HWIO', sizes), [3, 3, 4, 8]));
    expect(listOrders(layer, null, [4, 8, 3, 3])).toEqual([]);
    const square = toDense(6, 6, 1, false);
    expect(listOrders(square, null, [6, 6]).map(({ length }) => length)).toEqual([0, 2]);
  });

  test('flattened values: channels in runs, or interleaved', () => {
    const [runs, mixed] = [toDense(2, 3, 4, false), toDense(2, 3, 4, true)];
    // Row 0, channel 1, place 2: 1 · 4 + 2 in runs, 2 · 3 + 1 interleaved.
    const [order] = listOrders(runs, mixed, mixed.shape);
    expect(toIndexes(order, 24)[6]).toBe(7);
    const [back] = listOrders(mixed, runs, runs.shape);
    expect(toIndexes(back, 24)[7]).toBe(6);
    expect(listOrders(runs, runs, runs.shape)).toEqual([[]]);
    // Where only one of the two knows of a flatten, both are taken to have the same.
    expect(listOrders(mixed, toDense(2, 12, 1, false), [2, 12])).toEqual([[]]);
  });
});
