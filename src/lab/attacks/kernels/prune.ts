/** Which weights a thief takes out: the smallest, some at random, or whole rows. */
import { createRng } from '../../rng.ts';

/** Zeroes the `share` of values that are smallest in size; of equal ones the first. */
export function pruneSmallest(values: Float32Array, share: number): Float32Array {
  const removed = Math.round(share * values.length);
  const pruned = values.slice();
  if (removed === 0) return pruned;
  const sizes = values.map(Math.abs).sort();
  const bar = sizes[removed - 1];
  let atBar = removed;
  while (atBar > 0 && sizes[atBar - 1] === bar) atBar -= 1;
  let ties = removed - atBar;
  for (let index = 0; index < values.length; index += 1) {
    const size = Math.abs(values[index]);
    if (size < bar) pruned[index] = 0;
    else if (size === bar && ties > 0) {
      pruned[index] = 0;
      ties -= 1;
    }
  }
  return pruned;
}

/** Zeroes each value with probability `share`. */
export function pruneRandom(values: Float32Array, share: number, seed: string): Float32Array {
  const rng = createRng(`${seed}/prune`);
  return values.map((value) => (rng.uniform() < share ? 0 : value));
}

/** Zeroes the `share` of the rows along the first axis whose norm is smallest. */
export function pruneRows(values: Float32Array, rows: number, share: number): Float32Array {
  const width = values.length / rows;
  const norms = Float64Array.from({ length: rows }, (_, row) =>
    values.subarray(row * width, (row + 1) * width).reduce((sum, value) => sum + value * value, 0),
  );
  const order = Uint32Array.from({ length: rows }, (_, row) => row).sort((a, b) => norms[a] - norms[b] || a - b);
  const pruned = values.slice();
  for (const row of order.subarray(0, Math.round(share * rows))) pruned.fill(0, row * width, (row + 1) * width);
  return pruned;
}
