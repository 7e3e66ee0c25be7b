/**
 * Which neuron is which, found twice from disjoint weights: if two models share a past, both answers agree; if not, they
 * agree by chance and by what all training on the same data has in common (docs/spec/lineage.md §4).
 */
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import { UNMATCHED } from './assignment.ts';
import type { Topology } from './ports.ts';
import { findTwins } from './twins.ts';
import {
  type Found,
  isLarge,
  listSpacesBeyond,
  type Look,
  type Scene,
  type Side,
  strengthenThin,
  THIN_FEATURES,
  toFound,
  toScene,
  walk,
} from './view-walk.ts';

/** sides: by what neurons read against what reads them. halves: by either half of the wide one of these. */
export type ViewKind = 'sides' | 'halves';

/** What two independent looks at the neurons of one space said. */
export interface ViewMatch {
  readonly space: number;
  /** Name of the first layer that makes these neurons. */
  readonly layer: string;
  /** Neurons that could be told from all others of their model; the smaller number of both models. */
  readonly neurons: number;
  /** Those that could not: nobody can say which partner is theirs. */
  readonly alike: number;
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
  const backwards = [...spaces].reverse();
  const first = walk(scene, 'in', backwards, step);
  const better = strengthenThin(scene, first);
  const fromOutputs = better.size === 0 ? first : walk(scene, 'in', backwards, step, better);
  const matches: ViewMatch[] = [];
  const skipped: SkippedSpace[] = [];
  for (const space of spaces) {
    const neurons = topology.spaces[space].channels;
    const about = { space, layer: toLayerName(topology, space), neurons };
    const result = compareLooks(scene, space, fromInputs, fromOutputs);
    if (typeof result === 'string') skipped.push({ ...about, reason: result });
    else matches.push({ ...about, ...result, neurons: neurons - result.alike });
    step();
  }
  progress.done();
  return { matches, skipped };
}

function toLayerName({ layers }: Topology, space: number): string {
  const makes = (side: Side) =>
    layers.find((layer) => layer[side]?.segments.some((segment) => segment.space === space));
  return (makes('out') ?? makes('in'))?.name ?? '';
}

function compareLooks(
  scene: Scene,
  space: number,
  fromInputs: ReadonlyMap<number, Found>,
  fromOutputs: ReadonlyMap<number, Found>,
): Pick<ViewMatch, 'kind' | 'agreed' | 'alike'> | SkippedSpace['reason'] {
  if (isLarge(scene, space)) return 'large';
  const [a, b] = [fromInputs.get(space), fromOutputs.get(space)];
  const features = { out: a?.features ?? 0, in: b?.features ?? 0 };
  const featuresMin = Math.min(features.out, features.in);
  if (featuresMin < THIN_FEATURES) {
    const wide: Side = features.out >= features.in ? 'out' : 'in';
    const halves = compareHalves(scene, space, wide, wide === 'out' ? fromInputs : fromOutputs, featuresMin);
    if (halves !== null) return { kind: 'halves', ...halves };
  }
  if (a === undefined || b === undefined) return scene.beside.has(space) ? 'large' : 'unpaired';
  if ([...a.layers].some((layer) => b.layers.has(layer))) return 'shared';
  const wide = (['out', 'in'] as const).filter(
    (side) => features[side] >= Math.min(THIN_FEATURES, Math.max(features.out, features.in)),
  );
  return { kind: 'sides', ...countEqual(scene, space, wide, [a.map, b.map]) };
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
): Pick<ViewMatch, 'agreed' | 'alike'> | null {
  const looks = scene.looks[space].filter((look) => look.side === side && canHalve(scene, look));
  const [even, odd] = ([0, 1] as const).map((half) => {
    const parts = looks.map((look) => ({ look, half }));
    return toFound(scene, space, parts, known);
  });
  if (even === null || odd === null || Math.min(even.features, odd.features) <= featuresMin) return null;
  return countEqual(scene, space, [side], [even.map, odd.map]);
}

function canHalve({ topology }: Scene, look: Look): boolean {
  const beyond = listSpacesBeyond(look);
  return beyond.length > 0 && beyond.every((space) => topology.spaces[space].isPermutable);
}

/** Neurons with the same partner in both maps, and those that are left out: they, or their partners, have a twin on some side. */
function countEqual(
  scene: Scene,
  space: number,
  sides: readonly Side[],
  [a, b]: readonly [Int32Array, Int32Array],
): Pick<ViewMatch, 'agreed' | 'alike'> {
  const { topology, counts, looks, load } = scene;
  const toTwins = (model: 'ours' | 'theirs', channels: number): Uint8Array => {
    const found = sides.map((side) =>
      findTwins(
        looks[space].filter((look) => look.side === side),
        { model, channels, counts, load },
      ),
    );
    return Uint8Array.from({ length: channels }, (_, channel) => (found.some((twins) => twins[channel] === 1) ? 1 : 0));
  };
  const [ours, theirs] = [toTwins('ours', topology.spaces[space].channels), toTwins('theirs', counts[space])];
  const isTold = (neuron: number, partner: number): boolean => ours[neuron] === 0 && theirs[partner] === 0;
  const agreed = a.reduce(
    (count, partner, neuron) =>
      count + Number(partner !== UNMATCHED && partner === b[neuron] && isTold(neuron, partner)),
    0,
  );
  const told = (twins: Uint8Array): number => twins.length - twins.reduce((sum, twin) => sum + twin, 0);
  return { agreed, alike: ours.length - Math.min(told(ours), told(theirs)) };
}
