/** Aligns a suspect to the unmarked original: undoes permuted, rescaled and added neurons (docs/spec/watermark.md §7). */
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import { createAlignedLayers } from './aligned-layer.ts';
import { assign, type SimilarityMatrix } from './assignment.ts';
import { type ChannelMaps, type LayerPair, toSuspectCounts } from './channel-maps.ts';
import type { LoadLattice } from './lattice.ts';
import { pairTensors } from './pairs.ts';
import { addPiece, createLoader, toLayerPairs } from './pieces.ts';
import type { AlignedLayer, Topology } from './ports.ts';
import { toScalarPairs } from './scalars.ts';
import { addScalarSimilarities } from './similarity.ts';

/** Passes over all spaces; the first follows the graph, later ones use what is known on both sides. */
const SWEEPS_MAX = 4;

export interface AlignOptions {
  /** Of the original. */
  readonly topology: Topology;
  /** The unmarked original. The caller has checked its digest. */
  readonly original: Model;
  readonly suspect: Model;
  readonly progress?: Progress;
}

export interface Alignment {
  /** By layer name; null when the suspect has no such layer. */
  readonly layers: ReadonlyMap<string, AlignedLayer | null>;
  /** Channels that moved, and channels of permutable spaces. */
  readonly movedChannels: number;
  readonly channels: number;
  /** For each space of the topology the suspect's channel of each original channel, -1 where it has none; null when unknown. */
  readonly channelMaps: readonly (Int32Array | null)[];
}

/**
 * Finds for every permutable space which suspect channel is which channel of the original, by assignment over the
 * cosines of all layers around it, and gives the suspect's layers in the original's order and scale.
 *
 * It never sees a key, so it is one more look at the suspect, whatever it does: an unrelated suspect stays unrelated.
 * @throws FormatError | SourceError from the readers
 */
export function alignSuspect({ topology, original, suspect, progress = silentProgress }: AlignOptions): Alignment {
  const pairs = pairTensors(topology, original, suspect);
  const layers = toLayerPairs(topology, original, pairs);
  const counts = toSuspectCounts(topology, layers);
  const maps: ChannelMaps = { counts, bySpace: topology.spaces.map(() => null) };
  const scalars = toScalarPairs(topology, original, pairs);
  topology.spaces.forEach((space, index) => {
    if (!space.isPermutable) maps.bySpace[index] = Int32Array.from({ length: space.channels }, (_, i) => i);
  });
  progress.step('alignment', SWEEPS_MAX * topology.spaces.length, 'items');
  const load = createLoader();
  const matchSpace = (index: number): boolean => {
    progress.advance(1);
    if (!topology.spaces[index].isPermutable) return false;
    const matrix = toSimilarities(index, topology, layers, maps, load);
    for (const { space, ours, theirs } of scalars) {
      if (space === index && theirs.length === matrix.columns) addScalarSimilarities(matrix, ours, theirs);
    }
    const before = maps.bySpace[index];
    const found = assign(matrix);
    maps.bySpace[index] = found;
    return before?.some((channel, i) => channel !== found[i]) ?? true;
  };
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    const changes = topology.spaces.map((_, index) => matchSpace(index));
    if (!changes.includes(true)) break;
  }
  progress.done();
  return { layers: createAlignedLayers(layers, maps, load), ...countMoved(topology, maps), channelMaps: maps.bySpace };
}

/** Similarities of the channels of one space over every layer whose other side is known. */
function toSimilarities(
  space: number,
  topology: Topology,
  layers: readonly LayerPair[],
  maps: ChannelMaps,
  load: LoadLattice,
): SimilarityMatrix {
  const rows = topology.spaces[space].channels;
  const columns = maps.counts[space];
  const matrix = { rows, columns, values: new Float32Array(rows * columns) };
  for (const pair of layers) {
    if (pair.ours === null || pair.theirs === null) continue;
    for (const side of ['out', 'in'] as const) {
      const axis = pair.layer[side];
      axis?.segments.forEach((segment, at) => {
        if (segment.space === space) addPiece(matrix, { pair, side, at }, maps, load);
      });
    }
  }
  return matrix;
}

function countMoved(topology: Topology, maps: ChannelMaps): { movedChannels: number; channels: number } {
  let movedChannels = 0;
  let channels = 0;
  topology.spaces.forEach((space, index) => {
    if (!space.isPermutable) return;
    channels += space.channels;
    maps.bySpace[index]?.forEach((channel, i) => {
      if (channel !== i) movedChannels++;
    });
  });
  return { movedChannels, channels };
}
