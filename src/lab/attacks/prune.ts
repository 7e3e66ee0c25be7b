/** Magnitude pruning: the smallest weights of each tensor become zero. */
import type { NetworkSpec, Weights } from '../spec.ts';
import { changeMatrices } from './matrices.ts';

/** @param share of each tensor's weights to remove, 0..1 */
export function prune(spec: NetworkSpec, weights: Weights, share: number): Map<string, Float32Array> {
  return changeMatrices(spec, weights, ({ values }) => {
    const removed = Math.round(share * values.length);
    const order = Uint32Array.from(values, (_, index) => index);
    order.sort((a, b) => Math.abs(values[a]) - Math.abs(values[b]) || a - b);
    const pruned = values.slice();
    for (const index of order.subarray(0, removed)) pruned[index] = 0;
    return pruned;
  });
}
