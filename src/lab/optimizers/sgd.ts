/** Stochastic gradient descent with momentum, and weight decay as an L2 term. */
import type { Parameter } from '../layers/layer.ts';
import type { Optimizer } from './optimizer.ts';

export interface SgdOptions {
  readonly momentum: number;
  /** Multiplies the weights in the gradient; biases and normalisation are left out. */
  readonly weightDecay: number;
}

export function createSgd(parameters: readonly Parameter[], { momentum, weightDecay }: SgdOptions): Optimizer {
  const velocities = parameters.map((parameter) => new Float32Array(parameter.values.length));
  return {
    step: (learningRate) => {
      for (const [index, { values, gradient, isDecayed }] of parameters.entries()) {
        const velocity = velocities[index];
        const decay = isDecayed ? weightDecay : 0;
        for (let at = 0; at < values.length; at += 1) {
          velocity[at] = momentum * velocity[at] + gradient[at] + decay * values[at];
          values[at] -= learningRate * velocity[at];
        }
      }
    },
  };
}
