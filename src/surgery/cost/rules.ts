/** How many multiply-accumulates an operator does, from the shapes of what it reads and makes. */
import type { NodeRecord } from '../../model/document.ts';
import { findScalar } from '../find/query.ts';
import { toProduct, toQuotient } from '../infer/dims.ts';
import type { Dim, InferredType, Shape } from '../infer/types.ts';

/** A node with what is known of its values, by position. */
export interface TypedNode {
  readonly node: NodeRecord;
  readonly inputs: readonly (InferredType | undefined)[];
  readonly outputs: readonly (InferredType | undefined)[];
}

/** Null when a dimension that matters is not a number. */
type MacRule = (of: TypedNode) => Dim;

export function findShape(types: readonly (InferredType | undefined)[], at: number): Shape | null {
  const type = types.at(at);
  return type?.kind === 'tensor' ? type.shape : null;
}

function times(...parts: readonly (Shape | null)[]): Dim {
  return parts.every((part) => part !== null) ? toProduct(parts.flat()) : null;
}

/** Every element of the output sums over the weights of its channel. */
const conv =
  (weights: number): MacRule =>
  ({ inputs, outputs }) =>
    times(findShape(outputs, 0), findShape(inputs, weights)?.slice(1) ?? null);

/** Every element of the input is spread over the weights of its channel. */
const convTranspose: MacRule = ({ inputs }) => times(findShape(inputs, 0), findShape(inputs, 1)?.slice(1) ?? null);

/** Every element of the output sums over the inner axis. */
const matMul: MacRule = ({ inputs, outputs }) => times(findShape(outputs, 0), findShape(inputs, 0)?.slice(-1) ?? null);

const gemm: MacRule = ({ node, inputs, outputs }) => {
  const a = findShape(inputs, 0);
  const inner = a === null ? null : [a[findScalar(node.attributes, 'transA') === 1 ? 0 : 1] ?? null];
  return times(findShape(outputs, 0), inner);
};

/** Weights are applied once per step and batch: W [directions, gates · hidden, input], R [directions, gates · hidden, hidden]. */
const recurrent: MacRule = ({ node, inputs }) => {
  const [x, w, r] = [findShape(inputs, 0), findShape(inputs, 1), findShape(inputs, 2)];
  if (x === null || w === null || r === null || findScalar(node.attributes, 'layout') === 1) return null;
  const [onInput, onState] = [toProduct([...x.slice(0, 2), ...w]), toProduct([...x.slice(0, 2), ...r])];
  return typeof onInput === 'number' && typeof onState === 'number' ? onInput + onState : null;
};

/** Every combination of the letters is one product. */
const einsum: MacRule = ({ node, inputs }) => {
  const equation = findScalar(node.attributes, 'equation');
  if (typeof equation !== 'string' || equation.includes('.')) return null;
  const terms = equation.split('->')[0].replaceAll(/\s/g, '').split(',');
  const letters = new Map<string, Dim>();
  for (const [i, term] of terms.entries()) {
    const shape = findShape(inputs, i);
    if (shape?.length !== term.length) return null;
    for (let axis = 0; axis < term.length; axis++) letters.set(term[axis], shape[axis]);
  }
  return toProduct([...letters.values()]);
};

/** Scores and their sums over the values: queries × keys × size, twice. */
const attention: MacRule = ({ node, inputs, outputs }) => {
  const [q, out] = [findShape(inputs, 0), findShape(outputs, 0)];
  const k = findShape(inputs, 1);
  const keys = k?.at(-2) ?? null;
  if (q === null || out === null || k === null || findShape(inputs, 4) !== null) return null;
  const isFlat = q.length === 3;
  const heads = isFlat ? findScalar(node.attributes, 'q_num_heads') : 1;
  if (typeof heads !== 'number' || toQuotient([q.at(-1) ?? null], [heads]) === null) return null;
  const [scores, sums] = [toProduct([...q, keys]), toProduct([...out, keys])];
  return typeof scores === 'number' && typeof sums === 'number' ? scores + sums : null;
};

export const MACS: ReadonlyMap<string, MacRule> = new Map([
  ['Attention', attention],
  ['Conv', conv(1)],
  ['ConvInteger', conv(1)],
  ['ConvTranspose', convTranspose],
  ['Einsum', einsum],
  ['FusedMatMul', matMul],
  ['GRU', recurrent],
  ['Gemm', gemm],
  ['LSTM', recurrent],
  ['MatMul', matMul],
  ['MatMulInteger', matMul],
  ['QLinearConv', conv(3)],
  ['QLinearMatMul', matMul],
  ['RNN', recurrent],
]);

/** Operators that only move or name data. */
export const FREE: ReadonlySet<string> = new Set([
  'Cast',
  'CastLike',
  'Compress',
  'Concat',
  'Constant',
  'ConstantOfShape',
  'DepthToSpace',
  'Dropout',
  'Expand',
  'Flatten',
  'Gather',
  'GatherElements',
  'GatherND',
  'Identity',
  'Pad',
  'Reshape',
  'Shape',
  'Size',
  'Slice',
  'SpaceToDepth',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
]);
