/** What each operator does to the channels of its inputs (docs/spec/watermark.md §5.3, rules R1-R9). */
import type { GraphNode } from '../model/types.ts';
import type { ChannelVector } from './ports.ts';
import type { ValueChannels } from './space-set.ts';
import { addVector, findRank, type Walk } from './walk.ts';
import { findConstant, findInt, findInts, findSmallInts, findWeightView } from './weights.ts';

type Rule = (walk: Walk, node: GraphNode) => ValueChannels | undefined;

/** Applies the rule of `node`; without one, its inputs are frozen and its outputs unknown. */
export function applyOpRule(walk: Walk, node: GraphNode): void {
  const rule = node.domain === '' || node.domain === 'com.microsoft' ? RULES[node.op] : undefined;
  const isReader = node.inputs.some((input) => walk.values.has(input));
  if (!isReader) return;
  const result = rule?.(walk, node);
  if (result === undefined) freezeInputs(walk, node);
  else walk.values.set(node.outputs[0], result);
}

function freezeInputs(walk: Walk, node: GraphNode): void {
  for (const input of node.inputs) walk.set.freeze(walk.values.get(input));
}

const first = (walk: Walk, node: GraphNode): ValueChannels | undefined => walk.values.get(node.inputs[0]);

/** R1: one value in, each entry on its own (or along another axis), the same channels out. */
const same: Rule = (walk, node) => first(walk, node);

/** R2: several values entry by entry: all follow one permutation; constants become vectors. */
const broadcast =
  (role: ChannelVector['role']): Rule =>
  (walk, node) => {
    const all = node.inputs.flatMap((input) => walk.values.get(input) ?? []);
    const known = all.filter((value) => value.segments.length > 0);
    if (known.length === 0) return all[0];
    const lead = known.reduce((a, b) => ((b.rank ?? 0) > (a.rank ?? 0) ? b : a));
    for (const value of known) {
      if (value === lead) continue;
      if (value.fromRight === lead.fromRight) walk.set.unite(lead, value);
      else return undefined;
    }
    for (const input of node.inputs) {
      if (input === '' || walk.values.has(input)) continue;
      if (findWeightView(walk.scope, input) !== undefined) addVector(walk, input, role, lead);
      else if (!isNarrow(walk, input, lead.fromRight)) return undefined;
    }
    const ranks = known.map((value) => value.rank ?? 0);
    return { ...lead, rank: lead.rank === null ? null : Math.max(...ranks) };
  };

/** Whether a value is known to have no extent, or 1, on an axis. */
function isNarrow(walk: Walk, value: string, fromRight: number): boolean {
  const shape = walk.scope.graph.values.get(value)?.shape;
  if (!shape) return false;
  return shape.length < fromRight || shape[shape.length - fromRight] === 1;
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
  const rank = value?.rank ?? findRank(walk, node.inputs[0]);
  const isLast = axis === -1 || (rank !== null && axis === rank - 1);
  if (value?.fromRight !== 1 || !isLast) return undefined;
  addVector(walk, node.inputs[1] ?? null, 'scale', value);
  addVector(walk, node.inputs[2] ?? null, 'shift', value);
  return value;
};

/** R5: axes change places. */
const transpose: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = value?.rank ?? findRank(walk, node.inputs[0]);
  const perm =
    findInts(node, 'perm') ?? (rank === null ? undefined : Array.from({ length: rank }, (_, i) => rank - 1 - i));
  if (value === undefined || perm === undefined) return undefined;
  const at = perm.indexOf(perm.length - value.fromRight);
  return at === -1 ? undefined : { ...value, fromRight: perm.length - at, rank: perm.length };
};

/** R6: [N, C, …] becomes [N, C·…]: every channel is a run of entries now. */
const flatten: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = value?.rank ?? findRank(walk, node.inputs[0]);
  if (value === undefined || rank === null || findInt(node, 'axis', 1) !== 1) return undefined;
  return toFlat(value, rank);
};

function toFlat(value: ValueChannels, rank: number): ValueChannels | undefined {
  if (value.fromRight !== rank - 1) return undefined;
  return rank === 2 ? value : { ...value, inner: null, fromRight: 1, rank: 2 };
}

const reshape: Rule = (walk, node) => {
  const value = first(walk, node);
  const target = findSmallInts(findConstant(walk.scope, node.inputs[1] ?? ''));
  const rank = value?.rank ?? findRank(walk, node.inputs[0]);
  if (value === undefined || target === undefined) return undefined;
  const count = value.segments.reduce((sum, segment) => sum + segment.channels, 0) * (value.inner ?? 0);
  if (value.fromRight === 1 && target.at(-1) === count) return { ...value, rank: target.length };
  return rank !== null && target.length === 2 ? toFlat(value, rank) : undefined;
};

/** R7: values side by side. Along the channels, their segments follow each other; along another axis, they are tied. */
const concat: Rule = (walk, node) => {
  const known = node.inputs.map((input) => walk.values.get(input));
  const values = known.filter((value) => value !== undefined);
  const rank = values.map((value) => value.rank).find((found) => found !== null) ?? findRank(walk, node.inputs[0]);
  const axis = findInt(node, 'axis', 0);
  if (values.length !== known.length || (rank === null && axis >= 0)) return undefined;
  const fromRight = axis < 0 ? -axis : rank! - axis;
  const lead = values[0];
  if (values.some((value) => value.fromRight !== lead.fromRight)) return undefined;
  if (lead.fromRight !== fromRight) {
    for (const value of values) walk.set.unite(lead, value);
    return lead;
  }
  if (values.some((value) => value.inner !== 1)) return undefined;
  return { ...lead, segments: values.flatMap((value) => value.segments) };
};

/** R8: some axes go away or come in; the channel axis must not be one of them. */
const reduce: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = value?.rank ?? findRank(walk, node.inputs[0]);
  const axes = findInts(node, 'axes') ?? findSmallInts(findConstant(walk.scope, node.inputs[1] ?? ''));
  if (value === undefined || rank === null || axes === undefined) return undefined;
  const places = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  const own = rank - value.fromRight;
  // A mean over all channels is the same in any order, and has none of its own.
  if (places.includes(own)) return findInt(node, 'keepdims', 1) === 1 ? { ...value, segments: [] } : undefined;
  if (node.op !== 'Squeeze' && findInt(node, 'keepdims', 1) === 1) return { ...value, rank };
  const right = places.filter((axis) => axis > own).length;
  return { ...value, fromRight: value.fromRight - right, rank: rank - places.length };
};

const gather: Rule = (walk, node) => {
  const value = first(walk, node);
  const rank = value?.rank ?? findRank(walk, node.inputs[0]);
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
  const rank = value?.rank ?? findRank(walk, node.inputs[0]);
  const axes = findInts(node, 'axes') ?? findSmallInts(findConstant(walk.scope, node.inputs[3] ?? ''));
  if (value === undefined || rank === null || axes === undefined) return undefined;
  return axes.some((axis) => (axis < 0 ? axis + rank : axis) === rank - value.fromRight) ? undefined : value;
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

const RULES: Readonly<Record<string, Rule | undefined>> = Object.assign(Object.create(null) as Record<string, Rule>, {
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
  Pad: pad,
});
