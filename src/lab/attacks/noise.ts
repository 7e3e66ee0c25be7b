/** Gaussian noise on weights, in proportion to each tensor's spread. */
import type { NetworkSpec, Weights } from '../spec.ts';
import { addGaussian } from './kernels/noise.ts';
import { changeMatrices } from './matrices.ts';

export interface NoiseOptions {
  /** Standard deviation of the noise over that of the tensor's weights. */
  readonly relativeDeviation: number;
  readonly seed: string;
}

export function addNoise(spec: NetworkSpec, weights: Weights, options: NoiseOptions): Map<string, Float32Array> {
  return changeMatrices(spec, weights, ({ name, values }) =>
    addGaussian(values, options.relativeDeviation, `${options.seed}/noise/${name}`),
  );
}
