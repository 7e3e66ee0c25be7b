/** What each tensor of a model is for, and where among the layers it stands: from the graph, else from names and order. */
import type { Graph, GraphNode, Model, TensorRef } from '../../model/types.ts';
import type { TensorRole } from './types.ts';

export interface TensorPlace {
  readonly role: TensorRole;
  /** From 0 in the order of the nodes, or of the file; null for constants that no layer owns. */
  readonly layer: number | null;
  /** Axis of the outputs (classes, channels) of a weight. */
  readonly outputAxis: number;
}

/** Roles by input slot. */
const SLOTS: Readonly<Record<string, readonly (TensorRole | null)[] | undefined>> = Object.assign(
  Object.create(null) as Record<string, readonly (TensorRole | null)[]>,
  {
    Conv: [null, 'weight', 'bias'],
    ConvTranspose: [null, 'weight', 'bias'],
    Gemm: [null, 'weight', 'bias'],
    MatMul: ['weight', 'weight'],
    Gather: ['weight'],
    LSTM: [null, 'weight', 'weight', 'bias'],
    GRU: [null, 'weight', 'weight', 'bias'],
    RNN: [null, 'weight', 'weight', 'bias'],
    QLinearConv: [null, null, null, 'weight', null, null, null, null, 'bias'],
    ConvInteger: [null, 'weight'],
    MatMulInteger: [null, 'weight'],
    DequantizeLinear: ['weight'],
    BatchNormalization: [null, 'norm-scale', 'norm-shift', 'running-mean', 'running-variance'],
    LayerNormalization: [null, 'norm-scale', 'norm-shift'],
    InstanceNormalization: [null, 'norm-scale', 'norm-shift'],
    GroupNormalization: [null, 'norm-scale', 'norm-shift'],
    CONV_2D: [null, 'weight', 'bias'],
    DEPTHWISE_CONV_2D: [null, 'weight', 'bias'],
    FULLY_CONNECTED: [null, 'weight', 'bias'],
  } satisfies Record<string, readonly (TensorRole | null)[]>,
);

/** Places of all tensors by name. */
export function findPlaces(model: Model): ReadonlyMap<string, TensorPlace> {
  const places = new Map<string, TensorPlace>();
  const state = { layer: 0 };
  const noOuter = () => undefined;
  if (model.graph !== null) visit(model.graph, noOuter, places, state);
  for (const body of model.functions.values()) visit(body, noOuter, places, state);
  for (const tensor of model.tensors) {
    if (places.has(tensor.name)) continue;
    const role = toRoleByName(tensor);
    const isLayer = model.graph === null && role === 'weight';
    places.set(tensor.name, { role, layer: role === 'constant' ? null : state.layer, outputAxis: 0 });
    // Without a graph, each weight begins a layer, and what follows belongs to it.
    if (isLayer) {
      state.layer += 1;
      places.set(tensor.name, { role, layer: state.layer, outputAxis: 0 });
    }
  }
  return places;
}

type Lookup = (name: string) => TensorRef | undefined;

/** The readers bound how deep graphs lie in each other. */
function visit(graph: Graph, outer: Lookup, places: Map<string, TensorPlace>, state: { layer: number }): void {
  const find: Lookup = (name) => graph.tensors.get(name) ?? outer(name);
  for (const node of graph.nodes) {
    const owned = node.inputs.flatMap((name, slot) => {
      const tensor = find(name);
      const role = SLOTS[node.op]?.[slot] ?? null;
      return tensor === undefined || role === null ? [] : [{ tensor, role }];
    });
    if (owned.some(({ role, tensor }) => role === 'weight' && tensor.shape.length >= 2)) state.layer += 1;
    for (const { tensor, role } of owned) {
      if (places.has(tensor.name)) continue;
      places.set(tensor.name, { role, layer: state.layer, outputAxis: toOutputAxis(node, tensor) });
    }
    addBiases(node, find, places, state.layer);
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'graph') visit(attribute.graph, find, places, state);
      if (attribute.kind === 'graphs') for (const inner of attribute.graphs) visit(inner, find, places, state);
    }
  }
}

/** A vector added after a matrix product is its bias. */
function addBiases(node: GraphNode, find: Lookup, places: Map<string, TensorPlace>, layer: number): void {
  if (node.op !== 'Add') return;
  for (const name of node.inputs) {
    const tensor = find(name);
    if (tensor === undefined || places.has(tensor.name) || tensor.shape.length > 1) continue;
    places.set(tensor.name, { role: 'bias', layer, outputAxis: 0 });
  }
}

function toOutputAxis({ op, attributes }: GraphNode, { shape }: TensorRef): number {
  const turned = attributes.get('transB');
  const isTurned = turned?.kind === 'int' && turned.value !== 0n;
  if (op === 'MatMul' || (op === 'Gemm' && !isTurned)) return Math.max(0, shape.length - 1);
  if (op === 'ConvTranspose') return 1;
  return op === 'DEPTHWISE_CONV_2D' ? Math.max(0, shape.length - 1) : 0;
}

const NAME_ROLES: readonly (readonly [RegExp, TensorRole])[] = [
  [/(running|moving)_?mean$/i, 'running-mean'],
  [/(running|moving)_?var(iance)?$/i, 'running-variance'],
  [/(^|[._/])(bn|norm|ln|batch_?norm|layer_?norm)[\w]*[._/](weight|gamma|scale)$|gamma$/i, 'norm-scale'],
  [/(^|[._/])(bn|norm|ln|batch_?norm|layer_?norm)[\w]*[._/](bias|beta)$|beta$/i, 'norm-shift'],
  [/bias|(^|[._/])b$/i, 'bias'],
];

function toRoleByName({ name, shape, dtype }: TensorRef): TensorRole {
  if (dtype.startsWith('i64') || dtype === 'bool' || dtype === 'string') return 'constant';
  const known = NAME_ROLES.find(([pattern]) => pattern.test(name));
  if (known !== undefined) return known[1];
  return shape.filter((dim) => dim > 1).length >= 2 || shape.length >= 2 ? 'weight' : 'constant';
}
