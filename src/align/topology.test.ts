import { describe, expect, test } from 'vitest';
import { MLP_GRAPH, shapeTensor, TRANSFORMER_GRAPH } from '../../test/fakes/graphs.ts';
import { int, ints, memoryModel, memoryTensor, node } from '../../test/fakes/memory-model.ts';
import { topologySchema } from './ports.ts';
import { toTopology } from './topology.ts';

const zeros = (name: string, ...shape: readonly number[]) =>
  memoryTensor(name, shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));

/** q, k, v with biases for q, cut into four heads of four, slopes for each head, and back to o. */
function attention(
  [tokens]: readonly number[],
  change: {
    readonly merge?: readonly number[];
    readonly back?: readonly number[];
    readonly cutK?: readonly number[];
  } = {},
) {
  const { merge = [0, tokens, 16], back = [0, 2, 1, 3], cutK = [0, tokens, 4, 4] } = change;
  const cut = (name: string, shape: string, perm: readonly number[]) => [
    node('Reshape', [name, shape], [`${name}.cut`]),
    node('Transpose', [`${name}.cut`], [`${name}.heads`], { perm: ints(...perm) }),
  ];
  return memoryModel(
    [
      ...[zeros('embed', 50, 16), zeros('q', 16, 16), zeros('q.b', 16), zeros('k', 16, 16), zeros('v', 16, 16)],
      ...[zeros('slopes', 4, 1, 1), zeros('o', 16, 16), zeros('head', 16, 3), shapeTensor('split', 0, tokens, 4, 4)],
      ...[shapeTensor('splitK', ...cutK), shapeTensor('join', ...merge)],
    ],
    {
      inputs: ['ids'],
      outputs: ['y'],
      nodes: [
        node('Gather', ['embed', 'ids'], ['x']),
        node('MatMul', ['x', 'q'], ['q0']),
        node('Add', ['q0', 'q.b'], ['q1']),
        node('MatMul', ['x', 'k'], ['k1']),
        node('MatMul', ['x', 'v'], ['v1']),
        ...cut('q1', 'split', [0, 2, 1, 3]),
        ...cut('k1', 'splitK', [0, 2, 3, 1]),
        ...cut('v1', 'split', [0, 2, 1, 3]),
        node('MatMul', ['q1.heads', 'k1.heads'], ['scores']),
        node('Mul', ['scores', 'slopes'], ['sloped']),
        node('Softmax', ['sloped'], ['p']),
        node('MatMul', ['p', 'v1.heads'], ['mix']),
        node('Transpose', ['mix'], ['turned'], { perm: ints(...back) }),
        node('Reshape', ['turned', 'join'], ['flat']),
        node('MatMul', ['flat', 'o'], ['att']),
        node('Add', ['x', 'att'], ['x2']),
        node('MatMul', ['x2', 'head'], ['y']),
      ],
    },
  );
}

