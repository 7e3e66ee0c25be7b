/** What each operator does to the channels of its inputs (docs/spec/watermark.md §5.3, rules R1-R10). */
import type { GraphNode } from '../model/types.ts';
import { findInt, findInts } from './attributes.ts';
import type { ChannelVector } from './ports.ts';
import {
  broadcast,
  findOwnRank,
  first,
  headwise,
  type Rule,
  same,
  toConcatenated,
  toFlat,
  toReduced,
  toReshaped,
  toTransposed,
  withoutRun,
} from './rule-parts.ts';
import { TFLITE_RULES } from './tflite-rules.ts';
import { addVector, type Walk } from './walk.ts';
import { findConstant, findSmallInts } from './weights.ts';

/** Applies the rule of `node`; without one, its inputs are frozen and its outputs unknown. */
export function applyOpRule(walk: Walk, node: GraphNode): void {
  const rule = DOMAIN_RULES.get(node.domain)?.[node.op];
  const isReader = node.inputs.some((input) => walk.values.has(input));
  if (!isReader) return;
  const result = rule?.(walk, node);
  if (result === undefined) freezeInputs(walk, node);
  else walk.values.set(node.outputs[0], result);
}

function freezeInputs(walk: Walk, node: GraphNode): void {
  for (const input of node.inputs) walk.set.freeze(walk.values.get(input));
}

/** R3: normalisation with one entry per channel. */
const channelNorm: Rule = (walk, node) => {
  const value = first(walk, node);
  if (value === undefined) return undefined;
  const roles: readonly ChannelVector['role'][] = ['scale', 'shift', 'mean', 'variance'];
  roles.forEach((role, i) => {
    addVector(walk, node.inputs[i + 1] ?? null, role, { ...value, fromRight: 1 });
  });
  return value;
};

/** R4: normalisation over the channels: a permutation passes through, a scale would not. */
const layerNorm: Rule = (walk, node) => {
  const value = first(walk, node);
  const axis = findInt(node, 'axis', -1);
  const rank = findOwnRank(walk, node);
  const isLast = axis === -1 || (rank !== null && axis === rank - 1);
  if (value?.fromRight !== 1 || !isLast) return undefined;
  addVector(walk, node.inputs[1] ?? null, 'scale', value);
  addVector(walk, node.inputs[2] ?? null, 'shift', value);
  return value;
};

const transpose: Rule = (walk, node) => {
  const rank = findOwnRank(walk, node);
  const reversed = rank === null ? undefined : Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const perm = findInts(node, 'perm') ?? reversed;
  return perm === undefined ? undefined : toTransposed(first(walk, node), perm);
};

const flatten: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = findOwnRank(walk, node);
  if (value === undefined || rank === null || findInt(node, 'axis', 1) !== 1) return undefined;
  return toFlat(value, rank);
};

const reshape: Rule = (walk, node) => {
  const value = first(walk, node);
  const target = findSmallInts(findConstant(walk.scope, node.inputs[1] ?? ''));
  if (value === undefined || target === undefined) return undefined;
  return toReshaped(walk, value, findOwnRank(walk, node), target);
};

const concat: Rule = (walk, node) => toConcatenated(walk, node, findInt(node, 'axis', 0));

const reduce: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = findOwnRank(walk, node);
  const axes = findInts(node, 'axes') ?? findSmallInts(findConstant(walk.scope, node.inputs[1] ?? ''));
  if (value === undefined || rank === null || axes === undefined) return undefined;
  return toReduced(value, rank, axes, node.op !== 'Squeeze' && findInt(node, 'keepdims', 1) === 1);
};

const gather: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = findOwnRank(walk, node);
  const indices = findConstant(walk.scope, node.inputs[1] ?? '');
  if (value === undefined || rank === null || indices === undefined) return undefined;
  const axis = findInt(node, 'axis', 0);
  const place = axis < 0 ? axis + rank : axis;
  const own = rank - value.fromRight;
  if (place >= own) return undefined;
  return { ...value, rank: rank - 1 + indices.shape.length };
};

const slice: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = findOwnRank(walk, node);
  const axes = findInts(node, 'axes') ?? findSmallInts(findConstant(walk.scope, node.inputs[3] ?? ''));
  if (value === undefined || rank === null || axes === undefined) return undefined;
  const places = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  if (places.includes(rank - value.fromRight)) return undefined;
  return places.includes(rank - 1) ? withoutRun(value) : value;
};

/** R8: a new axis; those left of it are one further from the right. */
const unsqueeze: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = findOwnRank(walk, node);
  const axes = findInts(node, 'axes') ?? findSmallInts(findConstant(walk.scope, node.inputs[1] ?? ''));
  if (value === undefined || rank === null || axes?.length !== 1) return undefined;
  const place = axes[0] < 0 ? axes[0] + rank + 1 : axes[0];
  const isRight = place > rank - value.fromRight;
  const isLast = place === rank;
  return { ...(isLast ? withoutRun(value) : value), fromRight: value.fromRight + Number(isRight), rank: rank + 1 };
};

/** R9: padding that leaves the channel axis alone. */
const pad: Rule = (walk, node) => {
  const value = first(walk, node);
  const pads = findInts(node, 'pads') ?? findSmallInts(findConstant(walk.scope, node.inputs[1] ?? ''));
  if (value === undefined || pads === undefined) return undefined;
  const rank = pads.length / 2;
  const own = rank - value.fromRight;
  return pads[own] === 0 && pads[own + rank] === 0 ? value : undefined;
};

const SAME_OPS =
  'Relu LeakyRelu Sigmoid Tanh Elu Selu Celu Gelu FastGelu QuickGelu Erf Clip HardSwish HardSigmoid Softplus Softsign Mish ' +
  'Swish ThresholdedRelu Abs Neg Exp Log Sqrt Reciprocal Sign Round Floor Ceil Identity Dropout Cast QuantizeLinear ' +
  'DequantizeLinear Softmax LogSoftmax MaxPool AveragePool GlobalAveragePool GlobalMaxPool LpPool GlobalLpPool Resize Upsample';

const ONNX_RULES: Readonly<Record<string, Rule | undefined>> = Object.assign(
  Object.create(null) as Record<string, Rule>,
  {
    ...Object.fromEntries(SAME_OPS.split(' ').map((op) => [op, same])),
    ...Object.fromEntries(['Add', 'Sub', 'Sum', 'Min', 'Max'].map((op) => [op, broadcast('bias')])),
    ...Object.fromEntries(['Mul', 'Div', 'Pow'].map((op) => [op, broadcast('scale')])),
    PRelu: broadcast('slope'),
    BiasGelu: broadcast('bias'),
    BatchNormalization: channelNorm,
    InstanceNormalization: channelNorm,
    LayerNormalization: layerNorm,
    SimplifiedLayerNormalization: layerNorm,
    RMSNormalization: layerNorm,
    Transpose: transpose,
    Flatten: flatten,
    Reshape: reshape,
    Concat: concat,
    ReduceMean: reduce,
    ReduceSum: reduce,
    ReduceMax: reduce,
    Squeeze: reduce,
    Gather: gather,
    Slice: slice,
    Unsqueeze: unsqueeze,
    // An axis of several channels is not what grows.
    Expand: same,
    MatMul: headwise,
    Pad: pad,
  },
);

const DOMAIN_RULES = new Map([
  ['', ONNX_RULES],
  ['com.microsoft', ONNX_RULES],
  ['tflite', TFLITE_RULES],
]);
