/** An ONNX graph read back into the trainer: from the answer to the input, node by node. */
import { LabError } from '../../core/errors.ts';
import type { GraphNode, Model } from '../../model/types.ts';
import { listTensorShapes } from '../network.ts';
import type { LayerSpec, NetworkSpec } from '../spec.ts';
import { readBatchNorm, readConv, readDense, readLayerNorm, readPool } from './layers.ts';
import { findAttention, findBiasedDense, findGelu, findPatches, findPosition, type Found } from './patterns.ts';
import {
  createReader,
  findIntegers,
  findTensor,
  type Placement,
  type Reader,
  refuse,
  toInteger,
  toIntegers,
  toText,
} from './reader.ts';

export interface ImportedNetwork {
  readonly spec: NetworkSpec;
  /** In the order that the network lists its tensors. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly placements: ReadonlyMap<string, Placement>;
  /** Name of the input that samples go into. */
  readonly input: string;
}

/** Classes are held in bytes. */
const CLASSES_MAX = 256;
/** Blocks inside blocks, and layers in a row: graphs of files are not to be trusted with the stack. */
const DEPTH_MAX = 64;

/**
 * Reads a classifier: one input, chains of the trainer's layers, sums of two branches, one answer per class.
 * @throws LabError LAB_ATTACK_UNFIT without a graph; LAB_NODE_UNREADABLE with `node`, `op` and `reason` of the first node
 *   that the trainer has no layer for
 */
export function importNetwork(model: Model): ImportedNetwork {
  const { graph } = model;
  if (graph === null || model.format !== 'onnx') {
    throw new LabError('LAB_ATTACK_UNFIT', { fields: { reason: 'only ONNX graphs are read into the trainer' } });
  }
  const reader = createReader(graph);
  const [input] = graph.inputs;
  const [output] = graph.outputs;
  if (graph.inputs.length !== 1 || graph.outputs.length !== 1)
    throw refuse(undefined, 'one input and one output are read');
  const layers = readChain(reader, output.name, input.name, 0);
  const classes = findClasses(layers);
  if (classes === undefined || classes < 2 || classes > CLASSES_MAX) {
    throw refuse(reader.producers.get(output.name), `the answer must be scores of 2 to ${CLASSES_MAX} classes`);
  }
  const side = Number(input.shape?.at(-1) ?? 0);
  const spec: NetworkSpec = { name: 'imported', side: Number.isInteger(side) ? side : 0, classes, layers };
  const weights = new Map([...listTensorShapes(spec).keys()].map((name) => [name, reader.weights.get(name)!]));
  return { spec, weights, placements: reader.placements, input: input.name };
}

function findClasses(layers: readonly LayerSpec[]): number | undefined {
  const last = layers.at(-1);
  return last?.kind === 'dense' ? last.outputs : undefined;
}

/** Layers from `until` to `value`, in the order in which they run. */
function readChain(reader: Reader, value: string, until: string, depth: number): LayerSpec[] {
  const layers: LayerSpec[] = [];
  let at = value;
  // A chain longer than the graph would be a circle.
  for (let steps = 0; at !== until; steps += 1) {
    const node = reader.producers.get(at);
    if (node === undefined || steps > reader.graph.nodes.length) throw refuse(node, 'its input comes from elsewhere');
    if (node.domain !== '') throw refuse(node, 'it is of another operator set');
    const found = readNode(reader, node, until, depth);
    if (found.layer !== null) layers.unshift(found.layer);
    at = found.input;
  }
  return layers;
}

type Step = Found | { readonly layer: null; readonly input: string };

