/** Permutation, scaling and added neurons against the mark. The attack code here shares nothing with the aligner. */
import { describe, expect, test } from 'vitest';
import { MLP_GRAPH, shapeTensor, TRANSFORMER_GRAPH } from '../../test/fakes/graphs.ts';
import { toMarkedModel } from '../../test/fakes/marked-model.ts';
import {
  int,
  type MemoryModel,
  memoryModel,
  memoryTensor,
  type MemoryTensor,
  node,
  seededNumbers,
} from '../../test/fakes/memory-model.ts';
import type { GraphNode } from '../model/types.ts';
import { detectMark } from './detect.ts';

type Values = Map<string, { shape: number[]; data: Float32Array }>;

function toValues(model: MemoryModel): Values {
  return new Map(
    model.data
      .filter(({ dtype }) => dtype === 'f32')
      .map(({ name, shape, data }) => [name, { shape: [...shape], data: new Float32Array(data.slice().buffer) }]),
  );
}

function fromValues(model: MemoryModel, values: Values): MemoryModel {
  const tensors: MemoryTensor[] = model.data.map((tensor) => {
    const changed = values.get(tensor.name);
    return changed === undefined ? tensor : memoryTensor(tensor.name, changed.shape, changed.data);
  });
  const graph = model.graph!;
  return memoryModel(tensors, {
    inputs: graph.inputs.map((item) => item.name),
    outputs: graph.outputs.map((item) => item.name),
    nodes: graph.nodes,
  });
}

/** Reorders (and multiplies) slices of one axis: new slice i is old slice order[i] times factor[order[i]]. */
function moveAxis(values: Values, name: string, axis: number, order: number[], factor: number[], run = 1): void {
  const tensor = values.get(name)!;
  const { shape, data } = tensor;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const length = shape[axis];
  const moved = new Float32Array(outer * order.length * run * inner);
  for (let o = 0; o < outer; o++) {
    order.forEach((from, to) => {
      for (let r = 0; r < run; r++) {
        for (let i = 0; i < inner; i++) {
          moved[(o * order.length * run + to * run + r) * inner + i] =
            data[(o * length + from * run + r) * inner + i] * factor[from];
        }
      }
    });
  }
  values.set(name, { shape: shape.map((dim, i) => (i === axis ? order.length * run : dim)), data: moved });
}

const random = seededNumbers(4242);

function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random.uniform() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

const scales = (count: number): number[] => Array.from({ length: count }, () => Math.exp(2 * random.uniform() - 1));
const inverse = (factor: number[]): number[] => factor.map((value) => 1 / value);

function gaussian(name: string, ...shape: number[]): MemoryTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const fan = Math.max(1, count / shape[0]);
  return memoryTensor(
    name,
    shape,
    Array.from({ length: count }, () => random.normal() / Math.sqrt(fan)),
  );
}

const positive = (name: string, count: number): MemoryTensor =>
  memoryTensor(
    name,
    [count],
    Array.from({ length: count }, () => 0.5 + random.uniform()),
  );

function mlp(): MemoryModel {
  return memoryModel(
    [
      gaussian('w1', 128, 64),
      gaussian('b1', 128),
      gaussian('w2', 128, 160),
      gaussian('b2', 160),
      gaussian('w3', 160, 10),
    ],
    MLP_GRAPH,
  );
}

function attackMlp(values: Values, extra = 0): void {
  const [first, second] = [shuffled(128), shuffled(160)];
  const [a, b] = [scales(128), scales(160)];
  moveAxis(values, 'w1', 0, first, a);
  moveAxis(values, 'b1', 0, first, a);
  moveAxis(values, 'w2', 0, first, inverse(a));
  // A clique of dummy neurons: a copied neuron whose two outputs cancel, with large weights.
  const withExtra = [...second, ...Array.from({ length: extra }, (_, i) => second[i % 7])];
  moveAxis(values, 'w2', 1, withExtra, b);
  moveAxis(values, 'b2', 0, withExtra, b);
  moveAxis(values, 'w3', 0, withExtra, inverse(b));
  if (extra === 0) return;
  const w2 = values.get('w2')!;
  const w3 = values.get('w3')!;
  for (let j = 160; j < 160 + extra; j++) {
    for (let i = 0; i < 128; i++) w2.data[i * (160 + extra) + j] = random.normal() * 3;
    for (let k = 0; k < 10; k++) w3.data[j * 10 + k] = 0;
  }
}

const norm = (name: string, channels: number): MemoryTensor[] => [
  positive(`${name}.g`, channels),
  gaussian(`${name}.b`, channels),
  gaussian(`${name}.m`, channels),
  positive(`${name}.v`, channels),
];
const normNode = (name: string, from: string, to: string): GraphNode =>
  node('BatchNormalization', [from, `${name}.g`, `${name}.b`, `${name}.m`, `${name}.v`], [to]);

