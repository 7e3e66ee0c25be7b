/**
 * The shape of a mark's change: which directions of a layer's inputs it keeps out of, and how strong it is in each layer
 * (docs/spec/watermark.md §4.5). The detector knows nothing of it: it only ever sees block sums.
 */
import type { Layer } from '../../align/index.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { Calibration, LayerCalibration } from '../calibration/types.ts';
import { needsDither } from '../elements.ts';
import type { Layout } from './layout.ts';
import type { LayerScale } from './measure.ts';
import { findPlaces, mixPlaces, type Places, toSizeStrengths } from './prior.ts';

/** Added to a direction's mean square before comparing, in units of the mean over all: weak directions are left alone. */
const RIDGE = 0.12;
/** Without calibration, inputs are taken to have a mean: the sum of a row's changes is damped by this share. */
const ASSUMED_DAMPING = 0.9;
/** No layer takes more than this multiple, or less than this share, of the common strength. */
const STRENGTH_RANGE = 2.5;

/** How a layer's tensor lies, row o of group g holding the weights of one output. */
interface Rows {
  readonly outputs: number;
  readonly features: number;
  readonly groups: number;
  /** True when the outputs are the last axis: element = feature · outputs + output. */
  readonly isOutputLast: boolean;
}

export interface LayerShape extends Rows {
  readonly rank: number;
  /** Orthonormal directions, [groups, rank, features]. */
  readonly directions: Float32Array;
  /** The share of a change that each direction loses, [groups, rank], in [0, 1). */
  readonly damping: Float64Array;
  /** Places of the kernel that are mixed first; null when each is left for itself. */
  readonly places: Places | null;
  /** Multiplies the whole change. */
  readonly strength: number;
}

/**
 * Shapes of all layers: from a calibration, or by what is taken for granted without one; or null when the mark uses a choice of tiles only: then rows are incomplete, and changes are
 * left as they are. Strengths are such that the mean change of a position along its own sign is what was asked for.
 */
export function toShapes(
  layout: Layout,
  scales: readonly LayerScale[],
  calibration: Calibration | null,
): LayerShape[] | null {
  if (layout.total > WATERMARK_LIMITS.sampleWeightsMax) return null;
  const known = layout.layers.map(({ layer }) => calibration?.layers.get(layer.name) ?? null);
  const isGuessed = calibration?.isProbed ?? true;
  const sizes = isGuessed ? toSizeStrengths(layout.layers.map(({ elementCount }) => elementCount)) : null;
  const strengths = toStrengths(layout, scales, known).map((strength, index) => strength * (sizes?.[index] ?? 1));
  const shapes = layout.layers.map(({ layer, elementCount }, index) => {
    const shape = toLayerShape(layer, elementCount, known[index], strengths[index]);
    return isGuessed && shape.features > 0 ? { ...shape, places: findPlaces(layer, shape.features) } : shape;
  });
  let gain = 0;
  for (const [index, shape] of shapes.entries()) {
    gain += toGain(shape) * strengths[index] * layout.layers[index].elementCount;
  }
  const scale = layout.total / gain;
  return shapes.map((shape, index) => ({ ...shape, strength: strengths[index] * scale }));
}

/** Mean share of a position's change that is left along its own sign: the mean diagonal of (1 - Σ d u uᵀ) · mixer. */
function toGain({ damping, directions, groups, features, places }: LayerShape): number {
  if (features === 0) return 1;
  const lost = damping.reduce((sum, share, k) => {
    if (places === null) return sum + share;
    const direction = directions.subarray(k * features, (k + 1) * features);
    const mixed = Float64Array.from(direction);
    mixPlaces(places, mixed);
    return sum + share * mixed.reduce((product, value, i) => product + value * direction[i], 0);
  }, 0);
  return 1 - lost / (groups * features);
}

