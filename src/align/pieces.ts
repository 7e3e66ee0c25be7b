/** Pieces of the evidence on which channel is which: one side of one layer, seen from the channels of a space (docs/spec/watermark.md §7.2). */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { findElementCount } from '../model/dtype.ts';
import type { Model } from '../model/types.ts';
import { type SimilarityMatrix, UNMATCHED } from './assignment.ts';
import { type ChannelMaps, createLayerMapper, type LayerPair } from './channel-maps.ts';
import { isReadByParts, readPart, toCentre } from './large.ts';
import {
  type Lattice,
  type LatticeChanges,
  type LatticePart,
  type LayerShape,
  type LoadLattice,
  toLattice,
  toLengths,
} from './lattice.ts';
import type { Pairs } from './pairs.ts';
import type { Topology } from './ports.ts';
import { addFeatures, type Features, type Side, toFeatures, toFeaturesMax } from './similarity.ts';

/** Segment `at` of one axis of a layer. */
export interface Piece {
  readonly pair: LayerPair;
  readonly side: 'out' | 'in';
  readonly at: number;
}

/** The layers of the original with what the suspect has for them. */
export function toLayerPairs(topology: Topology, original: Model, pairs: Pairs): LayerPair[] {
  const tensors = new Map(original.tensors.map((tensor) => [tensor.name, tensor]));
  return topology.layers.map((layer, index) => {
    const tensor = tensors.get(layer.name);
    const { shape, outAxis, inAxis, groups } = layer;
    const isWhole = tensor !== undefined && tensor.elementCount === findElementCount(shape);
    const hasAxes = isWhole && outAxis !== null && inAxis !== null && layer.kind !== 'plain';
    return { layer, ours: hasAxes ? { tensor, shape, outAxis, inAxis, groups } : null, theirs: pairs.layers[index] };
  });
}

/** Elements of loaded layers that are kept, both models together (128 MiB). */
const LOADED_ELEMENTS_MAX = 32 * 1024 * 1024;

/** Loads layers, with what is to be changed in them, and keeps the ones used last. */
export function createLoader(changes: LatticeChanges = new Map()): LoadLattice {
  const loaded = new Map<LayerShape, Lattice>();
  const centres = new Map<LayerShape, number>();
  const load = (shape: LayerShape): Lattice => {
    const known = loaded.get(shape);
    const lattice = known ?? toLattice(shape);
    if (known === undefined) for (const change of changes.get(shape) ?? []) change.apply(lattice);
    loaded.delete(shape);
    loaded.set(shape, lattice);
    let total = [...loaded.values()].reduce((sum, item) => sum + item.values.length, 0);
    for (const [key, item] of loaded) {
      if (total <= LOADED_ELEMENTS_MAX || key === shape) break;
      total -= item.values.length;
      loaded.delete(key);
    }
    return lattice;
  };
  const part = (shape: LayerShape, wanted: LatticePart): Lattice => {
    const centre = centres.get(shape) ?? toCentre(shape);
    centres.set(shape, centre);
    const plain = (some: LatticePart): Lattice => readPart(shape, some, centre);
    const changed = (changes.get(shape) ?? []).reduce(
      (read, change) => (some: LatticePart) => change.readPart(read, some),
      plain,
    );
    return changed(wanted);
  };
  return Object.assign(load, { part });
}

export interface PieceOptions {
  /** Which entries of the original's other axis count; all when left out. */
  readonly keep?: (entry: number) => boolean;
  /** Features that a channel is folded to at most; by the number of channels when left out. */
  readonly featuresMax?: number;
  /** How much each entry of the original's other axis counts; all alike when left out. */
  readonly weigh?: ((entry: number) => number) | undefined;
}

export interface AddedPiece {
  readonly features: number;
  readonly weight: number;
}

const NOTHING: AddedPiece = { features: 0, weight: 0 };

/** Pieces of all layers around a space that both models have, whether their other axes are known or not. */
export function listPieces(space: number, layers: readonly LayerPair[]): Piece[] {
  return layers.flatMap((pair) => {
    if (pair.ours === null || pair.theirs === null) return [];
    return (['out', 'in'] as const).flatMap((side) =>
      (pair.layer[side]?.segments ?? []).flatMap((segment, at) =>
        segment.space === space ? [{ pair, side, at }] : [],
      ),
    );
  });
}

/**
 * Adds what one piece says to the similarities of its space's channels; nothing while its other axis is unknown.
 * @returns how many numbers of each channel were compared, and what two channels that are the same get for it
 */
