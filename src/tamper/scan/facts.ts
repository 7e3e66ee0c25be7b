/** What is known of every value of a flat graph before anything is followed: constant or not, weights, shape. */
import { countWeights, readSmall } from './constants.ts';
import type { FlatGraph, FlatNode } from './flat.ts';

/** A dimension that is not known is null. */
export type Shape = readonly (number | null)[];

export interface ValueFacts {
  /** True when no input and no random number has a part in the value. */
  readonly isConstant: Uint8Array;
  /** Weights that a constant amounts to; 0 for other values. */
  readonly weights: Float64Array;
  readonly shapes: readonly (Shape | null)[];
  /** Small constants by value number; null when it is not small or not a number. */
  readonly small: (value: number) => Float64Array | null;
}

/** Ops without inputs that are not constants. */
const SOURCES = new Set(['RandomNormal', 'RandomUniform', 'Multinomial', 'VarHandle', 'ReadVariable']);

/** @throws FormatError | SourceError when a constant cannot be read */
export function toFacts(graph: FlatGraph): ValueFacts {
  const { values, nodes, order } = graph;
  const isConstant = new Uint8Array(values.length);
  const weights = new Float64Array(values.length);
  const filled = new Float64Array(values.length);
  const shapes: (Shape | null)[] = values.map(({ info }) => info?.shape?.map(toDim) ?? null);
  values.forEach(({ tensor, producer, isInput }, value) => {
    if (tensor !== null && producer === -1) {
      isConstant[value] = 1;
      weights[value] = countWeights(tensor);
      shapes[value] = tensor.shape;
    } else if (producer === -1 && !isInput) isConstant[value] = 1;
  });
  const small = toSmallReader(graph);
  for (const index of order) {
    const node = nodes[index];
    const own = toConstantFacts(node, { isConstant, weights, filled, small });
    for (const output of node.outputs) {
      if (own !== null) {
        isConstant[output] = 1;
        weights[output] = own.weights;
        filled[output] = own.filled;
      }
      shapes[output] ??= inferShape(node, { shapes, small, output });
    }
  }
  restoreFillers({ weights, filled });
  return { isConstant, weights, shapes, small };
}

const toDim = (dim: number | string | null): number | null => (typeof dim === 'number' && dim >= 0 ? dim : null);

function toSmallReader({ values, nodes }: FlatGraph): (value: number) => Float64Array | null {
  const known = new Map<number, Float64Array | null>();
  const read = (value: number): Float64Array | null => {
    if (value < 0) return null;
    const { tensor, producer } = values[value];
    if (tensor !== null) return readSmall(tensor);
    const node = producer === -1 ? undefined : nodes[producer];
    // A cast or a copy of a constant is as good as the constant.
    const isCopy = node !== undefined && (node.op === 'Identity' || node.op === 'Cast' || node.op === 'Unsqueeze');
    return isCopy && node.inputs.length > 0 ? small(node.inputs[0]) : null;
  };
  const small = (value: number): Float64Array | null => {
    let found = known.get(value);
    if (found === undefined) {
      // Set first: copies in a circle must end.
      known.set(value, null);
      found = read(value);
      known.set(value, found);
    }
    return found;
  };
  return small;
}

interface ConstantState {
  readonly isConstant: Uint8Array;
  readonly weights: Float64Array;
  readonly filled: Float64Array;
  readonly small: (value: number) => Float64Array | null;
}

/** A node whose operands are all constants makes a constant: as many weights as the largest of them. */
function toConstantFacts(node: FlatNode, state: ConstantState): { weights: number; filled: number } | null {
  if (SOURCES.has(node.op) || node.op.startsWith('Random') || node.op === 'LoopIndex') return null;
  const operands = node.inputs.filter((value) => value !== -1);
  if (operands.some((value) => state.isConstant[value] === 0)) return null;
  if (node.op === 'ConstantOfShape' && operands.length > 0) {
    const dims = state.small(operands[0]);
    const count = dims?.reduce((product, dim) => product * Math.max(0, dim), 1) ?? 1;
    return { weights: Math.min(1, count), filled: Math.min(count, Number.MAX_SAFE_INTEGER) };
  }
  const most = (of: Float64Array): number => operands.reduce((max, value) => Math.max(max, of[value]), 0);
  return { weights: most(state.weights), filled: most(state.filled) };
}

/**
 * Models that were stripped of their weights for publication fill them in with ConstantOfShape. Such fillers count as
 * the weights that they stand for, when next to nothing else is there; beside real weights they count as one.
 */
function restoreFillers({ weights, filled }: { weights: Float64Array; filled: Float64Array }): void {
  const sum = (of: Float64Array): number => of.reduce((total, one) => total + one, 0);
  if (sum(filled) < 10 * sum(weights)) return;
  for (let value = 0; value < weights.length; value++) weights[value] = Math.max(weights[value], filled[value]);
}

interface ShapeState {
  readonly shapes: readonly (Shape | null)[];
  readonly small: (value: number) => Float64Array | null;
  readonly output: number;
}

