/** What operators of any format do to channels: the rules of docs/spec/watermark.md §5.3 without names of attributes. */
import type { GraphNode } from '../model/types.ts';
import type { ChannelVector } from './ports.ts';
import { toChannelCount, type ValueChannels } from './space-set.ts';
import { addVector, findRank, type Walk } from './walk.ts';
import { findWeightView } from './weights.ts';

/** Channels of an operator's first output; undefined where they can no longer move. */
export type Rule = (walk: Walk, node: GraphNode) => ValueChannels | undefined;

export const first = (walk: Walk, node: GraphNode): ValueChannels | undefined => walk.values.get(node.inputs[0]);

/** Dimensions of the first input, when known. */
export function findOwnRank(walk: Walk, node: GraphNode): number | null {
  return first(walk, node)?.rank ?? findRank(walk, node.inputs[0]);
}

/** R1: one value in, each entry on its own (or along another axis), the same channels out. */
export const same: Rule = (walk, node) => first(walk, node);

/** R2: several values entry by entry: all follow one permutation; constants become vectors. */
export const broadcast =
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

/** R5: axes change places. */
export function toTransposed(value: ValueChannels | undefined, perm: readonly number[]): ValueChannels | undefined {
  if (value === undefined) return undefined;
  const at = perm.indexOf(perm.length - value.fromRight);
  return at === -1 ? undefined : { ...value, fromRight: perm.length - at, rank: perm.length };
}

/** R6: [N, C, …] becomes [N, C·…]: every channel is a run of entries now. With the channels last, they are interleaved. */
export function toFlat(value: ValueChannels, rank: number): ValueChannels | undefined {
  if (rank === 2) return value.fromRight === 1 ? value : undefined;
  if (value.fromRight === rank - 1) return { ...value, inner: null, fromRight: 1, rank: 2 };
  const isLast = value.fromRight === 1 && value.inner === 1;
  return isLast ? { ...value, inner: null, isInterleaved: true, fromRight: 1, rank: 2 } : undefined;
}

/** R6 and a reshape that keeps the last axis. */
export function toReshaped(
  value: ValueChannels,
  rank: number | null,
  target: readonly number[],
): ValueChannels | undefined {
  const count = toChannelCount(value.segments) * (value.inner ?? 0);
  if (value.fromRight === 1 && target.at(-1) === count) return { ...value, rank: target.length };
  return rank !== null && target.length === 2 ? toFlat(value, rank) : undefined;
}

/** R7: values side by side. Along the channels, their segments follow each other; along another axis, they are tied. */
export function toConcatenated(walk: Walk, node: GraphNode, axis: number): ValueChannels | undefined {
  const known = node.inputs.map((input) => walk.values.get(input));
  const values = known.filter((value) => value !== undefined);
  const rank = values.map((value) => value.rank).find((found) => found !== null) ?? findRank(walk, node.inputs[0]);
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
}

/** R8: some axes go away or come in; the channel axis must not be one of them. */
export function toReduced(
  value: ValueChannels,
  rank: number,
  axes: readonly number[],
  keepsDims: boolean,
): ValueChannels | undefined {
  const places = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  const own = rank - value.fromRight;
  // A mean over all channels is the same in any order, and has none of its own.
  if (places.includes(own)) return keepsDims ? { ...value, segments: [] } : undefined;
  if (keepsDims) return { ...value, rank };
  const right = places.filter((axis) => axis > own).length;
  return { ...value, fromRight: value.fromRight - right, rank: rank - places.length };
}
