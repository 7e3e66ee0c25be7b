/** Finds the weight tensor behind an operator's input, and how the operator uses its axes (docs/spec/watermark.md §5.1). */
import { DTYPES } from '../model/dtype.ts';
import type { Graph, GraphNode, TensorRef } from '../model/types.ts';
import { findInt, findInts } from './attributes.ts';
import type { LayerKind } from './ports.ts';
import { findWeightRow, isChannelsLast } from './weight-rows.ts';

/** A graph with the scopes around it: an inner name hides an outer one. */
export interface Scope {
  readonly graph: Graph;
  readonly outer: Scope | null;
  /** Node that makes a value, by value name. */
  readonly producers: ReadonlyMap<string, GraphNode>;
}

/** A constant as a layer sees it: the stored tensor, viewed as `shape` or, when `isTransposed`, as its 2-D transpose. */
export interface WeightView {
  readonly tensor: TensorRef;
  /** Same row-major element order as the stored tensor. */
  readonly shape: readonly number[];
  readonly isTransposed: boolean;
}

/** How one operator uses one constant input. */
export interface WeightUse {
  readonly node: GraphNode;
  readonly kind: LayerKind;
  readonly weight: WeightView;
  /** Axes of `weight.shape` (the transpose is already taken into account); null when not 2-D-like. */
  readonly outAxis: number | null;
  readonly inAxis: number | null;
  readonly groups: number;
  /** Name of the value that the weight is applied to, and of the bias. */
  readonly data: string;
  readonly bias: string | null;
}

/** The main graph and every graph nested in its nodes, outermost first. */
export function listScopes(graph: Graph, outer: Scope | null = null): Scope[] {
  const producers = new Map<string, GraphNode>();
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') producers.set(output, node);
  const scope: Scope = { graph, outer, producers };
  const inner = graph.nodes.flatMap((node) =>
    [...node.attributes.values()].flatMap((attribute) => {
      if (attribute.kind === 'graph') return listScopes(attribute.graph, scope);
      return attribute.kind === 'graphs' ? attribute.graphs.flatMap((item) => listScopes(item, scope)) : [];
    }),
  );
  return [scope, ...inner];
}

/** The constant behind a value: an initializer or Constant output of this scope or one around it. */
export function findConstant(scope: Scope | null, value: string): TensorRef | undefined {
  for (let at = scope; at !== null; at = at.outer) {
    const tensor = at.graph.tensors.get(value);
    if (tensor !== undefined) return tensor;
    if (at.producers.has(value)) return undefined;
  }
  return undefined;
}

function findProducer(scope: Scope | null, value: string): GraphNode | undefined {
  for (let at = scope; at !== null; at = at.outer) {
    const node = at.producers.get(value);
    if (node !== undefined) return node;
  }
  return undefined;
}

/** Integers of a small constant (a shape), or undefined. */
export function findSmallInts(tensor: TensorRef | undefined): number[] | undefined {
  if (tensor === undefined || tensor.elementCount > 64) return undefined;
  if (tensor.dtype !== 'i64' && tensor.dtype !== 'i32') return undefined;
  const bytes = Buffer.alloc(tensor.byteLength);
  tensor.read(0, bytes);
  return Array.from({ length: tensor.elementCount }, (_, i) =>
    tensor.dtype === 'i64' ? Number(bytes.readBigInt64LE(8 * i)) : bytes.readInt32LE(4 * i),
  );
}

/** Dimensions after an ONNX Reshape, or undefined when they do not hold the same elements. */
function findReshaped(shape: readonly number[], target: readonly number[]): number[] | undefined {
  const total = shape.reduce((a, b) => a * b, 1);
  const dims = target.map((dim, i) => (dim === 0 ? (shape[i] ?? 0) : dim));
  const known = dims.filter((dim) => dim !== -1).reduce((a, b) => a * b, 1);
  const full = dims.map((dim) => (dim === -1 ? total / known : dim));
  const isSame = full.every((dim) => Number.isInteger(dim) && dim >= 0) && full.reduce((a, b) => a * b, 1) === total;
  return isSame ? full : undefined;
}

