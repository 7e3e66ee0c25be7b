/** Scores into classes. */
import type { NamedTensor } from '../ports.ts';
import { toScores } from './scores.ts';

/** Index of the largest value of each row of the last axis, as i64; the first of equal ones, and never a NaN if there is a number. */
export function toArgmax(output: NamedTensor): NamedTensor {
  const scores = toScores(output);
  const shape = output.shape.slice(0, -1);
  const width = output.shape[output.shape.length - 1];
  const rows = width === 0 ? 0 : scores.length / width;
  const data = new Uint8Array(8 * rows);
  const view = new DataView(data.buffer);
  for (let row = 0; row < rows; row++) view.setUint32(8 * row, findLargest(scores, row * width, width), true);
  return { name: output.name, dtype: 'i64', shape, data };
}

function findLargest(scores: Float64Array, start: number, width: number): number {
  let best = 0;
  let largest = NaN;
  for (let i = 0; i < width; i++) {
    const score = scores[start + i];
    if (score > largest || (Number.isNaN(largest) && !Number.isNaN(score))) {
      best = i;
      largest = score;
    }
  }
  return best;
}