/** conv1 → bn → relu = s; conv2 → bn → relu → conv3 → bn → + s (tied) → depthwise → grouped (2) → flatten → head. */
function cnn(): MemoryModel {
  return memoryModel(
    [
      gaussian('c1', 32, 8, 3, 3),
      ...norm('n1', 32),
      gaussian('c2', 48, 32, 3, 3),
      ...norm('n2', 48),
      gaussian('c3', 32, 48, 3, 3),
      ...norm('n3', 32),
      gaussian('dw', 32, 1, 6, 6),
      gaussian('gr', 64, 16, 3, 3),
      gaussian('gr.b', 64),
      gaussian('c5', 40, 64, 3, 3),
      gaussian('head', 10, 40 * 4),
    ],
    {
      inputs: ['x'],
      outputs: ['y'],
      nodes: [
        node('Conv', ['x', 'c1'], ['a1']),
        normNode('n1', 'a1', 'a2'),
        node('Relu', ['a2'], ['s']),
        node('Conv', ['s', 'c2'], ['b1']),
        normNode('n2', 'b1', 'b2'),
        node('Relu', ['b2'], ['b3']),
        node('Conv', ['b3', 'c3'], ['d1']),
        normNode('n3', 'd1', 'd2'),
        node('Add', ['d2', 's'], ['t']),
        node('Conv', ['t', 'dw'], ['e'], { group: int(32) }),
        node('Conv', ['e', 'gr', 'gr.b'], ['f'], { group: int(2) }),
        node('Relu', ['f'], ['f2']),
        node('Conv', ['f2', 'c5'], ['g']),
        node('Relu', ['g'], ['g2']),
        node('Flatten', ['g2'], ['h']),
        node('Gemm', ['h', 'head'], ['y'], { transB: int(1) }),
      ],
    },
  );
}

const moveNorm = (values: Values, name: string, order: number[], before: number[], after: number[]): void => {
  moveAxis(values, `${name}.g`, 0, order, after);
  moveAxis(values, `${name}.b`, 0, order, after);
  moveAxis(values, `${name}.m`, 0, order, before);
  moveAxis(
    values,
    `${name}.v`,
    0,
    order,
    before.map((value) => value * value),
  );
};

function attackCnn(values: Values): void {
  // The tied channels may only move inside the two groups, or both groups as wholes: here they swap.
  const halves = [shuffled(16).map((i) => i + 16), shuffled(16)];
  const tied = halves.flat();
  const [p1, p2, p3] = [scales(32), scales(48), scales(32)];
  const stream = scales(32);
  const middle = shuffled(48);
  const inside = scales(48);
  moveAxis(values, 'c1', 0, tied, p1);
  moveNorm(values, 'n1', tied, p1, stream);
  moveAxis(values, 'c2', 1, tied, inverse(stream));
  moveAxis(values, 'c2', 0, middle, p2);
  moveNorm(values, 'n2', middle, p2, inside);
  moveAxis(values, 'c3', 1, middle, inverse(inside));
  moveAxis(values, 'c3', 0, tied, p3);
  moveNorm(values, 'n3', tied, p3, stream);
  const deep = scales(32);
  moveAxis(
    values,
    'dw',
    0,
    tied,
    deep.map((value, i) => value / stream[i]),
  );
  const outs = [...shuffled(32).map((i) => i + 32), ...shuffled(32)];
  const grouped = scales(64);
  permuteGrouped(values, 'gr', halves, inverse(deep), outs, grouped);
  moveAxis(values, 'gr.b', 0, outs, grouped);
  moveAxis(values, 'c5', 1, outs, inverse(grouped));
  const last = shuffled(40);
  const end = scales(40);
  moveAxis(values, 'c5', 0, last, end);
  moveAxis(values, 'head', 1, last, inverse(end), 4);
}

/** Inside each group the input places follow that group's order; then the output rows move. */
function permuteGrouped(
  values: Values,
  name: string,
  halves: number[][],
  inFactor: number[],
  outs: number[],
  outFactor: number[],
): void {
  const { shape, data } = values.get(name)!;
  const places = shape[2] * shape[3];
  const moved = data.slice();
  for (let o = 0; o < 64; o++) {
    const oldGroup = o < 32 ? 0 : 1;
    const order = halves.find((half) => Math.floor(half[0] / 16) === oldGroup)!;
    order.forEach((from, to) => {
      for (let k = 0; k < places; k++) {
        moved[(o * 16 + to) * places + k] = data[(o * 16 + (from % 16)) * places + k] * inFactor[from];
      }
    });
  }
  values.set(name, { shape, data: moved });
  moveAxis(values, name, 0, outs, outFactor);
}

