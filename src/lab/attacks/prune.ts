/** Magnitude pruning: the smallest weights of each tensor become zero. */
import type { NetworkSpec, Weights } from '../spec.ts';
import { pruneSmallest } from './kernels/prune.ts';
import { changeMatrices } from './matrices.ts';

/** @param share of each tensor's weights to remove, 0..1 */
export function prune(spec: NetworkSpec, weights: Weights, share: number): Map<string, Float32Array> {
  return changeMatrices(spec, weights, ({ values }) => pruneSmallest(values, share));
}
