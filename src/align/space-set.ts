/** Sets of channels that move together: union-find over spaces, with a mark on those that must stay in place. */
import type { ChannelSegment, Space } from './ports.ts';

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
}

export interface SpaceSet {
  add(channels: number): number;
  /** Never permuted from now on. */
  freeze(value: ValueChannels | undefined): void;
  /** Makes both follow one permutation; where their segments do not line up, both are frozen. */
  unite(a: ValueChannels, b: ValueChannels): void;
  /** Final spaces, and the number of each space in it. */
  finish(): {
    readonly spaces: readonly Space[];
    readonly toFinal: (segments: readonly ChannelSegment[]) => ChannelSegment[];
  };
}

/** The space number of channels that never move. */
export const FIXED = -1;

export function createSpaceSet(): SpaceSet {
  const parents: number[] = [];
  const channels: number[] = [];
  const frozen: boolean[] = [];
  const find = (space: number): number => {
    let root = space;
    while (parents[root] !== root) root = parents[root];
    for (let at = space; at !== root; [at, parents[at]] = [parents[at], root]);
    return root;
  };
  const freezeSegments = (segments: readonly ChannelSegment[]): void => {
    for (const { space } of segments) if (space !== FIXED) frozen[find(space)] = true;
  };
  const join = (a: ChannelSegment, b: ChannelSegment): void => {
    if (a.space === FIXED || b.space === FIXED) {
      freezeSegments([a, b]);
      return;
    }
    const [low, high] = [find(a.space), find(b.space)].sort((x, y) => x - y);
    frozen[low] ||= frozen[high];
    parents[high] = low;
  };
  return {
    add: (count) => {
      parents.push(parents.length);
      channels.push(count);
      frozen.push(false);
      return parents.length - 1;
    },
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
    finish: () => {
      const roots = parents.map((_, i) => find(i)).filter((root, i) => root === i);
      const spaces = roots.map((root) => ({ channels: channels[root], isPermutable: !frozen[root] }));
      const numbers = new Map(roots.map((root, i) => [root, i]));
      const toFinal = (segments: readonly ChannelSegment[]): ChannelSegment[] =>
        segments.map(({ space, channels: count }) => ({
          space: space === FIXED ? FIXED : numbers.get(find(space))!,
          channels: count,
        }));
      return { spaces, toFinal };
    },
  };
}

/** Channels on the axis, all segments together. */
export function toChannelCount(segments: readonly ChannelSegment[]): number {
  return segments.reduce((sum, segment) => sum + segment.channels, 0);
}
