/** The neuron-order code: bounds against counting, orders undone to the byte, tensors that must not move. */
import { describe, expect, test } from 'vitest';
import { MLP_GRAPH } from '../../../test/fakes/graphs.ts';
import {
  applyEdits,
  int,
  type MemoryGraph,
  type MemoryModel,
  memoryModel,
  memoryTensor,
  type MemoryTensor,
  node,
  seededNumbers,
} from '../../../test/fakes/memory-model.ts';
import { alignSuspect, toTopology } from '../../align/index.ts';
import type { DType } from '../../model/dtype.ts';
import type { Attribute, Model } from '../../model/types.ts';
import { toLog2OrderBound, toOrderEvidenceBits, toOrderRoomBits } from './evidence.ts';
import { createOrderEdits } from './move-edit.ts';
import { type CodedSpace, invertPlaces, type Places, toPlaces, toRecipientOrderKey } from './places.ts';
import { type OrderPlan, planOrder } from './plan-order.ts';
import { readOrder, toSuspectOrder } from './read-order.ts';

const KEY = new Uint8Array(32).fill(9);
const SPACE: CodedSpace = { space: 0, channels: 12, blocks: 1 };

/** Tensors in memory all begin at 0; a file keeps them apart. */
function inFile(model: MemoryModel): MemoryModel {
  const tensors = model.tensors.map((tensor, i) => ({
    ...tensor,
    start: i * 2 ** 30,
    end: i * 2 ** 30 + tensor.byteLength,
  }));
  return { ...model, tensors };
}

function random(shape: readonly number[], seed: number, gain = 1): number[] {
  const numbers = seededNumbers(seed);
  return Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => gain * numbers.normal());
}

/** Whole numbers that the type can hold, for codes. */
function fit(values: readonly number[], dtype: DType): number[] {
  if (!/^[iu]\d/.test(dtype)) return [...values];
  const [low, high] = dtype.startsWith('u') ? [0, 15] : [-8, 7];
  return values.map((value) => Math.max(low, Math.min(high, Math.round(value))));
}

function mlp(dtype: DType = 'f32', gain = 1): MemoryModel {
  const tensor = (name: string, shape: readonly number[], seed: number): MemoryTensor =>
    memoryTensor(name, shape, fit(random(shape, seed, gain), dtype), dtype);
  const tensors = [
    ...[tensor('w1', [24, 10], 1), tensor('b1', [24], 2), tensor('w2', [24, 16], 3)],
    ...[tensor('b2', [16], 4), tensor('w3', [16, 6], 5)],
  ];
  return inFile(memoryModel(tensors, MLP_GRAPH));
}

function toAllPlaces({ coded }: OrderPlan, number: number): Map<number, Places> {
  const key = toRecipientOrderKey(KEY, number);
  return new Map(coded.map((space) => [space.space, toPlaces(key, space)]));
}

function reorder(model: MemoryModel, places: (plan: OrderPlan) => ReadonlyMap<number, Places>): MemoryModel {
  const plan = planOrder(model, toTopology(model));
  return inFile(applyEdits(model, createOrderEdits(plan.parts, places(plan))));
}

function toBytes({ tensors }: Model): Map<string, string> {
  return new Map(
    tensors.map((tensor) => {
      const bytes = Buffer.alloc(tensor.byteLength);
      tensor.read(0, bytes);
      return [tensor.name, bytes.toString('hex')];
    }),
  );
}