/** Embedding + position, layer norm, attention with frozen heads, FFN with GELU; everything on one residual stream. */
function transformer(): MemoryModel {
  const [width, hidden] = [48, 192];
  return memoryModel(
    [
      gaussian('embed', 60, width),
      gaussian('pos', 1, 8, width),
      positive('ln.g', width),
      gaussian('ln.b', width),
      gaussian('q', width, width),
      gaussian('k', width, width),
      gaussian('v', width, width),
      gaussian('o', width, width),
      gaussian('up', width, hidden),
      gaussian('up.b', hidden),
      gaussian('down', hidden, width),
      gaussian('head', width, 3),
      shapeTensor('split', 0, 8, 4, 12),
      shapeTensor('join', 0, 8, width),
    ],
    TRANSFORMER_GRAPH,
  );
}

function attackTransformer(values: Values): void {
  const stream = shuffled(48);
  const inside = shuffled(192);
  const ones = (count: number): number[] => new Array<number>(count).fill(1);
  const places: [string, number][] = [
    ['embed', 1],
    ['pos', 2],
    ['ln.g', 0],
    ['ln.b', 0],
    ['q', 0],
    ['k', 0],
    ['v', 0],
    ['o', 1],
    ['up', 0],
    ['down', 1],
    ['head', 0],
  ];
  for (const [name, axis] of places) moveAxis(values, name, axis, stream, ones(48));
  moveAxis(values, 'up', 1, inside, ones(192));
  moveAxis(values, 'up.b', 0, inside, ones(192));
  moveAxis(values, 'down', 0, inside, ones(192));
}

function attacked(model: MemoryModel, attack: (values: Values) => void): MemoryModel {
  const values = toValues(model);
  attack(values);
  return fromValues(model, values);
}

describe('alignment against permuted and rescaled copies', () => {
  test.each([
    [
      'MLP (Gemm and MatMul)',
      mlp,
      (values: Values) => {
        attackMlp(values);
      },
    ],
    [
      'MLP with 40 dummy neurons',
      mlp,
      (values: Values) => {
        attackMlp(values, 40);
      },
    ],
    ['CNN: batch norm, residual-tied, depthwise, grouped, flatten', cnn, attackCnn],
    ['transformer: residual stream and FFN', transformer, attackTransformer],
  ] as const)('%s: unreadable in file order, no bit error after alignment', (_name, make, attack) => {
    const original = make();
    const { model, claim, ownSeed } = toMarkedModel(original);
    const suspect = attacked(model, attack);
    const blind = detectMark({ suspect, claim, ownSeed });
    expect(blind.verdict).not.toBe('claim');
    expect(blind.evidenceBits).toBeLessThan(40);
    const seen = detectMark({ suspect, claim, ownSeed, original });
    const aligned = seen.schemes.find((scheme) => scheme.aligned && scheme.name === 'spread/hard')!;
    expect(aligned.bitErrors).toBe(0);
    expect(seen.verdict).toBe('claim');
    expect(seen.evidenceBits).toBeGreaterThan(200);
  });

  test('noise of half the weights after permutation and scaling still aligns', () => {
    const original = mlp();
    const { model, claim, ownSeed } = toMarkedModel(original);
    const noisy = attacked(model, (values) => {
      attackMlp(values);
      for (const { data } of values.values()) {
        const size = Math.sqrt(data.reduce((a, b) => a + b * b, 0) / data.length) / 2;
        for (let i = 0; i < data.length; i++) data[i] += size * random.normal();
      }
    });
    expect(detectMark({ suspect: noisy, claim, ownSeed, original }).verdict).toBe('claim');
  });

  test('an unrelated model stays unrelated after alignment to the original', () => {
    const original = mlp();
    const { claim, ownSeed } = toMarkedModel(original);
    const result = detectMark({ suspect: mlp(), claim, ownSeed, original });
    expect(result.verdict).toBe('none');
    expect(result.evidenceBits).toBeLessThan(20);
  });

  test('the marked copy, or anything but the committed original, is refused as reference', () => {
    const original = mlp();
    const { model, claim, ownSeed } = toMarkedModel(original);
    const refused = expect.objectContaining({ code: 'ALIGN_REFERENCE_REFUSED', exit: 3 }) as Error;
    expect(() => detectMark({ suspect: model, claim, ownSeed, original: model })).toThrow(refused);
    expect(() => detectMark({ suspect: model, claim, ownSeed, original: mlp() })).toThrow(refused);
  });
});
