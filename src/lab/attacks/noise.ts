/** Gaussian noise on weights, in proportion to each tensor's spread. */
import { createRng } from '../rng.ts';
import type { NetworkSpec, Weights } from '../spec.ts';
import { changeMatrices } from './matrices.ts';

export interface NoiseOptions {
  /** Standard deviation of the noise over that of the tensor's weights. */
  readonly relativeDeviation: number;
  readonly seed: string;
}

export function addNoise(spec: NetworkSpec, weights: Weights, options: NoiseOptions): Map<string, Float32Array> {
  return changeMatrices(spec, weights, ({ name, values }) => {
    const rng = createRng(`${options.seed}/noise/${name}`);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    const deviation = options.relativeDeviation * Math.sqrt(variance);
    return values.map((value) => value + deviation * rng.gaussian());
  });
}
