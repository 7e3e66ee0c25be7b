/** Pieces of the evidence on which channel is which: one side of one layer, seen from the channels of a space (docs/spec/watermark.md §7.2). */
import { findElementCount } from '../model/dtype.ts';
import type { Model } from '../model/types.ts';
import { type SimilarityMatrix, UNMATCHED } from './assignment.ts';
import { type ChannelMaps, createLayerMapper, type LayerPair } from './channel-maps.ts';
import { type Lattice, type LatticeChanges, type LayerShape, type LoadLattice, toLattice } from './lattice.ts';
import type { Pairs } from './pairs.ts';
import type { Topology } from './ports.ts';
import { addSimilarities, type Side } from './similarity.ts';

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
  return (shape) => {
    const known = loaded.get(shape);
    const lattice = known ?? toLattice(shape);
    if (known === undefined) for (const change of changes.get(shape) ?? []) change(lattice);
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
  { keep = () => true, featuresMax, weigh }: PieceOptions = {},
): AddedPiece {
  const { pair, side, at } = piece;
  const axis = pair.layer[side]!;
  const others = toOthers(pair, side, maps, keep);
  if (others === undefined || others.ours.length === 0) return NOTHING;
  const mapper = createLayerMapper(pair, side, maps);
  const [a, b] = [load(pair.ours!), load(pair.theirs!)];
  const length = side === 'out' ? b.outLength : b.inLength;
  if (mapper.theirLength !== length || axis.segments[at].channels !== matrix.rows) return NOTHING;
  const ours: Side = {
    lattice: a,
    side,
    inner: axis.inner,
    entries: mapper.ourEntries(at),
    others: others.ours,
    weights: weigh === undefined ? undefined : Float32Array.from(others.ours, weigh),
  };
  const theirs: Side = { ...ours, lattice: b, entries: mapper.theirEntries(at), others: others.theirs };
  const weight = addSimilarities(matrix, ours, theirs, featuresMax);
  return { features: axis.inner * others.ours.length * a.kernel.length, weight };
}

/** Whether the other axis of a piece is known in both models. */
export function isKnown({ pair, side }: Piece, maps: ChannelMaps): boolean {
  return createLayerMapper(pair, side === 'out' ? 'in' : 'out', maps).toTheirs() !== undefined;
}

/** Entries of the other axis that are known on both sides, or undefined when that axis is still unknown. */
function toOthers(pair: LayerPair, side: 'out' | 'in', maps: ChannelMaps, keep: (entry: number) => boolean) {
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
