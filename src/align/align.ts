/** Aligns a suspect to the unmarked original: undoes permuted, rescaled and added neurons (docs/spec/watermark.md §7). */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import { createAlignedLayers } from './aligned-layer.ts';
import { assign } from './assignment.ts';
import { type ChannelMaps, type LayerPair, toSuspectCounts } from './channel-maps.ts';
import { type Attention, listAttentions } from './heads/attention.ts';
import { undoHeads } from './heads/undo.ts';
import type { LatticeChanges, LoadLattice } from './lattice.ts';
import { measureLikeness } from './likeness.ts';
import { pairTensors } from './pairs.ts';
import { areMany, findMany } from './many.ts';
import { addPiece, createLoader, isKnown, listPieces, measurePiece, type Piece, toLayerPairs } from './pieces.ts';
import { toPlainKernels } from './plain-kernels.ts';
import type { AlignedLayer, Topology } from './ports.ts';
import { type ScalarPair, toScalarPairs } from './scalars.ts';
import { dropSigns, findSigns } from './signs.ts';
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
export function alignSuspect(options: AlignOptions): Alignment {
  const { topology, original, progress = silentProgress } = options;
  const pairs = pairTensors(topology, original, toPlainKernels(options.suspect));
  const layers = toLayerPairs(topology, original, pairs);
  const counts = toSuspectCounts(topology, layers);
  const scalars = toScalarPairs(topology, original, pairs);
  progress.step('alignment', SWEEPS_MAX * topology.spaces.length, 'items');
  const scene: Scene = {
    topology,
    layers,
    counts,
    scalars,
    progress,
    attentions: listAttentions(topology, original, layers),
  };
  const { maps, load } = findBest(scene);
  progress.done();
  return { layers: createAlignedLayers(layers, maps, load), ...countMoved(topology, maps), channelMaps: maps.bySpace };
}

interface Scene {
  readonly topology: Topology;
  readonly layers: readonly LayerPair[];
  readonly counts: readonly number[];
  readonly scalars: readonly ScalarPair[];
  readonly attentions: readonly Attention[];
  readonly progress: Progress;
}

interface Found {
  readonly maps: ChannelMaps;
  readonly load: LoadLattice;
}

/** Signs are looked for where something stays unlike, and taken for turned where that makes it like: a stranger never gets there. */
function findBest(scene: Scene): Found {
  const plain = findChannels(scene, new Map());
  const before = measureLikeness(scene.layers, plain.maps, plain.load);
  if (before.least >= ALIGN_LIMITS.likeMin) return plain;
  const maps = createMaps(scene);
  matchSpaces({ ...scene, scalars: [] }, maps, createLoader(dropSigns(scene.layers)), createMemory(scene));
  const attended = scene.attentions.flatMap(({ query, key, value, output }) => [query, key, value, output]);
  const signs = findSigns(scene.layers, new Set(attended.map(({ pair }) => pair)), maps, createLoader());
  if (signs.size === 0) return plain;
  const turned = findChannels(scene, signs);
  const after = measureLikeness(scene.layers, turned.maps, turned.load);
  return after.mean >= LIKE_MIN && after.mean > before.mean + GAIN_MIN ? turned : plain;
}

/** Mean cosine with the original from which turned signs are believed, and by how much it must grow. */
const LIKE_MIN = 0.5;
const GAIN_MIN = 0.05;

/** Channels of all spaces, once in file order of their heads' insides and again when these are undone. */
function findChannels(scene: Scene, signs: LatticeChanges): Found {
  const maps = createMaps(scene);
  const memory = createMemory(scene);
  const first = createLoader(signs);
  matchSpaces(scene, maps, first, memory);
  const heads = undoHeads(scene.attentions, maps, first);
  if (heads.size === 0) return { maps, load: first };
  const both = new Map([
    ...signs,
    ...[...heads].map(([shape, own]) => [shape, [...(signs.get(shape) ?? []), ...own]] as const),
  ]);
  const load = createLoader(both);
  forgetSpaces(scene, memory, heads);
  matchSpaces(scene, maps, load, memory);
  return { maps, load };
}

/** For each space the maps around it when it was last matched: while they stay, so does what would be found. */
type Memory = (readonly (Int32Array | null)[] | null)[];

function createMemory({ topology }: Scene): Memory {
  return topology.spaces.map(() => null);
}

