/** One walk over the neurons of a model, from its inputs or from its outputs, that remembers which weights it used (docs/spec/lineage.md §4). */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import type { Model } from '../model/types.ts';
import { assign, UNMATCHED } from './assignment.ts';
import { type ChannelMaps, toSuspectCounts } from './channel-maps.ts';
import { isReadByParts } from './large.ts';
import type { LoadLattice } from './lattice.ts';
import { toAxis } from './layer-axis.ts';
import { pairTensors } from './pairs.ts';
import { areMany, findMany } from './many.ts';
import {
  addPiece,
  createLoader,
  type MeasuredPiece,
  measurePiece,
  type Piece,
  type PieceOptions,
  toLayerPairs,
} from './pieces.ts';
import type { Topology } from './ports.ts';

/** Numbers per neuron below which one side alone cannot tell neurons apart once they are pruned or noisy. */
export const THIN_FEATURES = 64;

/** Up to so many channels, a space is no evidence by itself. */
const FEW_CHANNELS = 15;

export type Side = Piece['side'];
const opposite = (side: Side): Side => (side === 'out' ? 'in' : 'out');

/** A piece with the number of its layer. */
export interface Look extends Piece {
  readonly layer: number;
}

export interface Scene {
  readonly topology: Topology;
  readonly counts: readonly number[];
  readonly looks: readonly (readonly Look[])[];
  /** Spaces beside a layer that is too large to be looked at. */
  readonly beside: ReadonlySet<number>;
  readonly load: LoadLattice;
}

/** What one walk knows of a space. */
export interface Found {
  readonly map: Int32Array;
  /** Layers whose weights had a part in it. */
  readonly layers: ReadonlySet<number>;
  /** Numbers per neuron that were compared. */
  readonly features: number;
  /** Cosine of each neuron of the original with its partner, 0 without one. */
  readonly cosines: Float32Array;
}

export function toScene(topology: Topology, original: Model, suspect: Model): Scene {
  const pairs = toLayerPairs(topology, original, pairTensors(topology, original, suspect));
  const looks: Look[][] = topology.spaces.map(() => []);
  const beside = new Set<number>();
  pairs.forEach((pair, layer) => {
    if (pair.ours === null || pair.theirs === null) return;
    const elements = Math.max(pair.ours.tensor.elementCount, pair.theirs.tensor.elementCount);
    for (const side of ['out', 'in'] as const) {
      pair.layer[side]?.segments.forEach(({ space }, at) => {
        if (space < 0) return;
        if (elements > ALIGN_LIMITS.viewElementsMax && !isReadByParts(pair)) beside.add(space);
        else looks[space].push({ pair, side, at, layer });
      });
    }
  });
  return { topology, counts: toSuspectCounts(topology, pairs), looks, beside, load: createLoader() };
}

/** Matches spaces in order, each once, from the layers whose other side is known by then. */
export function walk(
  scene: Scene,
  side: Side,
  order: readonly number[],
  step: () => void,
  known: ReadonlyMap<number, Found> = new Map(),
): Map<number, Found> {
  const found = new Map(known);
  for (let isNew = true; isNew; ) {
    isNew = false;
    for (const space of order) {
      if (found.has(space) || isLarge(scene, space)) continue;
      const result = matchSpace(scene, space, side, found);
      if (result === null) continue;
      found.set(space, result);
      step();
      isNew = true;
    }
  }
  return found;
}

/**
 * What is beside an output of few values, such as the residual stream before ten classes, is matched again by what reads
 * it for the heads of attention: so few channels are no evidence themselves, and their layers may serve this side alone.
 */
export function strengthenThin(scene: Scene, found: ReadonlyMap<number, Found>): Map<number, Found> {
  const better = new Map<number, Found>();
  for (const [space, { features, layers }] of found) {
    if (features >= THIN_FEATURES) continue;
    const looks = scene.looks[space].filter((look) => {
      const beyond = listSpacesBeyond(look);
      const isFew = beyond.length > 0 && beyond.every((other) => scene.topology.spaces[other].channels <= FEW_CHANNELS);
      return look.side === 'in' && (layers.has(look.layer) || isFew);
    });
    const again = toFound(
      scene,
      space,
      looks.map((look) => ({ look })),
      found,
    );
    if (again !== null && again.features > features) better.set(space, again);
  }
  return better;
}

function matchSpace(scene: Scene, space: number, side: Side, found: ReadonlyMap<number, Found>): Found | null {
  const looks = scene.looks[space].filter((look) => look.side === side);
  const known = refineThin(scene, space, looks, found);
  return toFound(
    scene,
    space,
    looks.map((look) => ({ look })),
    known,
  );
}

/**
 * Neurons beside an output are hard to tell apart by the few weights to it. Matched once through them, the neurons
 * before say which is which by the many weights between, and can then be matched again.
 */
function refineThin(
  scene: Scene,
  space: number,
  looks: readonly Look[],
  found: ReadonlyMap<number, Found>,
): ReadonlyMap<number, Found> {
  const neighbours = new Set(looks.flatMap((look) => listSpacesBeyond(look)));
  const thin = [...neighbours].filter((other) => (found.get(other)?.features ?? THIN_FEATURES) < THIN_FEATURES);
  if (thin.length === 0) return found;
  const first = toFound(
    scene,
    space,
    looks.map((look) => ({ look })),
    found,
  );
  if (first === null) return found;
  const refined = new Map(found).set(space, first);
  for (const other of thin) {
    const used = found.get(other)!.layers;
    const own = scene.looks[other].filter((look) => look.side === looks[0].side && used.has(look.layer));
    const between = looks.filter((look) => listSpacesBeyond(look).includes(other));
    const back = scene.looks[other].filter((look) => between.some(({ layer }) => layer === look.layer));
    const pieces = [...new Set([...own, ...back])].map((look) => ({ look }));
    const better = toFound(scene, other, pieces, refined);
    if (better !== null) refined.set(other, better);
  }
  return refined;
}

