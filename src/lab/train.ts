/** The training loop: seeded order, one optimizer, labels or soft targets. */
import type { Samples } from './data.ts';
import { range, toBatch } from './data.ts';
import { crossEntropy } from './loss.ts';
import type { Network } from './network.ts';
import { createAdam } from './optimizers/adam.ts';
import { cosineRate } from './optimizers/optimizer.ts';
import { createSgd } from './optimizers/sgd.ts';
import { createRng, shuffledOrder } from './rng.ts';
import { countElements } from './tensor.ts';

export interface TrainOptions {
  readonly optimizer: 'sgd' | 'adam';
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly schedule: 'cosine' | 'constant';
  readonly weightDecay: number;
  /** Fixes the order of the samples. */
  readonly seed: string;
  /** Probabilities [count, classes] to learn from instead of the labels. */
  readonly soft?: { readonly probabilities: Float32Array; readonly temperature: number };
}

const SGD_MOMENTUM = 0.9;

/** Trains in place; a last batch smaller than the others is skipped. Returns the mean loss of each epoch, in nats. */
export function train(network: Network, samples: Samples, options: TrainOptions): number[] {
  const { batch, epochs, weightDecay } = options;
  const { parameters } = network;
  const optimizer =
    options.optimizer === 'adam'
      ? createAdam(parameters, { weightDecay })
      : createSgd(parameters, { momentum: SGD_MOMENTUM, weightDecay });
  const rng = createRng(`${options.seed}/order`);
  const batches = Math.floor(samples.count / batch);
  const losses: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    const order = shuffledOrder(samples.count, rng);
    let sum = 0;
    for (let index = 0; index < batches; index += 1) {
      const indices = order.subarray(index * batch, (index + 1) * batch);
      const logits = network.forward(toBatch(samples, indices), 'train');
      const loss = crossEntropy(logits, pickTargets(samples, indices, options), options.soft?.temperature);
      network.backward(loss.gradient);
      const step = epoch * batches + index;
      const { learningRate } = options;
      optimizer.step(options.schedule === 'cosine' ? cosineRate(learningRate, step, epochs * batches) : learningRate);
      sum += loss.value;
    }
    losses.push(sum / batches);
  }
  return losses;
}

function pickTargets(samples: Samples, indices: Uint32Array, { soft }: TrainOptions): Uint8Array | Float32Array {
  if (soft === undefined) return Uint8Array.from(indices, (index) => samples.labels[index]);
  const { classes } = samples;
  const targets = new Float32Array(indices.length * classes);
  for (const [item, index] of indices.entries()) {
    targets.set(soft.probabilities.subarray(index * classes, (index + 1) * classes), item * classes);
  }
  return targets;
}

const EVALUATION_BATCH = 100;

/** Logits of all samples, [count, classes], as fresh memory. */
export function inferLogits(network: Network, samples: Samples): Float32Array {
  const { classes } = network.spec;
  const all = new Float32Array(countElements([samples.count, classes]));
  for (let from = 0; from < samples.count; from += EVALUATION_BATCH) {
    const indices = range(from, Math.min(from + EVALUATION_BATCH, samples.count));
    all.set(network.forward(toBatch(samples, indices), 'infer').data, from * classes);
  }
  return all;
}

/** Index of the largest logit of each row; the first of equal ones. */
function toClasses(logits: Float32Array, classes: number): Uint8Array {
  const picked = new Uint8Array(logits.length / classes);
  for (let item = 0; item < picked.length; item += 1) {
    let best = 0;
    for (let j = 1; j < classes; j += 1) {
      if (logits[item * classes + j] > logits[item * classes + best]) best = j;
    }
    picked[item] = best;
  }
  return picked;
}

/** Predicted class of each sample. */
export function classify(network: Network, samples: Samples): Uint8Array {
  return toClasses(inferLogits(network, samples), network.spec.classes);
}

/** Share of samples whose largest logit is the label's. */
export function measureAccuracy(network: Network, samples: Samples): number {
  const picked = classify(network, samples);
  return picked.reduce((hits, label, item) => hits + Number(label === samples.labels[item]), 0) / samples.count;
}
