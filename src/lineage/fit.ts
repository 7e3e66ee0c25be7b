/** The suspect in the order of its file, as a mixture of originals: plain copies, quantised ones, merges (docs/spec/lineage.md §3). */
import { LINEAGE_LIMITS } from '../core/limits/lineage.ts';
import { isIntDType } from '../model/ints.ts';
import { readAt } from './elements.ts';
import {
  findRelativeDistance,
  type Moments,
  type Solution,
  solve,
  toCentred,
  toCosine,
  toMoments,
} from './least-squares.ts';
import { type Frame, type FrameLayer, listFits, pairFrames, type TensorPair, toTheirPlaces } from './pairs.ts';
import { createSampler, type samplePlaces } from './sample.ts';

/** What one original has to do with one layer of the suspect, element by element. */
export interface LayerLikeness {
  /** Its tensor; not the one of the same name when another is far more alike ("moved"). */
  readonly tensor: string;
  readonly isMoved: boolean;
  /** About the means. */
  readonly cosine: number;
  /** |suspect - original| / |original|; null for codes whose scale is not with them. */
  readonly relativeDistance: number | null;
}

export interface LayerFit extends Solution {
  /** Name in the suspect. */
  readonly name: string;
  readonly elements: number;
  /** Elements that were compared. */
  readonly sampled: number;
  /** One for each original; null where it has no tensor that fits. */
  readonly likeness: readonly (LayerLikeness | null)[];
}

export interface Fit extends Solution {
  readonly layers: readonly LayerFit[];
  /** One for each original, over all layers, each weighted by its elements in units of its spread. */
  readonly cosines: readonly number[];
  /** For each original the share of weights that have a counterpart in the other model: the smaller of both shares. */
  readonly coverage: readonly number[];
}

/** Below this cosine with every original, tensors of other layers are tried. */
const UNLIKE = 0.3;
/** From this cosine on, a tensor of another layer is taken for the origin. */
const MOVED = 0.5;
/** Elements on which tensors of other layers are tried, and how many of these. */
const TRIAL_ELEMENTS = 2048;
const TRIALS_MAX = 256;

/** @throws FormatError | SourceError from the readers */
export function fitSuspect(suspect: Frame, originals: readonly Frame[], step: () => void = () => undefined): Fit {
  const pairs = originals.map((original) => pairFrames(suspect, original));
  const pooled = createPool(originals.length + 1);
  const used = originals.map(() => new Set<FrameLayer>());
  const sample = createSampler();
  const layers = suspect.layers.map((own, index) => {
    const found = originals.map((original, k) => findTensor(own, pairs[k][index], original, sample));
    const isTurned = found.some((pair) => pair !== null && pair.orders[0].length > 0);
    const { sampleElementsMax, turnedElementsMax } = LINEAGE_LIMITS;
    const places = sample(own.tensor.elementCount, isTurned ? turnedElementsMax : sampleElementsMax);
    const columns = [
      readAt(own.tensor, places),
      ...found.map((pair) => (pair === null ? null : readPair(pair, places))),
    ];
    const moments = toMoments(columns);
    pooled.add(moments, own.tensor.elementCount);
    found.forEach((pair, k) => pair !== null && used[k].add(pair.theirs));
    step();
    return toLayerFit(own, found, moments);
  });
  const { coverage, ...solution } = pooled.finish();
  const shares = originals.map((original, k) => Math.min(coverage[k], toShare(original, used[k])));
  return { layers, ...solution, coverage: shares };
}

/** Share of a model's weights that lie in some of its layers. */
function toShare({ layers }: Frame, some: ReadonlySet<FrameLayer>): number {
  const count = (list: Iterable<FrameLayer>): number =>
    [...list].reduce((sum, { tensor }) => sum + tensor.elementCount, 0);
  const total = count(layers);
  return total > 0 ? count(some) / total : 0;
}

