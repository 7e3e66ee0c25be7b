/** Copies of behaviour into a fresh network: soft distillation, and extraction from answered labels alone. */
import type { Samples } from '../data.ts';
import { toProbabilities } from '../loss.ts';
import { buildNetwork, exportWeights, restoreNetwork } from '../network.ts';
import type { NetworkSpec, Weights } from '../spec.ts';
import { classify, inferLogits, train, type TrainOptions } from '../train.ts';

export interface CopyOptions extends Omit<TrainOptions, 'soft'> {
  /** Images that the teacher is asked about; their labels are not used. */
  readonly samples: Samples;
}

/** A student that starts from random weights and learns the teacher's softened probabilities. */
export function distill(
  spec: NetworkSpec,
  teacher: Weights,
  options: CopyOptions & { readonly temperature: number },
): Map<string, Float32Array> {
  const { samples, temperature } = options;
  const logits = inferLogits(restoreNetwork(spec, teacher), samples);
  const probabilities = toProbabilities({ data: logits, shape: [samples.count, spec.classes] }, temperature);
  const student = buildNetwork(spec, `${options.seed}/student`);
  train(student, samples, { ...options, soft: { probabilities, temperature } });
  return exportWeights(student);
}

/** A student that learns only which class the teacher answers. */
export function extractLabels(spec: NetworkSpec, teacher: Weights, options: CopyOptions): Map<string, Float32Array> {
  const labels = classify(restoreNetwork(spec, teacher), options.samples);
  const student = buildNetwork(spec, `${options.seed}/student`);
  train(student, { ...options.samples, labels }, options);
  return exportWeights(student);
}