/** Spaces on the other axis of a look's layer. */
export function listSpacesBeyond({ pair, side }: Look): number[] {
  return (pair.layer[opposite(side)]?.segments ?? []).map(({ space }) => space).filter((space) => space >= 0);
}

/** A look, and which channels beyond it count. */
export interface PartialLook {
  readonly look: Look;
  readonly half?: 0 | 1;
}

export function toFound(
  { topology, counts, load }: Scene,
  space: number,
  looks: readonly PartialLook[],
  known: ReadonlyMap<number, Found>,
): Found | null {
  const bySpace = topology.spaces.map(({ isPermutable, channels }, index) =>
    isPermutable ? (known.get(index)?.map ?? null) : Int32Array.from({ length: channels }, (_, i) => i),
  );
  const maps: ChannelMaps = { counts, bySpace };
  const table = createTable(topology.spaces[space].channels, counts[space], looks.length);
  const layers = new Set<number>();
  let features = 0;
  for (const { look, half } of looks) {
    const keep = half === undefined ? undefined : createHalf(look, half);
    const added = table.add(look, maps, load, { keep, weigh: createWeigher(look, known) });
    if (added === 0) continue;
    features += added;
    layers.add(look.layer);
    for (const other of listSpacesBeyond(look)) for (const layer of known.get(other)?.layers ?? []) layers.add(layer);
  }
  return features === 0 ? null : { ...table.assign(), layers, features };
}

/** What the looks at one space say, and who is whose partner by all of them. */
interface Table {
  /** @returns how many numbers of each channel were compared */
  readonly add: (look: Look, maps: ChannelMaps, load: LoadLattice, options: PieceOptions) => number;
  readonly assign: () => Pick<Found, 'map' | 'cosines'>;
}

function createTable(channels: number, theirChannels: number, looks: number): Table {
  if (areMany(channels, theirChannels)) {
    const pieces: MeasuredPiece[] = [];
    const featuresMax = toFeaturesMax(Math.max(channels, theirChannels), looks);
    return {
      add: (look, maps, load, options) => {
        const piece = measurePiece(look, channels, maps, load, { ...options, featuresMax });
        if (piece !== null) pieces.push(piece);
        return piece?.features ?? 0;
      },
      assign: () => {
        const { map, similarities, weight } = findMany(pieces, { channels, theirChannels, unrelated: 'leave' });
        return { map, cosines: similarities.map((value) => value / weight) };
      },
    };
  }
  const matrix = { rows: channels, columns: theirChannels, values: new Float32Array(channels * theirChannels) };
  let weight = 0;
  return {
    add: (look, maps, load, options) => {
      const added = addPiece(matrix, look, maps, load, options);
      weight += added.weight;
      return added.features;
    },
    assign: () => {
      const map = assign(matrix);
      const cosines = Float32Array.from(map, (partner, row) =>
        partner === UNMATCHED ? 0 : matrix.values[row * theirChannels + partner] / weight,
      );
      return { map, cosines };
    },
  };
}

/** The looks at very many channels share what each is compared by. */
function toFeaturesMax(channels: number, looks: number): number {
  const { exactAssignmentMax, featuresMany, viewFeaturesAll } = ALIGN_LIMITS;
  return channels > exactAssignmentMax ? Math.ceil(viewFeaturesAll / looks) : featuresMany;
}

/** Every other channel beyond a look: all entries of a channel belong together. */
function createHalf(look: Look, half: 0 | 1): (entry: number) => boolean {
  const toChannel = createChannelFinder(look);
  return (entry) => toChannel(entry) % 2 === half;
}

/** The channel beyond a look, counted over all segments, that an entry belongs to. */
function createChannelFinder({ pair, side }: Look): (entry: number) => number {
  const { segments, inner, isInterleaved } = toAxis(pair.layer, opposite(side));
  const channels = segments.reduce((sum, segment) => sum + segment.channels, 0);
  return (entry) => (isInterleaved === true ? entry % channels : Math.floor(entry / inner));
}

/** Cosines are cut here, so that a channel which is certain counts about 36 times as much as one at 0.7, and no channel all. */
const [COSINE_MIN, COSINE_MAX] = [0.02, 0.99];

/**
 * What a channel beyond a look counts: for numbers with correlation r, the log-likelihood of "these belong together" grows
 * with r / (1 - r²), and r is taken from how alike that channel and its partner are themselves. Channels in a fixed order are certain.
 */
function createWeigher(look: Look, known: ReadonlyMap<number, Found>): (entry: number) => number {
  const { pair, side } = look;
  const weights = toAxis(pair.layer, opposite(side)).segments.flatMap(({ space, channels }) =>
    Array.from({ length: channels }, (_, channel) => {
      const cosine = known.get(space)?.cosines[channel] ?? 1;
      const r = Math.max(COSINE_MIN, Math.min(COSINE_MAX, cosine));
      return r / (1 - r * r);
    }),
  );
  const toChannel = createChannelFinder(look);
  return (entry) => weights[toChannel(entry)];
}

export function isLarge({ topology, counts }: Scene, space: number): boolean {
  return Math.max(topology.spaces[space].channels, counts[space]) > ALIGN_LIMITS.viewChannelsMax;
}
