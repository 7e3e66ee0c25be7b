/** Finds the weight tensor behind an operator's input, and how the operator uses its axes (docs/spec/watermark.md §5.1). */
import { DTYPES } from '../model/dtype.ts';
import type { Graph, GraphNode, TensorRef } from '../model/types.ts';
import type { LayerKind } from './ports.ts';

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

interface OpRow {
  readonly kind: LayerKind;
  readonly data: number;
  readonly weights: readonly number[];
  readonly bias: number | null;
  /** Out and in axis of the operand as the operator defines it. */
  readonly axes: (node: GraphNode, shape: readonly number[]) => readonly [number, number] | null;
}

const conv: OpRow = { kind: 'conv', data: 0, weights: [1], bias: 2, axes: () => [0, 1] };
const matMul: OpRow = {
  kind: 'dense',
  data: 0,
  weights: [1],
  bias: null,
  axes: (_node, shape) => (shape.length === 2 ? [1, 0] : null),
};
const gemm: OpRow = {
  kind: 'dense',
  data: 0,
  weights: [1],
  bias: 2,
  axes: (node) => (findInt(node, 'transB', 0) === 1 ? [0, 1] : [1, 0]),
};
const recurrent: OpRow = { kind: 'recurrent', data: 0, weights: [1, 2], bias: null, axes: () => [1, 2] };

/** Operators whose constant operands are learned weights; everything else (tables, masks, anchors) stays untouched. */
const OPS: Readonly<Record<string, OpRow | undefined>> = Object.assign(Object.create(null) as Record<string, OpRow>, {
  Conv: conv,
  FusedConv: conv,
  ConvInteger: { ...conv, bias: null },
  QLinearConv: { ...conv, weights: [3], bias: 8 },
  ConvTranspose: { ...conv, axes: () => [1, 0] as const },
  Gemm: gemm,
  FusedGemm: gemm,
  MatMul: matMul,
  FusedMatMul: matMul,
  MatMulInteger: matMul,
  QLinearMatMul: { ...matMul, weights: [3] },
  Attention: { ...matMul, bias: 2 },
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  Gather: { kind: 'embedding', data: 1, weights: [0], bias: null, axes: () => [1, 0] as const },
} satisfies Record<string, OpRow>);

/** An integer attribute, or `otherwise` when it is absent. */
export function findInt(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? Number(attribute.value) : otherwise;
}

/** A list of integers, or undefined. */
export function findInts(node: GraphNode, name: string): number[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.values.map(Number) : undefined;
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
export function findReshaped(shape: readonly number[], target: readonly number[]): number[] | undefined {
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
      return source();
    case 'Transpose': {
      const view = source();
      const perm = findInts(node, 'perm');
      const isSwap = view?.shape.length === 2 && (perm === undefined || (perm[0] === 1 && perm[1] === 0));
      return isSwap ? { ...view, isTransposed: !view.isTransposed } : undefined;
    }
    case 'Reshape': {
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

/** Every use of a constant as a weight by `node`; [] for operators that have none. */
export function listWeightUses(scope: Scope, node: GraphNode): WeightUse[] {
  const row = node.domain === '' || node.domain === 'com.microsoft' ? OPS[node.op] : undefined;
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
        groups: row.kind === 'conv' ? Math.max(1, findInt(node, 'group', 1)) : 1,
        data: node.inputs[row.data] ?? '',
        bias: bias === '' ? null : bias,
      },
    ];
  });
}
