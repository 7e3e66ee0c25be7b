/** What operators of any format do to channels: the rules of docs/spec/watermark.md §5.3 without names of attributes. */
import type { GraphNode } from '../model/types.ts';
import type { ChannelVector } from './ports.ts';
import { FIXED, toChannelCount, type ValueChannels } from './space-set.ts';
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
  if (!shape) return (findRank(walk, value) ?? fromRight) < fromRight;
  return shape.length < fromRight || shape[shape.length - fromRight] === 1;
}

/** R5: axes change places. */
export function toTransposed(value: ValueChannels | undefined, perm: readonly number[]): ValueChannels | undefined {
  if (value === undefined) return undefined;
  const at = perm.indexOf(perm.length - value.fromRight);
  if (at === -1) return undefined;
  const isLastKept = perm.at(-1) === perm.length - 1;
  return { ...(isLastKept ? value : withoutRun(value)), fromRight: perm.length - at, rank: perm.length };
}

/** The same channels where the last axis is no longer what a reshape made it. */
export function withoutRun(value: ValueChannels): ValueChannels {
  return { ...value, run: undefined };
}

/** R6: [N, C, …] becomes [N, C·…]: every channel is a run of entries now. With the channels last, they are interleaved. */
export function toFlat(value: ValueChannels, rank: number): ValueChannels | undefined {
  if (rank === 2) return value.fromRight === 1 ? value : undefined;
  if (value.fromRight === rank - 1) return { ...value, inner: null, fromRight: 1, rank: 2 };
  const isLast = value.fromRight === 1 && value.inner === 1;
  return isLast ? { ...value, inner: null, isInterleaved: true, fromRight: 1, rank: 2 } : undefined;
}

/** R6, a reshape that keeps the last axis, and those around the heads of an attention layer (R10). */
export function toReshaped(
  walk: Walk,
  value: ValueChannels,
  rank: number | null,
  target: readonly number[],
): ValueChannels | undefined {
  const count = toChannelCount(value.segments) * (value.inner ?? 0);
  if (value.fromRight === 1 && target.at(-1) === count) return { ...value, rank: target.length };
  if (rank !== null && target.length === 2 && value.run === undefined) return toFlat(value, rank);
  return toHeads(walk, value, target) ?? toJoined(value, rank, target);
}

/** R10: [N, tokens, heads · d] becomes [N, tokens, heads, d]: the channels are heads now. */
function toHeads(walk: Walk, value: ValueChannels, target: readonly number[]): ValueChannels | undefined {
  const [heads, run] = target.slice(-2);
  const [segment] = value.segments;
  const isCut = value.fromRight === 1 && value.inner === 1 && target.length >= 4 && heads > 1 && run > 0;
  if (!isCut || value.segments.length !== 1 || segment.channels !== heads * run) return undefined;
  const space = segment.space === FIXED ? FIXED : walk.set.coarsen(segment.space, run);
  if (space === undefined) return undefined;
  return { segments: [{ space, channels: heads }], inner: 1, fromRight: 2, rank: target.length, run };
}

/**
 * R10: the way back, [N, tokens, heads, d] to [N, tokens, heads · d]; and repeated key heads, [N, heads, times, tokens, d] to
 * [N, heads · times, tokens, d].
 */
function toJoined(value: ValueChannels, rank: number | null, target: readonly number[]): ValueChannels | undefined {
  const { run, inner, fromRight, segments } = value;
  const count = toChannelCount(segments) * (inner ?? 0);
  if (run === undefined || inner === null || rank !== target.length + 1) return undefined;
  if (fromRight === 2 && target.at(-1) === count * run) {
    return { ...withoutRun(value), inner: inner * run, fromRight: 1, rank: target.length };
  }
  const times = (target[target.length - fromRight + 1] ?? 0) / count;
  const isRepeated = fromRight === 4 && inner === 1 && Number.isInteger(times) && times > 1 && target.at(-1) === run;
  return isRepeated ? { ...value, inner: times, fromRight: 3, rank: target.length } : undefined;
}

/** R10: a product of two values, head by head: both have the same heads, or one has the key heads of the other's queries. */
export const headwise: Rule = (walk, node) => {
  const [a, b] = node.inputs.map((input) => walk.values.get(input));
  if (a === undefined || b === undefined || a.fromRight < 3 || a.fromRight !== b.fromRight) return undefined;
  const [fine, coarse] = toChannelCount(a.segments) >= toChannelCount(b.segments) ? [a, b] : [b, a];
  const lead = toCoarse(walk, fine, coarse);
  if (lead === undefined) return undefined;
  walk.set.unite(lead, coarse);
  const result = withoutRun({ ...lead, rank: a.rank ?? b.rank });
  return b.run === undefined ? result : { ...result, run: b.run };
};

/** `fine` in runs that are as long as those of `coarse`. */
function toCoarse(walk: Walk, fine: ValueChannels, coarse: ValueChannels): ValueChannels | undefined {
  const [segment] = fine.segments;
  const times = toChannelCount(fine.segments) / toChannelCount(coarse.segments);
  if (times === 1) return fine;
  if (fine.segments.length !== 1 || segment.space === FIXED || fine.inner === null) return undefined;
  if (!Number.isInteger(times) || coarse.inner !== fine.inner * times) return undefined;
  const space = walk.set.coarsen(segment.space, times);
  if (space === undefined) return undefined;
  return { ...fine, segments: [{ space, channels: segment.channels / times }], inner: coarse.inner };
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