/** How far back a weight is followed through casts, dequantisation, transposes and reshapes. */
const STEPS_MAX = 8;

/** Follows a value back to the stored tensor that it is a plain view of. */
export function findWeightView(scope: Scope, value: string, steps = STEPS_MAX): WeightView | undefined {
  const constant = findConstant(scope, value);
  if (constant !== undefined) return { tensor: constant, shape: constant.shape, isTransposed: false };
  const node = steps > 0 ? findProducer(scope, value) : undefined;
  if (node === undefined) return undefined;
  const source = (): WeightView | undefined => findWeightView(scope, node.inputs[0] ?? '', steps - 1);
  switch (node.op) {
    case 'Identity':
    case 'Cast':
    case 'QuantizeLinear':
    case 'DequantizeLinear':
    case 'CAST':
    case 'QUANTIZE':
    case 'DEQUANTIZE':
      return source();
    case 'Transpose':
    case 'TRANSPOSE': {
      const view = source();
      const perm = findInts(node, 'perm') ?? findSmallInts(findConstant(scope, node.inputs[1] ?? ''));
      const isSwap = view?.shape.length === 2 && (perm === undefined || (perm[0] === 1 && perm[1] === 0));
      return isSwap ? { ...view, isTransposed: !view.isTransposed } : undefined;
    }
    case 'Reshape':
    case 'RESHAPE': {
      const view = source();
      const target = findSmallInts(findConstant(scope, node.inputs[1] ?? ''));
      if (view === undefined || view.isTransposed || target === undefined) return undefined;
      const shape = findReshaped(view.shape, target);
      return shape === undefined ? undefined : { ...view, shape };
    }
    default:
      return undefined;
  }
}

function isLearnedType(tensor: TensorRef): boolean {
  const { kind, bits } = DTYPES[tensor.dtype];
  return kind === 'float' || ((kind === 'int' || kind === 'uint') && bits <= 16);
}

/** Groups of a convolution: an attribute, or (TFLite) what the input has more channels than the kernel. */
function toGroups(scope: Scope, node: GraphNode, data: number, inLength: number): number {
  if (!isChannelsLast(node)) return Math.max(1, findInt(node, 'group', 1));
  const channels = scope.graph.values.get(node.inputs[data] ?? '')?.shape?.at(-1);
  const groups = typeof channels === 'number' ? channels / inLength : 1;
  return Number.isInteger(groups) && groups > 0 ? groups : 1;
}

/** Every use of a constant as a weight by `node`; [] for operators that have none. */
export function listWeightUses(scope: Scope, node: GraphNode): WeightUse[] {
  const row = findWeightRow(node);
  if (row === undefined) return [];
  return row.weights.flatMap((index) => {
    const weight = findWeightView(scope, node.inputs[index] ?? '');
    if (weight === undefined || weight.shape.length < 2 || !isLearnedType(weight.tensor)) return [];
    if (row.kind === 'embedding' && (weight.shape.length !== 2 || findInt(node, 'axis', 0) !== 0)) return [];
    const axes = row.axes(node, weight.shape);
    const [outAxis, inAxis] = axes === null ? [null, null] : weight.isTransposed ? [axes[1], axes[0]] : axes;
    const bias = row.bias === null ? '' : (node.inputs[row.bias] ?? '');
    return [
      {
        node,
        kind: row.kind,
        weight,
        outAxis,
        inAxis,
        groups: row.kind === 'conv' ? toGroups(scope, node, row.data, weight.shape[axes?.[1] ?? 0]) : 1,
        data: node.inputs[row.data] ?? '',
        bias: bias === '' ? null : bias,
      },
    ];
  });
}