function toLayerShape(
  layer: Layer,
  elementCount: number,
  known: LayerCalibration | null,
  strength: number,
): LayerShape {
  const rows = toRows(layer, elementCount);
  if (rows === null) return { ...PLAIN, strength };
  if (known?.features === rows.features && known.groups === rows.groups) {
    const { rank, directions, powers, meanPowers } = known;
    const damping = powers.map((power, k) => {
      const floor = RIDGE * meanPowers[Math.floor(k / rank)];
      return power > 0 ? power / (power + floor) : 0;
    });
    return { ...rows, rank, directions, damping, places: null, strength };
  }
  const directions = new Float32Array(rows.groups * rows.features).fill(1 / Math.sqrt(rows.features));
  const damping = new Float64Array(rows.groups).fill(ASSUMED_DAMPING);
  return { ...rows, rank: 1, directions, damping, places: null, strength };
}

const PLAIN = {
  ...{ outputs: 0, features: 0, groups: 1, isOutputLast: false, rank: 0 },
  ...{ directions: new Float32Array(0), damping: new Float64Array(0), places: null },
} as const;

function toRows({ kind, shape, outAxis, groups }: Layer, elementCount: number): Rows | null {
  if (outAxis === null || kind === 'embedding' || kind === 'recurrent') return null;
  const isOutputLast = outAxis === shape.length - 1;
  const outputs = shape[outAxis];
  if ((outAxis !== 0 && !isOutputLast) || outputs === 0 || outputs % groups !== 0) return null;
  return { outputs, features: elementCount / outputs, groups, isOutputLast };
}

/**
 * Strength of each layer relative to the others: inverse to the square root of the noise that a change of one weight
 * deviation makes in the layer's output, in units of that output's own variance. Unknown layers get the mean.
 */
function toStrengths(
  layout: Layout,
  scales: readonly LayerScale[],
  known: readonly (LayerCalibration | null)[],
): number[] {
  const logs = layout.layers.map(({ layer }, index) => {
    const calibrated = known[index];
    if (calibrated === null || needsDither(layer.dtype)) return null;
    const { features, meanPowers, outputVariance, groups } = calibrated;
    const inputPower = (meanPowers.reduce((sum, power) => sum + power, 0) / groups) * features;
    const noise = (scales[index].deviation ** 2 * inputPower) / outputVariance;
    return noise > 0 && Number.isFinite(noise) ? -0.5 * Math.log(noise) : null;
  });
  let [sum, count] = [0, 0];
  for (const [index, log] of logs.entries()) {
    if (log === null) continue;
    sum += log * layout.layers[index].elementCount;
    count += layout.layers[index].elementCount;
  }
  const mean = count === 0 ? 0 : sum / count;
  const bound = Math.log(STRENGTH_RANGE);
  return logs.map((log) => (log === null ? 1 : Math.exp(Math.max(-bound, Math.min(bound, log - mean)))));
}

/** Mixes places, takes the damped directions out of each row of `change` and scales it, in place. `change` has the tensor's order. */
export function shapeChange(shape: LayerShape, change: Float32Array): void {
  const { outputs, features, groups, isOutputLast, rank, directions, damping, places, strength } = shape;
  const row = new Float64Array(features);
  const step = isOutputLast ? outputs : 1;
  for (let output = 0; output < outputs; output++) {
    const start = isOutputLast ? output : output * features;
    const group = Math.floor((output * groups) / outputs);
    for (let i = 0; i < features; i++) row[i] = change[start + i * step];
    if (places !== null) mixPlaces(places, row);
    for (let k = group * rank; k < (group + 1) * rank; k++) {
      const at = k * features;
      let along = 0;
      for (let i = 0; i < features; i++) along += row[i] * directions[at + i];
      along *= damping[k];
      for (let i = 0; i < features; i++) row[i] -= along * directions[at + i];
    }
    for (let i = 0; i < features; i++) change[start + i * step] = row[i] * strength;
  }
  if (outputs === 0) for (let i = 0; i < change.length; i++) change[i] *= strength;
}
