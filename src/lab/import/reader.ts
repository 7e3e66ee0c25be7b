/** What reading a graph back knows: who makes each value, what the constants hold, and the network found so far. */
import { LabError } from '../../core/errors.ts';
import type { Graph, GraphNode, TensorRef } from '../../model/types.ts';
import { readValues } from '../attacks/files/tensors.ts';

/** Where a tensor of the network lies in the file, and what the file holds instead of it. */
export interface Placement {
  /** Tensor of the model; null for one that the file has not, such as a bias that is always zero. */
  readonly tensor: string | null;
  /** From the trainer's value to the file's, where they differ: the trainer has one epsilon for all. */
  readonly offset: number;
}

export interface Reader {
  readonly graph: Graph;
  readonly producers: ReadonlyMap<string, GraphNode>;
  /** How many nodes read a value; outputs of the graph count as one. */
  readonly uses: ReadonlyMap<string, number>;
  readonly weights: Map<string, Float32Array>;
  readonly placements: Map<string, Placement>;
  /** A name for the next layer. */
  nextName(kind: string): string;
}

export function createReader(graph: Graph): Reader {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const uses = new Map<string, number>();
  const count = (name: string): unknown => uses.set(name, (uses.get(name) ?? 0) + 1);
  graph.nodes.forEach((node) => {
    node.inputs.forEach(count);
  });
  graph.outputs.forEach(({ name }) => count(name));
  let layers = 0;
  const nextName = (kind: string): string => {
    layers += 1;
    return `${kind}${layers}`;
  };
  return { graph, producers, uses, weights: new Map(), placements: new Map(), nextName };
}

/** The refusal that names the node. */
export function refuse(node: GraphNode | undefined, reason: string): LabError {
  const fields = node === undefined ? { node: null, op: null } : { node: node.name || node.outputs[0], op: node.op };
  return new LabError('LAB_NODE_UNREADABLE', { fields: { ...fields, reason } });
}

/** The constant behind a value, through Identity; undefined for a value that is computed. */
export function findTensor({ graph, producers }: Reader, name: string | undefined): TensorRef | undefined {
  if (name === undefined || name === '') return undefined;
  const tensor = graph.tensors.get(name);
  if (tensor !== undefined) return tensor;
  const maker = producers.get(name);
  return maker?.op === 'Identity' ? graph.tensors.get(maker.inputs[0]) : undefined;
}

/** Takes a constant into the network under `name`, and notes where it lies. */
export function takeTensor(reader: Reader, name: string, tensor: TensorRef, offset = 0): void {
  reader.weights.set(
    name,
    readValues(tensor).map((value) => value - offset),
  );
  reader.placements.set(name, { tensor: tensor.name, offset });
}

/** A tensor of the network that the file has not: it keeps its value. */
export function holdTensor(reader: Reader, name: string, values: Float32Array): void {
  reader.weights.set(name, values);
  reader.placements.set(name, { tensor: null, offset: 0 });
}

export function toInteger(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? Number(attribute.value) : otherwise;
}

export function toFloat(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'float' ? attribute.value : otherwise;
}

export function toIntegers(node: GraphNode, name: string): number[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.values.map(Number) : undefined;
}

/** The text of a string attribute. */
export function toText(node: GraphNode, name: string): string | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'string' ? Buffer.from(attribute.value).toString('latin1') : undefined;
}

/** Integers of a small constant, such as a shape; undefined for anything else. */
export function findIntegers(reader: Reader, name: string | undefined): number[] | undefined {
  const tensor = findTensor(reader, name);
  if (tensor?.dtype !== 'i64' || tensor.elementCount > INTEGERS_MAX) return undefined;
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return [...new BigInt64Array(bytes.buffer)].map(Number);
}

/** Shapes have few entries, position ids as many as tokens. */
const INTEGERS_MAX = 4096;

/** The one number of a floating-point constant. */
export function findNumber(reader: Reader, name: string | undefined): number | undefined {
  const tensor = findTensor(reader, name);
  return tensor?.elementCount === 1 && tensor.dtype !== 'string' && tensor.dtype.startsWith('f')
    ? readValues(tensor)[0]
    : undefined;
}
