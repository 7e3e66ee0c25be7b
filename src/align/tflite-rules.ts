/** What TFLite operators do to channels (docs/spec/watermark.md §5.3); shapes and axes are constants more often than options. */
import type { GraphNode } from '../model/types.ts';
import { findInt, findInts } from './attributes.ts';
import {
  broadcast,
  findOwnRank,
  first,
  type Rule,
  same,
  toConcatenated,
  toReduced,
  toReshaped,
  toTransposed,
} from './rule-parts.ts';
import { toChannelCount } from './space-set.ts';
import type { Walk } from './walk.ts';
import { findConstant, findSmallInts } from './weights.ts';

/** Small integers of the constant that is input `index`, or undefined. */
function findOperand(walk: Walk, node: GraphNode, index: number): number[] | undefined {
  return findSmallInts(findConstant(walk.scope, node.inputs[index] ?? ''));
}

const transpose: Rule = (walk, node) => {
  const perm = findOperand(walk, node, 1);
  return perm === undefined ? undefined : toTransposed(first(walk, node), perm);
};

const reshape: Rule = (walk, node) => {
  const value = first(walk, node);
  const target = findOperand(walk, node, 1) ?? findInts(node, 'new_shape');
  if (value === undefined || target === undefined) return undefined;
  return toReshaped(walk, value, findOwnRank(walk, node), target);
};

const squeeze: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = findOwnRank(walk, node);
  const axes = findInts(node, 'squeeze_dims');
  if (value === undefined || rank === null || axes === undefined || axes.length === 0) return undefined;
  return toReduced(value, rank, axes, false);
};

const reduce: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = findOwnRank(walk, node);
  const axes = findOperand(walk, node, 1);
  if (value === undefined || rank === null || axes === undefined) return undefined;
  return toReduced(value, rank, axes, findInt(node, 'keep_dims', 0) === 1);
};

const concat: Rule = (walk, node) => toConcatenated(walk, node, findInt(node, 'axis', 0));

/** R9: paddings are pairs, one for each axis. */
const pad: Rule = (walk, node) => {
  const value = first(walk, node);
  const pads = findOperand(walk, node, 1);
  if (value === undefined || pads === undefined) return undefined;
  const own = pads.length / 2 - value.fromRight;
  return pads[2 * own] === 0 && pads[2 * own + 1] === 0 ? value : undefined;
};

const slice: Rule = (walk, node) => {
  const value = first(walk, node);
  const [begin, size] = [findOperand(walk, node, 1), findOperand(walk, node, 2)];
  if (value === undefined || begin === undefined || size === undefined) return undefined;
  const own = begin.length - value.fromRight;
  const isWhole = size[own] === -1 || size[own] === toChannelCount(value.segments) * (value.inner ?? 0);
  return begin[own] === 0 && isWhole ? value : undefined;
};

const MASKS = ['ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'];

const stridedSlice: Rule = (walk, node) => {
  const value = first(walk, node);
  const [begin, end, strides] = [1, 2, 3].map((index) => findOperand(walk, node, index));
  const isPlain = MASKS.every((name) => findInt(node, name, 0) === 0);
  if (value === undefined || begin === undefined || end === undefined || !isPlain) return undefined;
  const own = begin.length - value.fromRight;
  const isMasked = (name: string): boolean => ((findInt(node, name, 0) >> own) & 1) === 1;
  const startsAtFirst = begin[own] === 0 || isMasked('begin_mask');
  const endsAtLast = isMasked('end_mask') || end[own] === toChannelCount(value.segments) * (value.inner ?? 0);
  return startsAtFirst && endsAtLast && strides?.[own] === 1 ? value : undefined;
};

const SAME_OPS =
  'RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 LEAKY_RELU ELU GELU HARD_SWISH LOGISTIC TANH ABS NEG EXP LOG SQRT RSQRT SQUARE SIGN ' +
  'FLOOR CEIL ROUND SIN COS CAST QUANTIZE DEQUANTIZE FAKE_QUANT SOFTMAX LOG_SOFTMAX L2_NORMALIZATION MAX_POOL_2D ' +
  'AVERAGE_POOL_2D L2_POOL_2D RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND';

export const TFLITE_RULES: Readonly<Record<string, Rule | undefined>> = Object.assign(
  Object.create(null) as Record<string, Rule>,
  {
    ...Object.fromEntries(SAME_OPS.split(' ').map((op) => [op, same])),
    ...Object.fromEntries(
      ['ADD', 'SUB', 'ADD_N', 'MAXIMUM', 'MINIMUM', 'SQUARED_DIFFERENCE'].map((op) => [op, broadcast('bias')]),
    ),
    ...Object.fromEntries(['MUL', 'DIV', 'POW'].map((op) => [op, broadcast('scale')])),
    PRELU: broadcast('slope'),
    TRANSPOSE: transpose,
    RESHAPE: reshape,
    SQUEEZE: squeeze,
    CONCATENATION: concat,
    ...Object.fromEntries(['MEAN', 'SUM', 'REDUCE_MAX', 'REDUCE_MIN', 'REDUCE_PROD'].map((op) => [op, reduce])),
    PAD: pad,
    PADV2: pad,
    MIRROR_PAD: pad,
    SLICE: slice,
    STRIDED_SLICE: stridedSlice,
  },
);
