/** Cross-entropy of softmax outputs, against labels or against another model's probabilities. */
import { softmaxRows } from './layers/attention.ts';
import type { Tensor } from './tensor.ts';

/** Class indices, one per item, or probabilities [batch, classes] (soft labels). */
export type Targets = Uint8Array | Float32Array;

export interface Loss {
  /** Mean over the batch, in nats. */
  readonly value: number;
  /** With respect to the logits. */
  readonly gradient: Tensor;
}

/**
 * Loss and gradient of logits [batch, classes] at softmax temperature `temperature`. The gradient of soft targets is
 * multiplied by the squared temperature, which keeps its size (Hinton, Vinyals, Dean 2015).
 */
export function crossEntropy(logits: Tensor, targets: Targets, temperature = 1): Loss {
  const [batch = 0, classes = 0] = logits.shape;
  const gradient = logits.data.slice();
  softmaxRows(gradient, classes, 1 / temperature);
  const isSoft = targets instanceof Float32Array;
  let value = 0;
  for (let item = 0; item < batch; item += 1) {
    for (let j = 0; j < classes; j += 1) {
      const at = item * classes + j;
      const wanted = isSoft ? targets[at] : Number(targets[item] === j);
      if (wanted > 0) value -= wanted * Math.log(Math.max(gradient[at], 1e-30));
      gradient[at] = ((gradient[at] - wanted) * temperature) / batch;
    }
  }
  return { value: value / batch, gradient: { data: gradient, shape: logits.shape } };
}

/** Softmax probabilities of logits at a temperature, as fresh memory. */
export function toProbabilities(logits: Tensor, temperature = 1): Float32Array {
  const probabilities = logits.data.slice();
  softmaxRows(probabilities, logits.shape[1], 1 / temperature);
  return probabilities;
}