function readPair({ theirs, orders }: TensorPair, places: Float64Array): Float32Array {
  return readAt(theirs.tensor, toTheirPlaces(orders[0], places));
}

/** A pair with the one order that fits, and whether it is another layer's tensor. */
interface Origin extends TensorPair {
  readonly isMoved: boolean;
}

/** The tensor and order that fit a layer best; another layer's where the usual one has nothing to do with it. */
function findTensor(
  own: FrameLayer,
  pair: TensorPair | null,
  original: Frame,
  sample: typeof samplePlaces,
): Origin | null {
  const places = sample(own.tensor.elementCount, TRIAL_ELEMENTS);
  const ours = readAt(own.tensor, places);
  const usual = pair === null ? null : chooseOrder(pair, ours, places);
  if (usual !== null && usual.cosine >= UNLIKE) return { ...usual.pair, isMoved: false };
  const others = listFits(own, original)
    .filter(({ theirs }) => theirs !== pair?.theirs)
    .slice(0, TRIALS_MAX)
    .map((other) => chooseOrder(other, ours, places));
  const best = others.reduce<Choice | null>((a, b) => (a === null || b.cosine > a.cosine ? b : a), null);
  if (best !== null && best.cosine >= MOVED) return { ...best.pair, isMoved: true };
  return usual === null ? null : { ...usual.pair, isMoved: false };
}

interface Choice {
  /** With the chosen order alone. */
  readonly pair: TensorPair;
  readonly cosine: number;
}

function chooseOrder(pair: TensorPair, ours: Float32Array, places: Float64Array): Choice {
  const choices = pair.orders.map((order): Choice => {
    const only = { ...pair, orders: [order] };
    return { pair: only, cosine: toCosine(toMoments([ours, readPair(only, places)]), 1) };
  });
  return choices.reduce((a, b) => (b.cosine > a.cosine ? b : a));
}

function toLayerFit(own: FrameLayer, found: readonly (Origin | null)[], moments: Moments): LayerFit {
  const likeness = found.map((pair, k) => (pair === null ? null : toLikeness(own, pair, moments, k + 1)));
  return {
    name: own.layer.name,
    elements: own.tensor.elementCount,
    sampled: moments.count,
    likeness,
    ...solve(toCentred(moments), moments.columns, moments.count),
  };
}

function toLikeness(own: FrameLayer, { theirs, isMoved }: Origin, moments: Moments, at: number): LayerLikeness {
  const hasScale = !isIntDType(own.tensor.dtype) && !isIntDType(theirs.tensor.dtype);
  return {
    tensor: theirs.tensor.name,
    isMoved,
    cosine: toCosine(moments, at),
    relativeDistance: hasScale ? findRelativeDistance(moments, at) : null,
  };
}

/** Adds up layers, each in units of the suspect's spread in it, weighted by its elements. */
function createPool(columns: number) {
  const gram = new Float64Array(columns * columns);
  const covered = new Float64Array(columns);
  let count = 0;
  let total = 0;
  return {
    add: (moments: Moments, elements: number): void => {
      const centred = toCentred(moments);
      total += elements;
      count += moments.count;
      for (let k = 0; k < columns; k++) if (moments.products[k * columns + k] > 0) covered[k] += elements;
      if (!(centred[0] > 0)) return;
      for (let at = 0; at < gram.length; at++) gram[at] += (centred[at] / centred[0]) * elements;
    },
    finish: (): Solution & Pick<Fit, 'cosines' | 'coverage'> => ({
      ...solve(gram, columns, count),
      cosines: Array.from({ length: columns - 1 }, (_, k) => {
        const norm = Math.sqrt(gram[0] * gram[(k + 1) * columns + k + 1]);
        return norm > 0 ? gram[k + 1] / norm : 0;
      }),
      coverage: Array.from({ length: columns - 1 }, (_, k) => (total > 0 ? covered[k + 1] / total : 0)),
    }),
  };
}