/** log2 P[Σ a ≥ k] over all pairs of orders of `sizes`, by counting fixed points of every order. */
function countTail(sizes: readonly number[], atLeast: number): number {
  const listOrders = (items: readonly number[]): number[][] =>
    items.length === 0
      ? [[]]
      : items.flatMap((item) => listOrders(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
  let sums = [0];
  for (const size of sizes) {
    const fixed = listOrders([...Array(size).keys()]).map((order) => order.filter((item, i) => item === i).length);
    sums = sums.flatMap((sum) => fixed.map((own) => sum + own));
  }
  return Math.log2(sums.filter((sum) => sum >= atLeast).length / sums.length);
}

describe('the bound on agreements', () => {
  test('holds for every count of small orders, and is exact where all agree', () => {
    for (const sizes of [[5], [6], [4, 4], [3, 5], [2, 3, 4]]) {
      const total = sizes.reduce((sum, size) => sum + size, 0);
      for (let k = 1; k <= total; k++)
        expect(toLog2OrderBound(k, sizes)).toBeGreaterThanOrEqual(countTail(sizes, k) - 1e-9);
      expect(toLog2OrderBound(total, sizes)).toBeCloseTo(-toOrderRoomBits(sizes), 6);
    }
  });

  test('is the one of the specification: 25 agreements of one layer are 2^-83.7, 35 are 2^-132.9', () => {
    expect(toLog2OrderBound(25, [256])).toBeCloseTo(-83.7, 1);
    expect(toLog2OrderBound(35, [256])).toBeCloseTo(-132.9, 1);
    expect(toLog2OrderBound(60, [256, 192])).toBeLessThanOrEqual(60 - 272.1);
  });

  test('says nothing where as many agree as layers are tried, and never more than all can agree', () => {
    expect(toLog2OrderBound(3, [256, 256, 256])).toBe(0);
    expect(toLog2OrderBound(0, [256])).toBe(0);
    expect(toLog2OrderBound(7, [3, 3])).toBe(Number.NEGATIVE_INFINITY);
  });

  test('counts every recipient, and finds one whole layer among many shuffled ones', () => {
    const runs = [
      { channels: 64, agreements: 64 },
      ...Array.from({ length: 49 }, () => ({ channels: 64, agreements: 1 })),
    ];
    expect(toOrderEvidenceBits(runs, 1)).toBeCloseTo(toOrderRoomBits([64]) - Math.log2(50) - 1, 6);
    expect(toOrderEvidenceBits(runs, 1024)).toBeCloseTo(toOrderEvidenceBits(runs, 1) - 10, 9);
  });
});

describe('places', () => {
  test('are a permutation, another one for every recipient and space, and stay in their blocks', () => {
    const blocked = toPlaces(toRecipientOrderKey(KEY, 1), { ...SPACE, blocks: 4 });
    blocked.forEach((place, channel) => {
      expect(Math.floor(place / 3)).toBe(Math.floor(channel / 3));
    });
    const one = toPlaces(toRecipientOrderKey(KEY, 1), SPACE);
    expect([...one].sort((a, b) => a - b)).toEqual([...Array(12).keys()]);
    expect([...one]).not.toEqual([...toPlaces(toRecipientOrderKey(KEY, 2), SPACE)]);
    expect([...one]).not.toEqual([...toPlaces(toRecipientOrderKey(KEY, 1), { ...SPACE, space: 1 })]);
    expect([...invertPlaces(invertPlaces(one))]).toEqual([...one]);
  });

  test('are uniform: a channel lands everywhere equally often', () => {
    const counts = new Array<number>(12).fill(0);
    for (let number = 1; number <= 6000; number++) counts[toPlaces(toRecipientOrderKey(KEY, number), SPACE)[0]]++;
    const chi2 = counts.reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0);
    // 11 degrees of freedom: P[chi2 > 45] < 1e-5; the draws are fixed, so this cannot fail by chance.
    expect(chi2).toBeLessThan(45);
  });
});

describe('moving neurons', () => {
  const DTYPES: readonly DType[] = ['f32', 'f64', 'f16', 'bf16', 'f8e4m3fn', 'i8', 'u8', 'i16', 'i4'];

  test.each(DTYPES)('of %s only moves values, and is undone to the byte', (dtype) => {
    const original = mlp(dtype, dtype.startsWith('f') || dtype === 'bf16' ? 1 : 3);
    const copy = reorder(original, (plan) => toAllPlaces(plan, 5));
    const back = reorder(
      copy,
      (plan) => new Map([...toAllPlaces(plan, 5)].map(([space, places]) => [space, invertPlaces(places)])),
    );
    expect(toBytes(copy)).not.toEqual(toBytes(original));
    expect(toBytes(back)).toEqual(toBytes(original));
  });

  test('leaves what the network computes as it is', () => {
    const run = (model: MemoryModel): number[] => {
      const values = (name: string): Float32Array =>
        new Float32Array(model.data.find((tensor) => tensor.name === name)!.data.slice().buffer);
      const [w1, b1, w2, b2, w3] = ['w1', 'b1', 'w2', 'b2', 'w3'].map(values);
      const x = random([10], 77);
      const h1 = Array.from(b1, (bias, o) =>
        Math.max(
          0,
          x.reduce((sum, value, i) => sum + value * w1[o * 10 + i], bias),
        ),
      );
      const h2 = Array.from(b2, (bias, o) =>
        Math.max(
          0,
          h1.reduce((sum, value, i) => sum + value * w2[i * 16 + o], bias),
        ),
      );
      return Array.from({ length: 6 }, (_, o) => h2.reduce((sum, value, i) => sum + value * w3[i * 6 + o], 0));
    };
    const original = mlp();
    const copy = reorder(original, (plan) => toAllPlaces(plan, 5));
    run(original).forEach((value, i) => {
      expect(run(copy)[i]).toBeCloseTo(value, 9);
    });
  });

  test('of concatenated and added values moves segment by segment, tied ones together', () => {
    const graph: MemoryGraph = {
      ...{ inputs: ['x'], outputs: ['y'] },
      nodes: [
        ...[node('Conv', ['x', 'a'], ['a1']), node('Conv', ['x', 'b'], ['b1']), node('Conv', ['x', 'c'], ['c1'])],
        ...[node('Add', ['b1', 'c1'], ['bc']), node('Relu', ['bc'], ['r']), node('Relu', ['a1'], ['s'])],
        ...[node('Concat', ['s', 'r'], ['k'], { axis: int(1) }), node('Conv', ['k', 'd'], ['y'])],
      ],
    };
    const shapes = { a: [7, 3, 1, 1], b: [9, 3, 1, 1], c: [9, 3, 1, 1], d: [4, 16, 1, 1] };
    const tensors = Object.entries(shapes).map(([name, shape], i) => memoryTensor(name, shape, random(shape, i + 1)));
    const values = { x: { name: 'x', dtype: 'f32' as const, shape: [1, 3, 1, 1] } };
    const bare = memoryModel(tensors, graph);
    const known = new Map(Object.entries(values));
    const original = inFile({ ...bare, graph: { ...bare.graph!, values: known } });
    const run = (model: MemoryModel): number[] => {
      const read = (name: string): Float32Array =>
        new Float32Array(model.data.find((tensor) => tensor.name === name)!.data.slice().buffer);
      const times = (name: string, rows: number, input: readonly number[]): number[] =>
        Array.from({ length: rows }, (_, o) =>
          input.reduce((sum, value, i) => sum + value * read(name)[o * input.length + i], 0),
        );
      const x = [0.3, -1.2, 0.7];
      const c = times('c', 9, x);
      const sum = times('b', 9, x).map((value, i) => value + c[i]);
      return times(
        'd',
        4,
        [...times('a', 7, x), ...sum].map((value) => Math.max(0, value)),
      );
    };
    expect(planOrder(original, toTopology(original)).coded.map(({ channels }) => channels)).toEqual([7, 9]);
    const copy = reorder(original, (plan) => toAllPlaces(plan, 5));
    expect(toBytes(copy)).not.toEqual(toBytes(original));
    run(original).forEach((value, i) => {
      expect(run(copy)[i]).toBeCloseTo(value, 9);
    });
  });

  test('may be written in any cut', () => {
    const original = mlp();
    const plan = planOrder(original, toTopology(original));
    for (const { tensor, apply } of createOrderEdits(plan.parts, toAllPlaces(plan, 5))) {
      const whole = new Uint8Array(original.tensors.find(({ name }) => name === tensor)!.byteLength);
      apply(0, whole);
      const cut = new Uint8Array(whole.length);
      for (let at = cut.length - 4; at >= 0; at -= 4) apply(at, cut.subarray(at, at + 4));
      expect(cut).toEqual(whole);
    }
  });
});

function convGraph(more: { readonly group?: number; readonly shared?: boolean } = {}): MemoryModel {
  const graph: MemoryGraph = {
    inputs: ['x'],
    outputs: ['y'],
    nodes: [
      node('Conv', ['x', 'c1', 'zero'], ['h']),
      node('Relu', ['h'], ['r']),
      node('Conv', ['r', 'c2', more.shared === true ? 'zero' : 'b2'], ['g'], { group: int(more.group ?? 1) }),
      node('Relu', ['g'], ['s']),
      node('Conv', ['s', 'c3'], ['y']),
    ],
  };
  const tensors = [
    memoryTensor('c1', [8, 3, 3, 3], random([8, 3, 3, 3], 1)),
    memoryTensor('zero', [8], random([8], 2)),
    memoryTensor('c2', [8, 8 / (more.group ?? 1), 3, 3], random([8, 8 / (more.group ?? 1), 3, 3], 3)),
    memoryTensor('b2', [8], random([8], 4)),
    memoryTensor('c3', [4, 8, 1, 1], random([4, 8, 1, 1], 5)),
  ];
  return inFile(memoryModel(tensors, graph));
}

describe('what carries a code', () => {
  test('channels of a grouped convolution stay in their groups', () => {
    const plan = planOrder(convGraph({ group: 4 }), toTopology(convGraph({ group: 4 })));
    expect(plan.coded.map(({ channels, blocks }) => [channels, blocks])).toEqual([
      [8, 4],
      [8, 4],
    ]);
  });

  test('a vector that two layers read holds both: it cannot follow two orders', () => {
    const model = convGraph({ shared: true });
    const { coded, held } = planOrder(model, toTopology(model));
    expect(coded).toEqual([]);
    expect(held.map(({ reason }) => reason)).toContain('zero: more than one operator reads it');
    expect(planOrder(convGraph(), toTopology(convGraph())).held).toEqual([]);
  });

  test('a shared vector of equal entries is the same in any order', () => {
    const model = convGraph({ shared: true });
    const equal = inFile(
      memoryModel(
        model.data.map((tensor) =>
          tensor.name === 'zero' ? memoryTensor('zero', [8], Array<number>(8).fill(0)) : tensor,
        ),
        { inputs: ['x'], outputs: ['y'], nodes: model.graph!.nodes },
      ),
    );
    expect(planOrder(equal, toTopology(equal)).coded).toHaveLength(2);
  });

  test('scales of quantised weights follow their channels; blocks of several weights hold them', () => {
    const quantised = (blockSize?: number): MemoryModel => {
      const axis: Record<string, Attribute> =
        blockSize === undefined ? { axis: int(0) } : { axis: int(1), block_size: int(blockSize) };
      const nodes = [
        node('DequantizeLinear', ['q', 's', 'z'], ['w'], axis),
        node('Gemm', ['x', 'w', 'b'], ['h'], { transB: int(1) }),
        node('Relu', ['h'], ['r']),
        node('Gemm', ['r', 'w2'], ['y'], { transB: int(1) }),
      ];
      const scaleShape = blockSize === undefined ? [12] : [12, 10 / blockSize];
      const tensors = [
        memoryTensor('q', [12, 10], fit(random([12, 10], 1, 5), 'i8'), 'i8'),
        memoryTensor('s', scaleShape, random(scaleShape, 2).map(Math.abs)),
        memoryTensor('z', scaleShape, fit(random(scaleShape, 3, 5), 'i8'), 'i8'),
        memoryTensor('b', [12], random([12], 4)),
        memoryTensor('w2', [5, 12], random([5, 12], 5)),
      ];
      return inFile(memoryModel(tensors, { inputs: ['x'], outputs: ['y'], nodes }));
    };
    const original = quantised();
    const copy = reorder(original, (plan) => toAllPlaces(plan, 3));
    const plan = planOrder(original, toTopology(original));
    const [places] = [...toAllPlaces(plan, 3).values()];
    const read = (model: MemoryModel, name: string): Uint8Array =>
      model.data.find((tensor) => tensor.name === name)!.data;
    const scales = (model: MemoryModel): Float32Array => new Float32Array(read(model, 's').slice().buffer);
    places.forEach((place, channel) => {
      expect(scales(copy)[place]).toBe(scales(original)[channel]);
      expect(read(copy, 'z')[place]).toBe(read(original, 'z')[channel]);
      expect(read(copy, 'q').subarray(10 * place, 10 * place + 10)).toEqual(
        read(original, 'q').subarray(10 * channel, 10 * channel + 10),
      );
    });
    const blocked = quantised(5);
    expect(planOrder(blocked, toTopology(blocked)).held.map(({ reason }) => reason)).toEqual([
      'q: its scales belong to blocks',
    ]);
  });

  test('a computed bias holds everything: nobody knows what it is indexed by', () => {
    const graph: MemoryGraph = {
      ...{ inputs: ['x', 'bias'], outputs: ['y'] },
      nodes: [
        node('Gemm', ['x', 'w1', 'bias'], ['h'], { transB: int(1) }),
        node('Gemm', ['h', 'w2'], ['y'], { transB: int(1) }),
      ],
    };
    const tensors = [
      memoryTensor('w1', [12, 10], random([12, 10], 1)),
      memoryTensor('w2', [5, 12], random([5, 12], 2)),
    ];
    const model = inFile(memoryModel(tensors, graph));
    expect(planOrder(model, toTopology(model)).held.map(({ reason }) => reason)).toEqual([
      'Gemm takes a computed operand',
    ]);
  });
});

describe('reading', () => {
  const readFrom = (suspect: MemoryModel, recipients: readonly number[]) => {
    const original = mlp();
    const topology = toTopology(original);
    const { coded } = planOrder(original, topology);
    const { channelMaps } = alignSuspect({ topology, original, suspect });
    return readOrder(toSuspectOrder(coded, channelMaps), KEY, recipients);
  };

  test('names the right one of a thousand, and nobody in the copy of somebody else', () => {
    const copy = reorder(mlp(), (plan) => toAllPlaces(plan, 612));
    const all = Array.from({ length: 1000 }, (_, i) => i + 1);
    const found = readFrom(copy, all)!;
    expect(found).toMatchObject({ number: 612, agreements: 40 });
    expect(found.evidenceBits).toBeGreaterThan(64);
    expect(
      readFrom(
        copy,
        all.filter((number) => number !== 612),
      )!.evidenceBits,
    ).toBe(0);
    expect(readFrom(mlp(), all)!.evidenceBits).toBe(0);
    expect(readFrom(copy, [])).toBeNull();
  });

  test('neurons that were added or taken out shift the others, and change no order', () => {
    const places = toPlaces(toRecipientOrderKey(KEY, 3), { space: 0, channels: 40, blocks: 1 });
    const shifted = places.map((place, channel) => (channel % 10 === 0 ? -1 : place + Math.floor(place / 4)));
    const order = toSuspectOrder([{ space: 0, channels: 40, blocks: 1 }], [shifted]);
    expect(order.found).toBe(36);
    expect(readOrder(order, KEY, [1, 2, 3])).toMatchObject({ number: 3, agreements: 36 });
  });
});