const SAME_SHAPE = new Set(
  `Identity Cast Relu Sigmoid Tanh Neg Abs Sign Floor Ceil Round Sqrt Exp Log Clip Not Erf IsNaN IsInf LeakyRelu
   Reciprocal HardSigmoid Softmax BitwiseNot`.split(/\s+/),
);
const BROADCAST = new Set(
  `Add Sub Mul Div Pow Mod Equal Greater Less GreaterOrEqual LessOrEqual And Or Xor BitShift BitwiseAnd BitwiseOr
   BitwiseXor Max Min Where`.split(/\s+/),
);

/** The few shapes that tell whether a signal is one number or many; null when it cannot be told simply. */
function inferShape(node: FlatNode, { shapes, small, output }: ShapeState): Shape | null {
  const { op, inputs } = node;
  const first = inputs.length > 0 && inputs[0] !== -1 ? shapes[inputs[0]] : null;
  if (op === 'Shape') return [first?.length ?? null];
  if (op === 'Size' || op === 'LoopIndex') return [];
  if (SAME_SHAPE.has(op)) return first;
  if (BROADCAST.has(op)) return toBroadcast(inputs.map((value) => (value === -1 ? [] : shapes[value])));
  if (op === 'Flatten' && first !== null) return [first.at(0) ?? 1, toProduct(first.slice(1))];
  if (op === 'Reshape') return toReshaped(first, small(inputs.at(1) ?? -1));
  if (op === 'Gather' && first !== null) return toGathered(node, first, small(inputs.at(1) ?? -1), shapes);
  if (op === 'Slice' && node.domain === '') return toSliced(first, toSlicing(node, small));
  if (op.startsWith('Random') && output !== -1) return findInts(node, 'shape');
  return null;
}

function toProduct(dims: Shape): number | null {
  return dims.reduce<number | null>((total, dim) => (total === null || dim === null ? null : total * dim), 1);
}

function toBroadcast(shapes: readonly (Shape | null)[]): Shape | null {
  if (shapes.some((shape) => shape === null)) return null;
  const known = shapes as readonly Shape[];
  const rank = Math.max(0, ...known.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const dims = known.map((shape) => (axis < rank - shape.length ? 1 : shape[axis - rank + shape.length]));
    return dims.includes(null) ? null : Math.max(...(dims as number[]));
  });
}

function toReshaped(from: Shape | null, dims: Float64Array | null): Shape | null {
  if (dims === null) return null;
  const total = from === null ? null : toProduct(from);
  const shape = [...dims].map((dim, axis) => (dim === 0 ? (from?.at(axis) ?? null) : dim));
  const rest = toProduct(shape.filter((dim) => dim !== -1));
  const open = total === null || rest === null || rest === 0 ? null : total / rest;
  return shape.map((dim) => (dim === -1 ? open : dim));
}

function toGathered(
  node: FlatNode,
  from: Shape,
  indices: Float64Array | null,
  shapes: readonly (Shape | null)[],
): Shape | null {
  const axis = findInt(node, 'axis', 0);
  const at = axis < 0 ? axis + from.length : axis;
  const shape = shapes[node.inputs[1]] ?? (indices === null ? null : [indices.length]);
  return shape === null ? null : [...from.slice(0, at), ...shape, ...from.slice(at + 1)];
}

interface Slicing {
  readonly starts: ArrayLike<number> | null;
  readonly ends: ArrayLike<number> | null;
  readonly axes: ArrayLike<number> | null;
  readonly steps: ArrayLike<number> | null;
}

/** Below opset 10 they are attributes. */
function toSlicing(node: FlatNode, small: ValueFacts['small']): Slicing {
  const [starts, ends, axes, steps] = ['starts', 'ends', 'axes', 'steps'].map(
    (name, at) => findInts(node, name) ?? small(node.inputs.at(at + 1) ?? -1),
  );
  return { starts, ends, axes, steps };
}

/** Constant starts, ends and axes only. */
function toSliced(from: Shape | null, { starts, ends, axes, steps }: Slicing): Shape | null {
  if (from === null || starts === null || ends === null) return null;
  const shape = [...from];
  for (let i = 0; i < starts.length && i < ends.length; i++) {
    const axis = axes === null ? i : axes[i] < 0 ? axes[i] + from.length : axes[i];
    const size = from.at(axis) ?? null;
    const clamp = (place: number): number | null => {
      if (place >= 0) return size === null ? place : Math.min(place, size);
      return size === null ? null : Math.max(0, place + size);
    };
    const [start, end] = [clamp(starts[i]), clamp(ends[i])];
    const length = start === null || end === null ? null : Math.max(0, end - start) / Math.abs(steps?.[i] ?? 1);
    // An end beyond an unknown size says nothing.
    shape[axis] = size === null && ends[i] > 2 ** 30 ? null : length === null ? null : Math.ceil(length);
  }
  return shape;
}

function findInt(node: FlatNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? Number(attribute.value) : otherwise;
}

function findInts(node: FlatNode, name: string): number[] | null {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.values.map(Number) : null;
}

/** Elements that count as a single signal, so that a yes or no made of them is one for the whole input. */
const FEW = 16;

/** True when a shape, apart from an unknown first dimension (the batch), has few elements. */
export function isFew(shape: Shape | null): boolean {
  if (shape === null) return false;
  const rest = shape.length > 0 && shape[0] === null ? shape.slice(1) : shape;
  const count = toProduct(rest);
  return count !== null && count <= FEW && !(rest.length === 0 && shape.length > 0);
}
