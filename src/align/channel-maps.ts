/** From channels of spaces to entries of axes, for the original and for a suspect that may have more channels. */
import { UNMATCHED } from './assignment.ts';
import type { LayerShape } from './lattice.ts';
import { toAxis } from './layer-axis.ts';
import type { ChannelAxis, Layer, Topology } from './ports.ts';

/** One layer of the original and what the suspect has for it. */
export interface LayerPair {
  readonly layer: Layer;
  readonly ours: LayerShape | null;
  readonly theirs: LayerShape | null;
}

export interface ChannelMaps {
  /** Channels of each space in the suspect. */
  readonly counts: readonly number[];
  /** For each channel of the original the suspect's channel; null while a space is unknown. */
  readonly bySpace: (Int32Array | null)[];
}

/** Suspect entry of each original entry of both axes of a layer; -1 where it has none. */
export interface Mapped {
  readonly out: Int32Array;
  readonly in: Int32Array;
}

/** Channels of each space in the suspect, read from the layers that have nothing else on an axis. */
export function toSuspectCounts(topology: Topology, layers: readonly LayerPair[]): number[] {
  const counts = topology.spaces.map((space) => space.channels);
  for (const { layer, theirs } of layers) {
    if (theirs === null) continue;
    for (const side of ['in', 'out'] as const) {
      const axis = layer[side];
      const segment = axis?.segments[0];
      if (axis?.segments.length !== 1 || segment === undefined || segment.space < 0) continue;
      const length = side === 'out' ? theirs.shape[theirs.outAxis] : theirs.shape[theirs.inAxis] * theirs.groups;
      if (length % axis.inner === 0) counts[segment.space] = length / axis.inner;
    }
  }
  return counts;
}

/** The mapper of one side of a layer. */
export function createLayerMapper(pair: LayerPair, side: 'out' | 'in', maps: ChannelMaps): AxisMapper {
  const isTheirs = side === 'in' ? pair.theirs?.isInterleaved : undefined;
  return createAxisMapper(toAxis(pair.layer, side), maps, isTheirs);
}

export interface AxisMapper {
  /** Entries on the suspect's axis. */
  readonly theirLength: number;
  /** Suspect entry of each original entry, or undefined while a space on the axis is unknown. */
  toTheirs(): Int32Array | undefined;
  /** Entries of the channels of one segment, [channels · inner], in each model's own order. */
  ourEntries(segment: number): Int32Array;
  theirEntries(segment: number): Int32Array;
}

/**
 * Positions on one axis in both models.
 * @param isTheirsInterleaved how the suspect orders channels and places; as the original when nothing says otherwise
 */
function createAxisMapper(
  axis: ChannelAxis,
  maps: ChannelMaps,
  isTheirsInterleaved: boolean = axis.isInterleaved === true,
): AxisMapper {
  const ourStarts: number[] = [];
  const theirStarts: number[] = [];
  let ourChannels = 0;
  let theirChannels = 0;
  const theirCount = (space: number, channels: number): number => (space < 0 ? channels : maps.counts[space]);
  for (const { space, channels } of axis.segments) {
    ourStarts.push(ourChannels);
    theirStarts.push(theirChannels);
    ourChannels += channels;
    theirChannels += theirCount(space, channels);
  }
  const { inner } = axis;
  const toEntry =
    (total: number, isInterleaved: boolean) =>
    (channel: number, k: number): number =>
      isInterleaved ? k * total + channel : channel * inner + k;
  const toOurEntry = toEntry(ourChannels, axis.isInterleaved === true);
  const toTheirEntry = toEntry(theirChannels, isTheirsInterleaved);
  const list = (start: number, channels: number, toOwnEntry: typeof toOurEntry): Int32Array =>
    Int32Array.from({ length: channels * inner }, (_, i) => toOwnEntry(start + Math.floor(i / inner), i % inner));
  return {
    theirLength: theirChannels * inner,
    toTheirs: () => {
      const mapped = new Int32Array(ourChannels * inner);
      for (const [at, { space, channels }] of axis.segments.entries()) {
        const map = space < 0 ? undefined : maps.bySpace[space];
        if (map === null) return undefined;
        for (let c = 0; c < channels; c++) {
          const channel = map === undefined ? c : map[c];
          for (let t = 0; t < inner; t++) {
            const entry = channel === UNMATCHED ? UNMATCHED : toTheirEntry(theirStarts[at] + channel, t);
            mapped[toOurEntry(ourStarts[at] + c, t)] = entry;
          }
        }
      }
      return mapped;
    },
    ourEntries: (at) => list(ourStarts[at], axis.segments[at].channels, toOurEntry),
    theirEntries: (at) => {
      const { space, channels } = axis.segments[at];
      return list(theirStarts[at], theirCount(space, channels), toTheirEntry);
    },
  };
}
