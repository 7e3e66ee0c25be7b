/** Sets of channels that move together: union-find over spaces, with a mark on those that must stay in place. */
import type { ChannelAxis, ChannelSegment, Space } from './ports.ts';

/** Channels along one axis of a value. `fromRight` counts the axis from the end: 1 is the last. */
export interface ValueChannels {
  readonly segments: readonly ChannelSegment[];
  /** Entries per channel on the axis; null when a flatten made it and the consumer's size will tell. */
  readonly inner: number | null;
  /** Set after a flatten that put the channels last within each place: position = k * channels + channel. */
  readonly isInterleaved?: true;
  readonly fromRight: number;
  /** Number of dimensions, when known. */
  readonly rank: number | null;
  /** Length of the last axis, where a reshape cut the channels into heads and it is still as it was cut. */
  readonly run?: number | undefined;
}

export interface SpaceSet {
  add(channels: number): number;
  /** Never permuted from now on. */
  freeze(value: ValueChannels | undefined): void;
  /** Makes both follow one permutation; where their segments do not line up, both are frozen. */
  unite(a: ValueChannels, b: ValueChannels): void;
  /**
   * Says that the channels of `space` move in runs of `factor` only, as the channels of a coarser space, whose number is
   * returned; undefined (and `space` frozen) when they do not come in such runs.
   */
  coarsen(space: number, factor: number): number | undefined;
  /** Final spaces, and what an axis of the walk's own spaces is in them. */
  finish(axes: readonly ChannelAxis[]): {
    readonly spaces: readonly Space[];
    readonly toFinal: (axis: ChannelAxis) => ChannelAxis;
  };
}

/** The space number of channels that never move. */
export const FIXED = -1;

/** A set while the walk goes on. */
interface Node {
  readonly channels: number;
  parent: Node | null;
  isFrozen: boolean;
  /** Set where channels move in runs only; of the root. */
  coarse: { readonly node: Node; readonly factor: number } | null;
  /** True for a coarser space: it is one of the result only while it can move. */
  readonly isCoarse: boolean;
}

function findRoot(node: Node): Node {
  let root = node;
  while (root.parent !== null) root = root.parent;
  return root;
}

/** The later one joins the earlier; where both move in runs, the runs must be the same. */
function joinNodes(first: Node, second: Node): void {
  const [low, high] = [findRoot(first), findRoot(second)];
  if (low === high) return;
  high.parent = low;
  low.isFrozen ||= high.isFrozen || low.channels !== high.channels;
  const [a, b] = [low.coarse, high.coarse];
  low.coarse = a ?? b;
  if (a === null || b === null) return;
  if (a.factor === b.factor) joinNodes(a.node, b.node);
  else low.isFrozen = true;
}

export function createSpaceSet(): SpaceSet {
  const nodes: Node[] = [];
  const add = (channels: number, isCoarse: boolean): number => {
    nodes.push({ channels, parent: null, isFrozen: false, coarse: null, isCoarse });
    return nodes.length - 1;
  };
  const freezeSegments = (segments: readonly ChannelSegment[]): void => {
    for (const { space } of segments) if (space !== FIXED) findRoot(nodes[space]).isFrozen = true;
  };
  const join = (a: ChannelSegment, b: ChannelSegment): void => {
    if (a.space === FIXED || b.space === FIXED) {
      freezeSegments([a, b]);
      return;
    }
    const [low, high] = [a, b].map(({ space }) => nodes.indexOf(findRoot(nodes[space]))).sort((x, y) => x - y);
    joinNodes(nodes[low], nodes[high]);
  };
  return {
    add: (count) => add(count, false),
    freeze: (value) => {
      if (value !== undefined) freezeSegments(value.segments);
    },
    unite: (a, b) => {
      const isAlike =
        a.segments.length === b.segments.length &&
        a.segments.every((segment, i) => segment.channels === b.segments[i].channels);
      const isSameRun = a.inner === b.inner || a.inner === null || b.inner === null;
      if (isAlike && isSameRun && a.isInterleaved === b.isInterleaved) {
        a.segments.forEach((segment, i) => {
          join(segment, b.segments[i]);
        });
      } else freezeSegments([...a.segments, ...b.segments]);
    },
    coarsen: (space, factor) => {
      const root = findRoot(nodes[space]);
      const isWhole = factor >= 1 && Number.isInteger(root.channels / factor);
      if (isWhole && (root.coarse?.factor ?? factor) === factor) {
        root.coarse ??= { node: nodes[add(root.channels / factor, true)], factor };
        return nodes.indexOf(root.coarse.node);
      }
      root.isFrozen = true;
      return undefined;
    },
    finish: (axes) => finish(nodes, axes),
  };
}

/** Where a set ended up: the one that moves for it, in runs of `factor` of its channels; null when nothing may move. */
function findMover(start: Node): { readonly node: Node; readonly factor: number } | null {
  let node = findRoot(start);
  let factor = 1;
  while (!node.isFrozen) {
    if (node.coarse === null) return { node, factor };
    factor *= node.coarse.factor;
    node = findRoot(node.coarse.node);
  }
  return null;
}

function finish(nodes: readonly Node[], axes: readonly ChannelAxis[]): ReturnType<SpaceSet['finish']> {
  freezeMixed(nodes, axes);
  const roots = nodes.filter((node) => node.parent === null);
  // A coarser space moves only if all that move in its runs may.
  for (let isStable = false; !isStable; ) {
    const stuck = roots.filter(
      ({ coarse, isFrozen }) => isFrozen && coarse !== null && !findRoot(coarse.node).isFrozen,
    );
    for (const { coarse } of stuck) findRoot(coarse!.node).isFrozen = true;
    isStable = stuck.length === 0;
  }
  const kept = roots.filter((node) => {
    const mover = findMover(node);
    return mover === null ? !node.isCoarse : mover.node === node;
  });
  const numbers = new Map(kept.map((node, i) => [node, i]));
  const spaces = kept.map((node) => ({ channels: node.channels, isPermutable: findMover(node) !== null }));
  const toFinal = (axis: ChannelAxis): ChannelAxis => {
    let { inner } = axis;
    const segments = axis.segments.map(({ space, channels }): ChannelSegment => {
      if (space === FIXED) return { space, channels };
      const root = findRoot(nodes[space]);
      const mover = findMover(root);
      if (mover !== null) {
        inner = axis.inner * mover.factor;
        return { space: numbers.get(mover.node)!, channels: channels / mover.factor };
      }
      if (!root.isCoarse) return { space: numbers.get(root)!, channels };
      inner = 1;
      return { space: FIXED, channels: channels * axis.inner };
    });
    return { ...axis, segments, inner };
  };
  return { spaces, toFinal };
}

/** Runs of one length are all that an axis can have: where its segments differ, none of them moves. */
function freezeMixed(nodes: readonly Node[], axes: readonly ChannelAxis[]): void {
  for (const { segments, isInterleaved } of axes) {
    const roots = segments.flatMap(({ space }) => (space === FIXED ? [] : [findRoot(nodes[space])]));
    const isMixed = (segments.length > 1 || isInterleaved === true) && roots.some((root) => root.coarse !== null);
    if (isMixed) for (const root of roots) root.isFrozen = true;
  }
}

/** Channels on the axis, all segments together. */
export function toChannelCount(segments: readonly ChannelSegment[]): number {
  return segments.reduce((sum, segment) => sum + segment.channels, 0);
}