function readNode(reader: Reader, node: GraphNode, until: string, depth: number): Step {
  const [input] = node.inputs;
  switch (node.op) {
    case 'Identity':
    case 'Dropout':
      return { layer: null, input };
    case 'Softmax':
    case 'LogSoftmax':
      // Scores before it order the classes alike, and the loss takes its softmax itself.
      if (reader.uses.get(node.outputs[0]) !== 1 || node.outputs[0] !== reader.graph.outputs[0].name) break;
      return { layer: null, input };
    case 'Relu':
      return { layer: { kind: 'relu' }, input };
    case 'Gelu':
      if ((toText(node, 'approximate') ?? 'none') !== 'none') throw refuse(node, 'it is the approximate form');
      return { layer: { kind: 'gelu' }, input };
    case 'Gemm':
      return { layer: readDense(reader, node, findTensor(reader, node.inputs[2]) ?? null), input };
    case 'MatMul':
      return { layer: readDense(reader, node, null), input };
    case 'Conv':
      return { layer: readConv(reader, node), input };
    case 'BatchNormalization':
      return { layer: readBatchNorm(reader, node), input };
    case 'LayerNormalization':
      return { layer: readLayerNorm(reader, node), input };
    case 'MaxPool':
    case 'AveragePool':
      return { layer: readPool(node), input };
    case 'Flatten':
    case 'Reshape':
    case 'Squeeze':
      return readFlat(reader, node);
    case 'ReduceMean':
      return readMean(reader, node);
    case 'Mul': {
      const gelu = findGelu(reader, node);
      if (gelu !== undefined) return gelu;
      break;
    }
    case 'Add':
      return readSum(reader, node, until, depth);
  }
  throw refuse(node, 'the trainer has no such layer');
}

/** Flattening of images, or of what a global pooling left of them. */
function readFlat(reader: Reader, node: GraphNode): Step {
  const pool = reader.producers.get(node.inputs[0]);
  if (pool?.op === 'GlobalAveragePool') return { layer: { kind: 'globalPool' }, input: pool.inputs[0] };
  if (node.op === 'Flatten' && toInteger(node, 'axis', 1) === 1)
    return { layer: { kind: 'flatten' }, input: node.inputs[0] };
  if (node.op === 'Reshape') {
    const patches = findPatches(reader, node);
    if (patches !== undefined) return patches;
    const sizes = findIntegers(reader, node.inputs[1]);
    const isFlat = sizes?.length === 2 && (sizes[0] === -1 || sizes[0] === 0 || sizes[1] === -1);
    if (isFlat) return { layer: { kind: 'flatten' }, input: node.inputs[0] };
  }
  throw refuse(node, 'it is no flattening of whole samples');
}

function readMean(reader: Reader, node: GraphNode): Step {
  const axes = (toIntegers(node, 'axes') ?? findIntegers(reader, node.inputs[1]) ?? []).join();
  if (toInteger(node, 'keepdims', 1) === 0 && (axes === '2,3' || axes === '-2,-1' || axes === '-1,-2')) {
    return { layer: { kind: 'globalPool' }, input: node.inputs[0] };
  }
  if (toInteger(node, 'keepdims', 1) === 0 && axes === '1')
    return { layer: { kind: 'meanTokens' }, input: node.inputs[0] };
  throw refuse(node, 'it is no mean over the image or over the tokens');
}

/** A bias, a table of positions, attention behind its last bias, or the sum of two branches. */
function readSum(reader: Reader, node: GraphNode, until: string, depth: number): Step {
  const found = findAttention(reader, node) ?? findBiasedDense(reader, node) ?? findPosition(reader, node);
  if (found !== undefined) return found;
  if (node.inputs.some((input) => findTensor(reader, input) !== undefined)) throw refuse(node, 'it adds a constant');
  if (depth >= DEPTH_MAX) throw refuse(node, 'blocks are nested too deeply');
  const fork = findFork(reader, node, until);
  const [a, b] = node.inputs.map((input) => readChain(reader, input, fork, depth + 1));
  const [body, shortcut] = a.length >= b.length ? [a, b] : [b, a];
  return { layer: { kind: 'residual', body, shortcut }, input: fork };
}

/** The last value that both branches come from. */
function findFork(reader: Reader, node: GraphNode, until: string): string {
  const [first, second] = node.inputs.map((input) => listAncestors(reader, input));
  const shared = [...first].filter((value) => second.has(value));
  const order = new Map(reader.graph.nodes.flatMap(({ outputs }, index) => outputs.map((output) => [output, index])));
  const latest = shared.reduce<string | undefined>(
    (best, value) => (best === undefined || (order.get(value) ?? -1) > (order.get(best) ?? -1) ? value : best),
    undefined,
  );
  if (latest === undefined) throw refuse(node, `its branches meet before ${until}`);
  return latest;
}

/** Every computed value that a value depends on, itself included. */
function listAncestors({ producers, graph }: Reader, value: string): Set<string> {
  const found = new Set<string>();
  const queue = [value];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    if (found.has(at) || at === '' || graph.tensors.has(at)) continue;
    found.add(at);
    queue.push(...(producers.get(at)?.inputs ?? []));
  }
  return found;
}
