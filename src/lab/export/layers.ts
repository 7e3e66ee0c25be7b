/** How each kind of layer is written with standard ONNX operators (opset 17). */
import { toProjections } from '../layers/attention.ts';
import { BATCH_NORM_EPSILON } from '../layers/batch-norm.ts';
import { LAYER_NORM_EPSILON } from '../layers/layer-norm.ts';
import { listTensorShapes } from '../network.ts';
import type { AttentionSpec, ConvSpec, DenseSpec, LayerSpec, NetworkSpec, PatchesSpec, Weights } from '../spec.ts';
import { type ExportGraph, float, GraphBuilder, int, ints } from './graph.ts';

interface Context {
  readonly graph: GraphBuilder;
  readonly weight: (name: string) => string;
}

function writeDense(spec: DenseSpec, input: string, { graph, weight }: Context): string {
  const [matrix, bias] = [weight(`${spec.name}.weight`), weight(`${spec.name}.bias`)];
  if (spec.layout === 'outIn') return graph.node('Gemm', [input, matrix, bias], { transB: int(1) });
  return graph.node('Add', [graph.node('MatMul', [input, matrix]), bias]);
}

function writeConv(spec: ConvSpec, input: string, { graph, weight }: Context): string {
  const { kernel, stride, padding, groups } = spec;
  const inputs = [input, weight(`${spec.name}.weight`), ...(spec.hasBias ? [weight(`${spec.name}.bias`)] : [])];
  return graph.node('Conv', inputs, {
    ...{ dilations: ints(1, 1), group: int(groups), kernel_shape: ints(kernel, kernel) },
    ...{ pads: ints(padding, padding, padding, padding), strides: ints(stride, stride) },
  });
}

function writeNorm(name: string, input: string, { graph, weight }: Context): string {
  const parts = ['weight', 'bias', 'running_mean', 'running_var'].map((part) => weight(`${name}.${part}`));
  return graph.node('BatchNormalization', [input, ...parts], { epsilon: float(BATCH_NORM_EPSILON) });
}

/** x · 0.5 · (1 + erf(x / √2)), as exporters write it before opset 20. */
function writeGelu(input: string, { graph }: Context): string {
  const scaled = graph.node('Div', [input, graph.scalar('gelu.sqrt2', Math.SQRT2)]);
  const raised = graph.node('Add', [graph.node('Erf', [scaled]), graph.scalar('gelu.one', 1)]);
  return graph.node('Mul', [graph.node('Mul', [input, raised]), graph.scalar('gelu.half', 0.5)]);
}

function writeAttention(spec: AttentionSpec, input: string, context: Context): string {
  const { graph } = context;
  const { name, tokens, width, heads } = spec;
  const [query, key, value, out] = toProjections(spec);
  const split = graph.integers(`${name}.split`, [0, tokens, heads, width / heads]);
  const cut = (projection: DenseSpec, order: readonly number[]): string => {
    const packed = writeDense(projection, input, context);
    return graph.node('Transpose', [graph.node('Reshape', [packed, split])], { perm: ints(...order) });
  };
  const scores = graph.node('MatMul', [cut(query, [0, 2, 1, 3]), cut(key, [0, 2, 3, 1])]);
  const scaled = graph.node('Mul', [scores, graph.scalar(`${name}.scale`, 1 / Math.sqrt(width / heads))]);
  const weights = graph.node('Softmax', [scaled], { axis: int(-1) });
  const mixed = graph.node('MatMul', [weights, cut(value, [0, 2, 1, 3])]);
  const ordered = graph.node('Transpose', [mixed], { perm: ints(0, 2, 1, 3) });
  const merged = graph.node('Reshape', [ordered, graph.integers(`${name}.merge`, [0, tokens, width])]);
  return writeDense(out, merged, context);
}

function writePatches({ side, size }: PatchesSpec, input: string, { graph }: Context): string {
  const perSide = side / size;
  const grid = graph.integers('patches.grid', [-1, perSide, size, perSide, size]);
  const ordered = graph.node('Transpose', [graph.node('Reshape', [input, grid])], { perm: ints(0, 1, 3, 2, 4) });
  return graph.node('Reshape', [ordered, graph.integers('patches.tokens', [-1, perSide * perSide, size * size])]);
}

function writeLayer(spec: LayerSpec, input: string, context: Context): string {
  const { graph, weight } = context;
  switch (spec.kind) {
    case 'dense':
      return writeDense(spec, input, context);
    case 'conv':
      return writeConv(spec, input, context);
    case 'batchNorm':
      return writeNorm(spec.name, input, context);
    case 'pool': {
      const attributes = { kernel_shape: ints(spec.size, spec.size), strides: ints(spec.stride, spec.stride) };
      return graph.node(spec.mode === 'max' ? 'MaxPool' : 'AveragePool', [input], attributes);
    }
    case 'residual':
      return graph.node('Add', [writeLayers(spec.body, input, context), writeLayers(spec.shortcut, input, context)]);
    case 'layerNorm': {
      const parts = [weight(`${spec.name}.weight`), weight(`${spec.name}.bias`)];
      const attributes = { axis: int(-1), epsilon: float(LAYER_NORM_EPSILON) };
      return graph.node('LayerNormalization', [input, ...parts], attributes);
    }
    case 'attention':
      return writeAttention(spec, input, context);
    case 'position': {
      const ids = graph.integers(`${spec.name}.ids`, [...Array(spec.tokens).keys()]);
      return graph.node('Add', [input, graph.node('Gather', [weight(`${spec.name}.weight`), ids], { axis: int(0) })]);
    }
    case 'embedding': {
      const ids = graph.node('Cast', [input], { to: int(7) });
      return graph.node('Gather', [weight(`${spec.name}.weight`), ids], { axis: int(0) });
    }
    case 'patches':
      return writePatches(spec, input, context);
    case 'globalPool':
      return graph.node('Flatten', [graph.node('GlobalAveragePool', [input])], { axis: int(1) });
    case 'meanTokens':
      return graph.node('ReduceMean', [input], { axes: ints(1), keepdims: int(0) });
    case 'dropout':
      return input;
    case 'flatten':
      return graph.node('Flatten', [input], { axis: int(1) });
    case 'relu':
      return graph.node('Relu', [input]);
    case 'gelu':
      return writeGelu(input, context);
  }
}

function writeLayers(specs: readonly LayerSpec[], input: string, context: Context): string {
  return specs.reduce((value, spec) => writeLayer(spec, value, context), input);
}

/**
 * The graph of a network: input "input" [N, 1, side, side] in [0, 1], output "logits" [N, classes].
 * @throws TypeError when a tensor is missing
 */
export function toExportGraph(spec: NetworkSpec, weights: Weights): ExportGraph {
  const graph = new GraphBuilder();
  const shapes = listTensorShapes(spec);
  const weight = (name: string): string => {
    const values = weights.get(name);
    if (values === undefined) throw new TypeError(`weights need ${name}`);
    return graph.tensor(name, shapes.get(name)!, values);
  };
  writeLayers(spec.layers, 'input', { graph, weight });
  graph.nameOutput('logits');
  return {
    name: spec.name,
    input: { name: 'input', shape: ['N', 1, spec.side, spec.side] },
    output: { name: 'logits', shape: ['N', spec.classes] },
    nodes: graph.nodes,
    initializers: graph.initializers,
  };
}
