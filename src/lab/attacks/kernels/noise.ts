/** Gaussian noise, and the shift of all filters towards or away from their mean. */
import { createRng } from '../../rng.ts';

/** Adds noise with `relative` times the standard deviation of the values. */
export function addGaussian(values: Float32Array, relative: number, seed: string): Float32Array {
  const rng = createRng(seed);
  const deviation = relative * toDeviation(values);
  return values.map((value) => value + deviation * rng.gaussian());
}

/** Fresh weights as large as the values, as whoever starts a layer anew draws them. */
export function drawAnew(values: Float32Array, seed: string): Float32Array {
  const rng = createRng(seed);
  const deviation = toDeviation(values);
  return values.map(() => deviation * rng.gaussian());
}

export function toDeviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return Math.sqrt(variance);
}

/**
 * Weight shifting: takes `strength` times the mean over the first axis, and Gaussian noise as large as the weights, off
 * every filter.
 * @see Lukas et al., "SoK: How Robust is Image Classification Deep Neural Network Watermarking?", IEEE S&P 2022
 */
export function shiftFilters(values: Float32Array, rows: number, strength: number, seed: string): Float32Array {
  const width = values.length / rows;
  const means = new Float64Array(width);
  for (let at = 0; at < values.length; at += 1) means[at % width] += values[at] / rows;
  const noisy = addGaussian(values, 1, seed);
  return noisy.map((value, at) => value - strength * means[at % width]);
}
