/** The largest scores of each row. */
import type { NamedTensor } from '../ports.ts';
import { toScores, withScores } from './scores.ts';

/** Keeps the k largest of each row of the last axis, the first of equal ones, and sets the others to 0; NaN is kept last. */
export function keepLargest(output: NamedTensor, k: number): NamedTensor {
  const width = output.shape[output.shape.length - 1];
  if (width <= k) return output;
  const scores = toScores(output);
  for (let start = 0; start < scores.length; start += width) {
    const row = scores.subarray(start, start + width);
    const order = Array.from(row, (_, i) => i).sort((a, b) => compare(row[b], row[a]) || a - b);
    for (const i of order.slice(k)) row[i] = 0;
  }
  return withScores(output, scores);
}

/** By size; NaN is the smallest. */
function compare(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a < b ? -1 : a > b ? 1 : 0;
}
