/** Further training of all layers: on the same task, on another, or with strong weight decay. */
import type { Samples } from '../data.ts';
import { exportWeights, restoreNetwork } from '../network.ts';
import type { NetworkSpec, Weights } from '../spec.ts';
import { train, type TrainOptions } from '../train.ts';

export interface FineTuneOptions extends Omit<TrainOptions, 'soft'> {
  readonly samples: Samples;
}

/** The weights after training on; the training rate stays at its peak when the schedule is 'constant'. */
export function fineTune(spec: NetworkSpec, weights: Weights, options: FineTuneOptions): Map<string, Float32Array> {
  const network = restoreNetwork(spec, weights);
  train(network, options.samples, options);
  return exportWeights(network);
}