/** Spaces beside layers that were changed are matched again. */
function forgetSpaces({ layers }: Scene, memory: Memory, changes: LatticeChanges): void {
  for (const { layer, theirs } of layers) {
    if (theirs === null || !changes.has(theirs)) continue;
    for (const axis of [layer.out, layer.in]) {
      for (const { space } of axis?.segments ?? []) if (space >= 0) memory[space] = null;
    }
  }
}

function createMaps({ topology, counts }: Scene): ChannelMaps {
  return {
    counts,
    bySpace: topology.spaces.map(({ isPermutable, channels }) =>
      isPermutable ? null : Int32Array.from({ length: channels }, (_, i) => i),
    ),
  };
}

/** Sweeps over all spaces until nothing changes. */
function matchSpaces(scene: Scene, maps: ChannelMaps, load: LoadLattice, memory: Memory): void {
  const { topology, progress } = scene;
  const neighbours = listNeighbours(topology);
  const matchSpace = (index: number): boolean => {
    progress.advance(1);
    if (!topology.spaces[index].isPermutable) return false;
    const around = neighbours[index].map((other) => maps.bySpace[other]);
    const last = memory[index];
    if (last !== null && around.every((map, i) => map === last[i])) return false;
    memory[index] = around;
    const before = maps.bySpace[index];
    const found = findPartners(index, scene, maps, load);
    const isSame = before?.every((channel, i) => channel === found[i]) ?? false;
    if (!isSame) maps.bySpace[index] = found;
    return !isSame;
  };
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    const changes = topology.spaces.map((_, index) => matchSpace(index));
    if (!changes.includes(true)) break;
  }
}

/** For each space those on the other axis of the layers around it: what its similarities depend on. */
function listNeighbours({ layers, spaces }: Topology): number[][] {
  const found = spaces.map(() => new Set<number>());
  for (const layer of layers) {
    const [out, input] = [layer.out, layer.in].map((axis) => axis?.segments.filter(({ space }) => space >= 0) ?? []);
    for (const a of out) {
      for (const b of input) {
        found[a.space].add(b.space);
        found[b.space].add(a.space);
      }
    }
  }
  return found.map((set) => [...set]);
}

/** Partners of the channels of one space by every layer whose other side is known. */
function findPartners(space: number, scene: Scene, maps: ChannelMaps, load: LoadLattice): Int32Array {
  const { topology, layers } = scene;
  const [rows, columns] = [topology.spaces[space].channels, maps.counts[space]];
  const scalars = scene.scalars.filter((pair) => pair.space === space && pair.theirs.length === columns);
  const pieces = listPieces(space, layers);
  const known =
    rows <= ALIGN_LIMITS.manyChannels ? pieces : chooseEvenly(pieces.filter((piece) => isKnown(piece, maps)));
  const options = rows <= ALIGN_LIMITS.manyChannels ? {} : { featuresMax: toFeaturesMax(rows, known.length) };
  if (areMany(rows, columns)) {
    const measured = known.flatMap((piece) => measurePiece(piece, rows, maps, load, options) ?? []);
    return findMany(measured, { channels: rows, theirChannels: columns, scalars, unrelated: 'keep' }).map;
  }
  const matrix = { rows, columns, values: new Float32Array(rows * columns) };
  for (const piece of known) addPiece(matrix, piece, maps, load, options);
  for (const { ours, theirs } of scalars) addScalarSimilarities(matrix, ours, theirs);
  return assign(matrix);
}

/** The residual stream of a language model has hundreds of layers around it; some of them are enough, spread over its depth. */
function chooseEvenly(pieces: readonly Piece[]): Piece[] {
  const count = Math.min(pieces.length, ALIGN_LIMITS.piecesMany);
  return Array.from({ length: count }, (_, i) => pieces[Math.floor((i * pieces.length) / count)]);
}

/** All pieces share what a channel is compared by, so that the time does not grow with their number. */
function toFeaturesMax(channels: number, pieces: number): number {
  const { exactAssignmentMax, featuresMany, featuresMost, featuresAll } = ALIGN_LIMITS;
  const most = channels > exactAssignmentMax ? featuresMost : featuresMany;
  return Math.max(32, Math.min(most, Math.floor(featuresAll / Math.max(1, pieces))));
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
