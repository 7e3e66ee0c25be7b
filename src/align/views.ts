/**
 * Which neuron is which, found twice from disjoint weights: if two models share a past, both answers agree; if not, they
 * agree by chance and by what all training on the same data has in common (docs/spec/lineage.md §4).
 */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import { assign, type SimilarityMatrix, UNMATCHED } from './assignment.ts';
import { type ChannelMaps, toSuspectCounts } from './channel-maps.ts';
import type { LoadLattice } from './lattice.ts';
import { pairTensors } from './pairs.ts';
import { addPiece, createLoader, type Piece, toLayerPairs } from './pieces.ts';
import type { Topology } from './ports.ts';

/** sides: by what neurons read against what reads them. halves: by either half of the wide one of these. */
export type ViewKind = 'sides' | 'halves';

/** What two independent looks at the neurons of one space said. */
export interface ViewMatch {
  readonly space: number;
  /** Name of the first layer that makes these neurons. */
  readonly layer: string;
  /** Neurons of the original. */
  readonly neurons: number;
  readonly kind: ViewKind;
  /** Neurons that both looks gave the same partner. */
  readonly agreed: number;
}

/** Neurons that could not be looked at twice. */
export interface SkippedSpace {
  readonly space: number;
  readonly layer: string;
  readonly neurons: number;
  /** unpaired: the suspect has no such layer. shared: no two looks without common weights. large: beyond the caps. */
  readonly reason: 'unpaired' | 'shared' | 'large';
}

export interface ViewMatches {
  readonly matches: readonly ViewMatch[];
  readonly skipped: readonly SkippedSpace[];
}

export interface ViewOptions {
  /** Of the original. */
  readonly topology: Topology;
  readonly original: Model;
  readonly suspect: Model;
  readonly progress?: Progress;
}

/** Numbers per neuron below which one side alone cannot tell neurons apart once they are pruned or noisy. */
const THIN_FEATURES = 64;

type Side = Piece['side'];
const opposite = (side: Side): Side => (side === 'out' ? 'in' : 'out');

/** A piece with the number of its layer. */
interface Look extends Piece {
  readonly layer: number;
}

interface Scene {
  readonly topology: Topology;
  readonly counts: readonly number[];
  readonly looks: readonly (readonly Look[])[];
  readonly load: LoadLattice;
}

/** What one walk knows of a space. */
interface Found {
  readonly map: Int32Array;
  /** Layers whose weights had a part in it. */
  readonly layers: ReadonlySet<number>;
  /** Numbers per neuron that were compared. */
  readonly features: number;
}

/**
 * Matches the neurons of every permutable space from the input side and from the output side. A look from the input
 * side knows the layers before by the same kind of look, and so on to the inputs, whose order is fixed; that from the
 * output side likewise: no weight has a part in both. Where one side has few numbers per neuron (next to ten classes,
 * say), the wide side is halved instead: by the even against the odd channels that it is connected to.
 *
 * No probability comes with it: neurons of models that are trained on the same data are alike. Compare with models that
 * are known to be independent.
 * @throws FormatError | SourceError from the readers
 */
export function matchViews({ topology, original, suspect, progress = silentProgress }: ViewOptions): ViewMatches {
  const scene = toScene(topology, original, suspect);
  const spaces = topology.spaces.flatMap(({ isPermutable }, index) => (isPermutable ? [index] : []));
  progress.step('neurons', 3 * spaces.length, 'items');
  const step = (): void => {
    progress.advance(1);
  };
  const fromInputs = walk(scene, 'out', spaces, step);
  const fromOutputs = walk(scene, 'in', [...spaces].reverse(), step);
  const matches: ViewMatch[] = [];
  const skipped: SkippedSpace[] = [];
  for (const space of spaces) {
    const neurons = topology.spaces[space].channels;
    const about = { space, layer: toLayerName(topology, space), neurons };
    const result = compareLooks(scene, space, fromInputs, fromOutputs);
    if (typeof result === 'string') skipped.push({ ...about, reason: result });
    else matches.push({ ...about, ...result });
    step();
  }
  progress.done();
  return { matches, skipped };
}

function toScene(topology: Topology, original: Model, suspect: Model): Scene {
  const pairs = toLayerPairs(topology, original, pairTensors(topology, original, suspect));
  const looks: Look[][] = topology.spaces.map(() => []);
  pairs.forEach((pair, layer) => {
    if (pair.ours === null || pair.theirs === null) return;
    if (Math.max(pair.ours.tensor.elementCount, pair.theirs.tensor.elementCount) > ALIGN_LIMITS.viewElementsMax) return;
    for (const side of ['out', 'in'] as const) {
      pair.layer[side]?.segments.forEach(({ space }, at) => {
        if (space >= 0) looks[space].push({ pair, side, at, layer });
      });
    }
  });
  return { topology, counts: toSuspectCounts(topology, pairs), looks, load: createLoader() };
}

function toLayerName({ layers }: Topology, space: number): string {
  const makes = (side: Side) =>
    layers.find((layer) => layer[side]?.segments.some((segment) => segment.space === space));
  return (makes('out') ?? makes('in'))?.name ?? '';
}

