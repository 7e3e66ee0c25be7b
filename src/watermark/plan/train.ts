/** The term of the loss that trains a planned mark in, for trainers without automatic gradients (docs/spec/train-plan.md §3). */
import type { TrainPlan } from './plan.ts';

/** A trained array with its gradient, as trainers hold it. */
export interface TrainedArray {
  readonly name: string;
  readonly values: Float32Array;
  readonly gradient: Float32Array;
}

/** Training aims beyond tau by this share, so that the last steps, which serve the task alone, leave tau. */
const REACH = 1.2;

/**
 * Adds to `gradient` that of strength · Σ_i max(0, 1.2 · tau − b_i · y_i)², with the mean and deviation of each layer taken
 * as constants, and gives back the term itself. To be called between the backward pass and the optimiser's step.
 */
export function addMarkGradient(plan: TrainPlan, arrays: readonly TrainedArray[], strength: number): number {
  const known = new Map(arrays.map((array) => [array.name, array]));
  const held = plan.layers.map((layer) => {
    const array = known.get(layer.name);
    if (array?.values.length !== layer.block.length) throw new TypeError(`training has no such weight: ${layer.name}`);
    return { layer, array, ...toScale(array.values) };
  });
  const y = new Float64Array(plan.bits.length);
  for (const { layer, array, mean, deviation } of held) {
    const { block, chip } = layer;
    for (let j = 0; j < block.length; j++) y[block[j]] += (chip[j] * (array.values[j] - mean)) / deviation;
  }
  const pull = new Float64Array(y.length);
  let term = 0;
  for (let i = 0; i < y.length; i++) {
    const lacking = Math.max(0, REACH * plan.tau - (plan.bits[i] * y[i]) / plan.counts[i]);
    term += strength * lacking * lacking;
    pull[i] = (-2 * strength * lacking * plan.bits[i]) / plan.counts[i];
  }
  for (const { layer, array, deviation } of held) {
    const { block, chip } = layer;
    for (let j = 0; j < block.length; j++) array.gradient[j] += (pull[block[j]] * chip[j]) / deviation;
  }
  return term;
}

function toScale(values: Float32Array): { readonly mean: number; readonly deviation: number } {
  let mean = 0;
  for (const value of values) mean += value / values.length;
  let square = 0;
  for (const value of values) square += (value - mean) ** 2 / values.length;
  return { mean, deviation: Math.max(Math.sqrt(square), Number.MIN_VALUE) };
}