export function addPiece(
  matrix: SimilarityMatrix,
  piece: Piece,
  maps: ChannelMaps,
  load: LoadLattice,
  options: PieceOptions = {},
): AddedPiece {
  const measured = measurePiece(piece, matrix.rows, maps, load, options);
  if (measured === null) return NOTHING;
  addFeatures(matrix, measured.ours, measured.theirs);
  return { features: measured.features, weight: measured.ours.width };
}

/** What one piece says of the channels of both models. */
export interface MeasuredPiece {
  readonly ours: Features;
  readonly theirs: Features;
  /** Numbers of each channel that are known in both. */
  readonly features: number;
}

/** Null while its other axis is unknown, and where its channels are not those of the space. */
export function measurePiece(
  { pair, side, at }: Piece,
  channels: number,
  maps: ChannelMaps,
  load: LoadLattice,
  { keep = () => true, featuresMax = toFeaturesMax(channels), weigh }: PieceOptions = {},
): MeasuredPiece | null {
  const axis = pair.layer[side]!;
  const others = toOthers(pair, side, maps, keep);
  if (others === undefined || others.ours.length === 0) return null;
  const mapper = createLayerMapper(pair, side, maps);
  if (mapper.theirLength !== toLengths(pair.theirs!)[side] || axis.segments[at].channels !== channels) return null;
  const isParted = isReadByParts(pair);
  const { inner } = axis;
  const chosen = isParted ? chooseOthers(others, mapper.ourEntries(at).length) : others;
  const weights = weigh === undefined ? undefined : Float32Array.from(chosen.ours, weigh);
  let places = 1;
  const read = (model: 'ours' | 'theirs'): Features => {
    const [entries, own] = [model === 'ours' ? mapper.ourEntries(at) : mapper.theirEntries(at), chosen[model]];
    if (!isParted) {
      const lattice = load(pair[model]!);
      places = lattice.kernel.length;
      return toFeatures({ lattice, side, inner, entries, others: own, weights }, featuresMax);
    }
    const found = readEntries(load, pair[model]!, side, { entries, others: own });
    return toFeatures({ ...found, side, inner, weights }, featuresMax);
  };
  const both = { ours: read('ours'), theirs: read('theirs') };
  return { ...both, features: inner * others.ours.length * places };
}

/** A part of a layer, and where in it the entries lie that were asked for. */
export type ReadEntries = Pick<Side, 'lattice' | 'entries' | 'others'>;

export function readEntries(
  load: LoadLattice,
  shape: LayerShape,
  side: Piece['side'],
  { entries, others }: Pick<Side, 'entries' | 'others'>,
): ReadEntries {
  const part = side === 'out' ? { out: entries, in: others } : { out: others, in: entries };
  return { lattice: load.part(shape, part), entries: toPlaces(entries), others: toPlaces(others) };
}

function toPlaces({ length }: Int32Array): Int32Array {
  return Int32Array.from({ length }, (_, place) => place);
}

type Others = Readonly<Record<'ours' | 'theirs', Int32Array>>;

/** Some of many other entries, evenly spread: the more of them, the fewer channels there are. */
export function chooseOthers({ ours, theirs }: Others, entries: number): Others {
  const { partOthersMin, partOthersMax, partElementsMax } = ALIGN_LIMITS;
  const most = Math.max(partOthersMin, Math.min(partOthersMax, Math.floor(partElementsMax / entries)));
  if (ours.length <= most) return { ours, theirs };
  const choose = (all: Int32Array): Int32Array =>
    Int32Array.from({ length: most }, (_, at) => all[Math.floor((at * all.length) / most)]);
  return { ours: choose(ours), theirs: choose(theirs) };
}

/** Whether the other axis of a piece is known in both models. */
export function isKnown({ pair, side }: Piece, maps: ChannelMaps): boolean {
  return createLayerMapper(pair, side === 'out' ? 'in' : 'out', maps).toTheirs() !== undefined;
}

/** Entries of the other axis that are known on both sides, or undefined when that axis is still unknown. */
function toOthers(
  pair: LayerPair,
  side: 'out' | 'in',
  maps: ChannelMaps,
  keep: (entry: number) => boolean,
): Others | undefined {
  const mapped = createLayerMapper(pair, side === 'out' ? 'in' : 'out', maps).toTheirs();
  if (mapped === undefined) return undefined;
  const ours: number[] = [];
  const theirs: number[] = [];
  mapped.forEach((entry, own) => {
    if (entry === UNMATCHED || !keep(own)) return;
    ours.push(own);
    theirs.push(entry);
  });
  return { ours: Int32Array.from(ours), theirs: Int32Array.from(theirs) };
}
