/** Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019). */
import type { Parameter } from '../layers/layer.ts';
import type { Optimizer } from './optimizer.ts';

export interface AdamOptions {
  /** Share of the weights that a step removes, times the learning rate. */
  readonly weightDecay: number;
}

const FIRST = 0.9;
const SECOND = 0.999;
const EPSILON = 1e-8;

export function createAdam(parameters: readonly Parameter[], { weightDecay }: AdamOptions): Optimizer {
  const zeros = (): Float32Array[] => parameters.map((parameter) => new Float32Array(parameter.values.length));
  const [means, squares] = [zeros(), zeros()];
  let steps = 0;
  return {
    step: (learningRate) => {
      steps += 1;
      const rate = (learningRate * Math.sqrt(1 - SECOND ** steps)) / (1 - FIRST ** steps);
      for (const [index, { values, gradient, isDecayed }] of parameters.entries()) {
        const mean = means[index];
        const square = squares[index];
        const decay = isDecayed ? learningRate * weightDecay : 0;
        for (let at = 0; at < values.length; at += 1) {
          const slope = gradient[at];
          mean[at] += (1 - FIRST) * (slope - mean[at]);
          square[at] += (1 - SECOND) * (slope * slope - square[at]);
          values[at] -= decay * values[at] + (rate * mean[at]) / (Math.sqrt(square[at]) + EPSILON);
        }
      }
    },
  };
}
