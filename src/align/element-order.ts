/** Where the elements of one layer lie in another file's tensor: the same places, in another order of axes (docs/spec/watermark.md §6.3). */
import type { Layer } from './ports.ts';

/**
 * The elements of a layer in its own row-major order, as nested counters, outermost first: each of `size` steps, one
 * step being `stride` elements of the other tensor. Empty when both lie alike.
 */
export type ElementOrder = readonly OrderStep[];

interface OrderStep {
  readonly size: number;
  readonly stride: number;
}

/** An axis by what it means; `stride` in elements of its own tensor. */
interface Digit extends OrderStep {
  readonly meaning: string;
}

/** Axes as stored, and how many entries each channel has on the input axis, in which order. */
interface Arrangement {
  readonly shape: readonly number[];
  readonly outAxis: number;
  readonly inAxis: number;
  readonly inner: number;
  readonly isInterleaved: boolean;
}

/**
 * The orders in which a tensor can hold `layer`.
 * @param own what the tensor is in its own graph; null when it has none, so that the usual arrangements are tried
 * @returns [] when it cannot; what lies alike comes first
 */
export function listOrders(layer: Layer, own: Layer | null, shape: readonly number[]): ElementOrder[] {
  const ours = toArrangement(layer);
  const theirs = own === null ? null : toArrangement(own);
  if (ours !== null && theirs !== null) return toOrders([ours], [alike(ours, theirs)]);
  if (ours !== null) return toOrders([ours], listArrangements(shape, ours));
  if (theirs !== null) return toOrders(listArrangements(layer.shape, theirs), [theirs]);
  return toPlainOrders(layer.shape, shape);
}

/** Null when the layer's axes are not known. */
function toArrangement({ kind, shape, outAxis, inAxis, in: axis }: Layer): Arrangement | null {
  if (kind === 'plain' || outAxis === null || inAxis === null) return null;
  return { shape, outAxis, inAxis, inner: axis?.inner ?? 1, isInterleaved: axis?.isInterleaved === true };
}

/** Where only one graph knows of a flatten, both are taken to have the same. */
function alike(ours: Arrangement, theirs: Arrangement): Arrangement {
  if (theirs.inner > 1) return theirs;
  return { ...theirs, inner: ours.inner, isInterleaved: ours.isInterleaved };
}

/** Arrangements that frameworks store without a graph: out first, in and out last, in last, depthwise; 2-D either way. */
function listArrangements(shape: readonly number[], known: Arrangement): Arrangement[] {
  const last = shape.length - 1;
  const pairs = [
    [0, 1],
    [0, last],
    [last, last - 1],
    [last, 0],
    [last - 1, last],
    ...(shape.filter((dim) => dim !== 1).length <= 2 ? [[1, 0]] : []),
  ];
  const flattens = known.isInterleaved ? [true, false] : [false];
  return pairs
    .filter(([outAxis, inAxis]) => outAxis !== inAxis && last > 0)
    .flatMap(([outAxis, inAxis]) =>
      flattens.map((isInterleaved) => ({ shape, outAxis, inAxis, inner: known.inner, isInterleaved })),
    );
}

function toPlainOrders(ours: readonly number[], theirs: readonly number[]): ElementOrder[] {
  const [a, b] = [ours, theirs].map((shape) => shape.filter((dim) => dim !== 1));
  const isSame = a.length === b.length && a.every((dim, i) => dim === b[i]);
  const isTurned = a.length === 2 && b.length === 2 && a[0] === b[1] && a[1] === b[0];
  const turned = [
    { size: a[0], stride: 1 },
    { size: a[1], stride: a[0] },
  ];
  return [...(isSame ? [[]] : []), ...(isTurned ? [turned] : [])];
}

function toOrders(ours: readonly Arrangement[], theirs: readonly Arrangement[]): ElementOrder[] {
  const found = new Map<string, ElementOrder>();
  for (const a of ours) {
    for (const b of theirs) {
      const order = findOrder(a, b);
      if (order !== null) found.set(order.map(({ size, stride }) => `${size}x${stride}`).join(), order);
    }
  }
  return [...found.values()].sort((a, b) => Number(a.length > 0) - Number(b.length > 0));
}

/** Null when the two do not have the same places. */
function findOrder(ours: Arrangement, theirs: Arrangement): ElementOrder | null {
  const inner = ours.inner === theirs.inner ? ours.inner : 1;
  const wanted = toDigits(ours, inner);
  const given = new Map(toDigits(theirs, inner).map((digit) => [digit.meaning, digit]));
  const isSame = wanted.length === given.size && wanted.every((digit) => given.get(digit.meaning)?.size === digit.size);
  if (!isSame) return null;
  return toSteps(wanted.map(({ meaning, size }) => ({ size, stride: given.get(meaning)!.stride })));
}

/** Axes of more than one entry, outermost first. */
function toDigits({ shape, outAxis, inAxis, isInterleaved }: Arrangement, inner: number): Digit[] {
  const digits: Digit[] = [];
  let stride = 1;
  let place = shape.length - 2;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis];
    if (axis === outAxis) digits.push({ meaning: 'out', size: length, stride });
    else if (axis !== inAxis) digits.push({ meaning: `place ${--place}`, size: length, stride });
    else if (length % inner !== 0) digits.push({ meaning: 'in', size: length, stride });
    else {
      const channels = length / inner;
      const [channelStride, runStride] = isInterleaved ? [1, channels] : [inner, 1];
      const run = { meaning: 'run', size: inner, stride: stride * runStride };
      const channel = { meaning: 'in', size: channels, stride: stride * channelStride };
      digits.push(...(isInterleaved ? [channel, run] : [run, channel]));
    }
    stride *= length;
  }
  return digits.reverse().filter(({ size }) => size !== 1);
}

/** Joins counters that are one, and drops them all when nothing is out of order. */
function toSteps(steps: readonly OrderStep[]): ElementOrder {
  const joined: OrderStep[] = [];
  for (const step of steps) {
    const outer = joined.at(-1);
    if (outer?.stride === step.size * step.stride) {
      joined[joined.length - 1] = { size: outer.size * step.size, stride: step.stride };
    } else joined.push(step);
  }
  return joined.length === 0 || (joined.length === 1 && joined[0].stride === 1) ? [] : joined;
}
