/** What the mark of scores leans on: a few directions in which inputs differ most, each measured in its own spread. */
import { toDirections } from '../calibration/directions.ts';

/** Directions of inputs; nothing in it is secret. */
export interface ScoreBasis {
  /** Numbers of one input. */
  readonly features: number;
  /** [features]: the mean of the calibration inputs. */
  readonly mean: Float64Array;
  /** [directions, features], row-major: coordinate k of an input x is axes[k]·(x - mean). */
  readonly axes: Float64Array;
}

/** Numbers of one input; larger ones are averaged down first, as pictures are. */
export const BASIS_FEATURES_MAX = 1024;
/** Coordinates are held within so many deviations: one odd input has no more to say than others. */
const COORDINATE_MAX = 2;

/**
 * The leading directions of some inputs, scaled so that each coordinate has mean square 1 on them.
 * @param inputs [count, features], row-major: inputs as customers send them, ten for each feature at least
 * @param directions 1 to `features`
 * @throws TypeError for other sizes, and where the inputs do not differ in so many directions
 */
export function createScoreBasis(inputs: Float32Array, features: number, directions: number): ScoreBasis {
  const count = inputs.length / features;
  if (!Number.isInteger(features) || features < 1 || features > BASIS_FEATURES_MAX || !Number.isInteger(count)) {
    throw new TypeError(`inputs are rows of 1 to ${String(BASIS_FEATURES_MAX)} features`);
  }
  if (!Number.isInteger(directions) || directions < 1 || directions > features || count < 10 * directions) {
    throw new TypeError('directions are 1 to as many as features, with ten inputs for each');
  }
  const mean = new Float64Array(features);
  inputs.forEach((value, at) => (mean[at % features] += value / count));
  const centred = inputs.map((value, at) => value - mean[at % features]);
  const { vectors: axes, powers } = toDirections(centred, features, directions);
  // Rounding leaves a little power where there is none.
  if (!(powers.at(-1)! > 1e-9 * powers[0])) throw new TypeError('the inputs do not differ in so many directions');
  for (let at = 0; at < axes.length; at++) axes[at] /= Math.sqrt(powers[Math.floor(at / features)]);
  return { features, mean, axes };
}

/** Coordinates of an input, [directions], each within ±2. */
export function toCoordinates({ features, mean, axes }: ScoreBasis, input: ArrayLike<number>): Float64Array {
  if (input.length !== features) throw new TypeError('an input has as many numbers as the basis');
  const coordinates = new Float64Array(axes.length / features);
  for (let k = 0; k < coordinates.length; k++) {
    let sum = 0;
    for (let i = 0; i < features; i++) sum += axes[k * features + i] * (input[i] - mean[i]);
    coordinates[k] = Math.max(-COORDINATE_MAX, Math.min(COORDINATE_MAX, Number.isFinite(sum) ? sum : 0));
  }
  return coordinates;
}