describe('topology', () => {
  test('an MLP: Gemm and MatMul + Add, both orientations, head fixed', () => {
    const model = memoryModel(
      [zeros('w1', 32, 16), zeros('b1', 32), zeros('w2', 32, 24), zeros('b2', 24), zeros('w3', 24, 10)],
      MLP_GRAPH,
    );
    const topology = toTopology(model);
    expect(topology.layers.map(({ name, outAxis, inAxis, isOutput }) => [name, outAxis, inAxis, isOutput])).toEqual([
      ['w1', 0, 1, false],
      ['w2', 1, 0, false],
      ['w3', 1, 0, true],
    ]);
    expect(topology.layers.map((layer) => [layer.in?.segments, layer.out?.segments])).toEqual([
      [[{ space: -1, channels: 16 }], [{ space: 0, channels: 32 }]],
      [[{ space: 0, channels: 32 }], [{ space: 1, channels: 24 }]],
      [[{ space: 1, channels: 24 }], [{ space: 2, channels: 10 }]],
    ]);
    expect(topology.spaces).toEqual([
      { channels: 32, isPermutable: true },
      { channels: 24, isPermutable: true },
      { channels: 10, isPermutable: false },
    ]);
    expect(topology.vectors.map(({ name, role, channels }) => [name, role, channels.segments[0].space])).toEqual([
      ['b1', 'bias', 0],
      ['b2', 'bias', 1],
    ]);
    expect(topologySchema.parse(JSON.parse(JSON.stringify(topology)))).toEqual(topology);
  });

  test('a residual block with batch norm, a depthwise and a grouped convolution, a flatten into Gemm', () => {
    const batchNorm = (name: string, channels: number) =>
      ['g', 'b', 'm', 'v'].map((part) => zeros(`${name}.${part}`, channels));
    const model = memoryModel(
      [
        zeros('c1', 8, 3, 3, 3),
        ...batchNorm('n1', 8),
        zeros('c2', 8, 8, 3, 3),
        ...batchNorm('n2', 8),
        zeros('dw', 8, 1, 3, 3),
        zeros('gr', 12, 4, 1, 1),
        zeros('fc', 5, 48),
      ],
      {
        inputs: ['x'],
        outputs: ['y'],
        nodes: [
          node('Conv', ['x', 'c1'], ['a']),
          node('BatchNormalization', ['a', 'n1.g', 'n1.b', 'n1.m', 'n1.v'], ['a1']),
          node('Relu', ['a1'], ['a2']),
          node('Conv', ['a2', 'c2'], ['b']),
          node('BatchNormalization', ['b', 'n2.g', 'n2.b', 'n2.m', 'n2.v'], ['b1']),
          node('Add', ['b1', 'a2'], ['s']),
          node('Conv', ['s', 'dw'], ['d'], { group: int(8) }),
          node('Conv', ['d', 'gr'], ['g'], { group: int(2) }),
          node('Flatten', ['g'], ['f']),
          node('Gemm', ['f', 'fc'], ['y'], { transB: int(1) }),
        ],
      },
    );
    const { layers, spaces, vectors } = toTopology(model);
    const byName = new Map(layers.map((layer) => [layer.name, layer]));
    expect(spaces).toEqual([
      { channels: 8, isPermutable: true },
      { channels: 12, isPermutable: true },
      { channels: 5, isPermutable: false },
    ]);
    // The skip connection ties c1 and c2; the depthwise convolution hands the same channels on.
    expect(byName.get('c1')!.out!.segments).toEqual([{ space: 0, channels: 8 }]);
    expect(byName.get('c2')!.out!.segments).toEqual([{ space: 0, channels: 8 }]);
    expect(byName.get('dw')).toMatchObject({ in: null, out: { segments: [{ space: 0 }] }, groups: 8 });
    expect(byName.get('gr')).toMatchObject({ groups: 2, in: { segments: [{ space: 0, channels: 8 }] } });
    expect(byName.get('fc')!.in).toEqual({ axis: 1, segments: [{ space: 1, channels: 12 }], inner: 4 });
    expect(vectors.filter((vector) => vector.channels.segments[0].space === 0)).toHaveLength(8);
  });

  test('concatenation makes segments; an operator without a rule freezes what it reads', () => {
    const model = memoryModel([zeros('a', 4, 3, 1, 1), zeros('b', 6, 3, 1, 1), zeros('c', 7, 10, 1, 1)], {
      inputs: ['x'],
      outputs: ['y'],
      nodes: [
        node('Conv', ['x', 'a'], ['p']),
        node('Conv', ['x', 'b'], ['q']),
        node('Concat', ['p', 'q'], ['r'], { axis: int(1) }),
        node('Conv', ['r', 'c'], ['s']),
        node('DepthToSpace', ['s'], ['y'], { blocksize: int(1) }),
      ],
    });
    const { layers, spaces } = toTopology(model);
    expect(layers[2].in!.segments).toEqual([
      { space: 0, channels: 4 },
      { space: 1, channels: 6 },
    ]);
    expect(spaces.map((space) => space.isPermutable)).toEqual([true, true, false]);
  });

  test('a transformer block: heads are frozen, the FFN and the residual stream are free', () => {
    const model = memoryModel(
      [
        zeros('embed', 50, 16),
        zeros('pos', 1, 8, 16),
        zeros('ln.g', 16),
        zeros('ln.b', 16),
        zeros('q', 16, 16),
        zeros('k', 16, 16),
        zeros('v', 16, 16),
        zeros('o', 16, 16),
        zeros('up', 16, 64),
        zeros('up.b', 64),
        zeros('down', 64, 16),
        zeros('head', 16, 3),
        shapeTensor('split', 0, 8, 4, 4),
        shapeTensor('join', 0, 8, 16),
      ],
      TRANSFORMER_GRAPH,
    );
    const { layers, spaces, vectors } = toTopology(model);
    const space = (name: string, side: 'in' | 'out') =>
      layers.find((layer) => layer.name === name)![side]!.segments[0].space;
    const stream = space('embed', 'out');
    expect([space('o', 'out'), space('down', 'out'), space('up', 'in'), space('head', 'in'), space('q', 'in')]).toEqual(
      [stream, stream, stream, stream, stream],
    );
    expect(spaces[stream].isPermutable).toBe(true);
    expect(spaces[space('up', 'out')]).toEqual({ channels: 64, isPermutable: true });
    for (const name of ['q', 'k', 'v']) expect(spaces[space(name, 'out')].isPermutable).toBe(false);
    expect(layers.find((layer) => layer.name === 'o')!.in!.segments).toEqual([{ space: -1, channels: 16 }]);
    expect(vectors.filter((vector) => vector.channels.segments[0].space === stream).map((v) => v.name)).toEqual([
      'pos',
      'ln.g',
      'ln.b',
    ]);
  });

  test('heads through Reshape and Transpose: one space for queries, keys, values and the columns behind them', () => {
    const { layers, spaces, vectors } = toTopology(attention([8, 8]));
    const find = (name: string) => layers.find((layer) => layer.name === name)!;
    expect(spaces).toEqual([
      { channels: 16, isPermutable: true },
      { channels: 4, isPermutable: true },
      { channels: 3, isPermutable: false },
    ]);
    for (const name of ['q', 'k', 'v']) {
      expect(find(name).out).toEqual({ axis: 1, segments: [{ space: 1, channels: 4 }], inner: 4 });
    }
    expect(find('o').in).toEqual({ axis: 0, segments: [{ space: 1, channels: 4 }], inner: 4 });
    expect(vectors.find(({ name }) => name === 'q.b')?.channels).toEqual(
      find('q').out && { ...find('q').out, axis: 0 },
    );
    expect(vectors.find(({ name }) => name === 'slopes')?.channels).toEqual({
      ...{ axis: 0, segments: [{ space: 1, channels: 4 }], inner: 1 },
    });
  });

  test.each([
    ['a merge that mixes tokens into heads', { merge: [0, 32, 4] }],
    ['heads that are not turned back', { back: [0, 1, 2, 3] }],
    ['another cut of the keys', { cutK: [0, 8, 2, 8] }],
  ] as const)('%s: heads stay where they are', (_, change) => {
    const { layers, spaces } = toTopology(attention([8, 8], change));
    const q = layers.find((layer) => layer.name === 'q')!.out!.segments[0];
    expect(spaces[q.space]).toEqual({ channels: 16, isPermutable: false });
  });

  test('ranks are followed through reshapes: a mean over tokens keeps the stream free, one over channels has none', () => {
    const model = memoryModel(
      [zeros('embed', 16, 48), zeros('head', 48, 10), shapeTensor('tokens', 0, 9, 16), zeros('two', 1)],
      {
        inputs: ['x'],
        outputs: ['y'],
        nodes: [
          node('Reshape', ['x', 'tokens'], ['t']),
          node('MatMul', ['t', 'embed'], ['e']),
          node('ReduceMean', ['e'], ['mean'], { axes: ints(-1), keepdims: int(1) }),
          node('Sub', ['e', 'mean'], ['d']),
          node('Pow', ['d', 'two'], ['p']),
          node('ReduceMean', ['p'], ['v'], { axes: ints(-1), keepdims: int(1) }),
          node('Sqrt', ['v'], ['s']),
          node('Div', ['d', 's'], ['n']),
          node('ReduceMean', ['n'], ['m'], { axes: ints(1), keepdims: int(0) }),
          node('MatMul', ['m', 'head'], ['y']),
        ],
      },
    );
    const { layers, spaces } = toTopology(model);
    expect(spaces[0]).toEqual({ channels: 48, isPermutable: true });
    expect(layers[1].in!.segments).toEqual([{ space: 0, channels: 48 }]);
  });

  test('weights behind Transpose, Reshape and DequantizeLinear are found; tables and masks are not layers', () => {
    const model = memoryModel(
      [
        zeros('w', 20, 30),
        zeros('k', 4, 4, 4, 10),
        shapeTensor('to', 64, 10),
        zeros('mask', 20, 20),
        zeros('scale', 1),
      ],
      {
        inputs: ['x'],
        outputs: ['y'],
        nodes: [
          node('Transpose', ['w'], ['wt'], { perm: ints(1, 0) }),
          node('MatMul', ['x', 'wt'], ['a']),
          node('Add', ['a', 'mask'], ['b']),
          node('Reshape', ['k', 'to'], ['k2']),
          node('DequantizeLinear', ['k2', 'scale'], ['k3']),
          node('MatMul', ['b', 'k3'], ['y']),
        ],
      },
    );
    const { layers } = toTopology(model);
    expect(layers.map(({ name, shape, outAxis }) => [name, shape, outAxis])).toEqual([
      ['w', [20, 30], 0],
      ['k', [64, 10], 1],
    ]);
  });

  test('without a graph, the layer that makes the logits is known by its name, at either converter', () => {
    for (const name of ['lm_head.weight', 'model.language_model.lm_head.weight', 'embed_out.weight', 'output.weight']) {
      const { layers } = toTopology(memoryModel([zeros('model.layers.0.mlp.up_proj.weight', 8, 4), zeros(name, 9, 4)]));
      expect(layers.map(({ isOutput }) => isOutput)).toEqual([false, true]);
    }
    const { layers } = toTopology(memoryModel([zeros('fc1.weight', 8, 4), zeros('blk.0.attn_output.weight', 4, 4)]));
    expect(layers.map(({ isOutput }) => isOutput)).toEqual([false, false]);
  });
});