/** Matches spaces in order, each once, from the layers whose other side is known by then. */
function walk(scene: Scene, side: Side, order: readonly number[], step: () => void): Map<number, Found> {
  const found = new Map<number, Found>();
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
    const own = scene.looks[other].filter((look) => look.side === looks[0].side);
    const between = looks.filter((look) => listSpacesBeyond(look).includes(other));
    const back = scene.looks[other].filter((look) => between.some(({ layer }) => layer === look.layer));
    const pieces = [...new Set([...own, ...back])].map((look) => ({ look }));
    const better = toFound(scene, other, pieces, refined);
    if (better !== null) refined.set(other, better);
  }
  return refined;
}

/** Spaces on the other axis of a look's layer. */
function listSpacesBeyond({ pair, side }: Look): number[] {
  return (pair.layer[opposite(side)]?.segments ?? []).map(({ space }) => space).filter((space) => space >= 0);
}

/** A look, and which channels beyond it count. */
interface PartialLook {
  readonly look: Look;
  readonly half?: 0 | 1;
}

function toFound(
  { topology, counts, load }: Scene,
  space: number,
  looks: readonly PartialLook[],
  known: ReadonlyMap<number, Found>,
): Found | null {
  const bySpace = topology.spaces.map(({ isPermutable, channels }, index) =>
    isPermutable ? (known.get(index)?.map ?? null) : Int32Array.from({ length: channels }, (_, i) => i),
  );
  const maps: ChannelMaps = { counts, bySpace };
  const [rows, columns] = [topology.spaces[space].channels, counts[space]];
  const matrix: SimilarityMatrix = { rows, columns, values: new Float32Array(rows * columns) };
  const layers = new Set<number>();
  let features = 0;
  for (const { look, half } of looks) {
    const keep = half === undefined ? undefined : createHalf(look, half);
    const added = addPiece(matrix, look, maps, load, { keep });
    if (added === 0) continue;
    features += added;
    layers.add(look.layer);
    for (const other of listSpacesBeyond(look)) for (const layer of known.get(other)?.layers ?? []) layers.add(layer);
  }
  return features === 0 ? null : { map: assign(matrix), layers, features };
}

/** Every other channel beyond a look: all entries of a channel belong together. */
function createHalf({ pair, side }: Look, half: 0 | 1): (entry: number) => boolean {
  const { segments, inner, isInterleaved } = pair.layer[opposite(side)]!;
  const channels = segments.reduce((sum, segment) => sum + segment.channels, 0);
  return (entry) => (isInterleaved === true ? entry % channels : Math.floor(entry / inner)) % 2 === half;
}

function isLarge({ topology, counts }: Scene, space: number): boolean {
  return Math.max(topology.spaces[space].channels, counts[space]) > ALIGN_LIMITS.viewChannelsMax;
}

function compareLooks(
  scene: Scene,
  space: number,
  fromInputs: ReadonlyMap<number, Found>,
  fromOutputs: ReadonlyMap<number, Found>,
): Pick<ViewMatch, 'kind' | 'agreed'> | SkippedSpace['reason'] {
  if (isLarge(scene, space)) return 'large';
  const [a, b] = [fromInputs.get(space), fromOutputs.get(space)];
  const features = { out: a?.features ?? 0, in: b?.features ?? 0 };
  const featuresMin = Math.min(features.out, features.in);
  if (featuresMin < THIN_FEATURES) {
    const wide: Side = features.out >= features.in ? 'out' : 'in';
    const halves = compareHalves(scene, space, wide, wide === 'out' ? fromInputs : fromOutputs, featuresMin);
    if (halves !== null) return { kind: 'halves', agreed: halves };
  }
  if (a === undefined || b === undefined) return 'unpaired';
  if ([...a.layers].some((layer) => b.layers.has(layer))) return 'shared';
  return { kind: 'sides', agreed: countEqual(a.map, b.map) };
}

/**
 * Null where a half knows no more than the thin side does, and where the other channels have a fixed order: pixels beside
 * one another say the same.
 */
function compareHalves(
  scene: Scene,
  space: number,
  side: Side,
  known: ReadonlyMap<number, Found>,
  featuresMin: number,
): number | null {
  const looks = scene.looks[space].filter((look) => look.side === side && canHalve(scene, look));
  const [even, odd] = ([0, 1] as const).map((half) => {
    const parts = looks.map((look) => ({ look, half }));
    return toFound(scene, space, parts, known);
  });
  if (even === null || odd === null || Math.min(even.features, odd.features) <= featuresMin) return null;
  return countEqual(even.map, odd.map);
}

function canHalve({ topology }: Scene, look: Look): boolean {
  const beyond = listSpacesBeyond(look);
  return beyond.length > 0 && beyond.every((space) => topology.spaces[space].isPermutable);
}

function countEqual(a: Int32Array, b: Int32Array): number {
  return a.reduce((count, partner, neuron) => count + Number(partner !== UNMATCHED && partner === b[neuron]), 0);
}
