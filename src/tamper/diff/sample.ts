/** A bounded part of a pair of tensors as matrices: what ranks and grids are found on. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { ElementReader } from './values.ts';

/** Rows × columns, row-major; rows are indices of the first axis, columns everything after it. */
export interface SampleMatrix {
  readonly rows: number;
  readonly columns: number;
  /** True when the sample is the whole tensor, in its order. */
  readonly isWhole: boolean;
  readonly before: Float64Array;
  readonly after: Float64Array;
}

export interface SampleOptions {
  readonly shape: readonly number[];
  readonly readers: { readonly before: ElementReader; readonly after: ElementReader };
}

/** Columns are taken in whole runs, so that groups that share a scale stay together. */
const RUN = 128;

/**
 * Evenly spaced rows, and evenly spaced runs of columns: all of a small tensor, as much as 192 x 512 of
 * a large one. A
 * first axis of one index is skipped; a vector is one row.
 */
export function samplePair({ shape, readers }: SampleOptions): SampleMatrix {
  const sides = toSides(shape);
  const runs = spread(sides.columns, DIFF_LIMITS.sampleColumns, RUN);
  const columns = runs.reduce((sum, start) => sum + toRunLength(start, sides.columns, runs.length), 0);
  const rowsMax = Math.floor((DIFF_LIMITS.sampleRows * DIFF_LIMITS.sampleColumns) / Math.max(1, columns));
  const rows = spread(sides.rows, rowsMax, 1);
  const sample = {
    rows: rows.length,
    columns,
    isWhole: rows.length === sides.rows && columns === sides.columns,
    before: new Float64Array(rows.length * columns),
    after: new Float64Array(rows.length * columns),
  };
  let at = 0;
  for (const row of rows) {
    for (const start of runs) {
      const length = toRunLength(start, sides.columns, runs.length);
      const first = row * sides.columns + start;
      readers.before.readValues(first, sample.before.subarray(at, at + length));
      readers.after.readValues(first, sample.after.subarray(at, at + length));
      at += length;
    }
  }
  return sample;
}

function toSides(shape: readonly number[]): { readonly rows: number; readonly columns: number } {
  const dims = shape.filter((dim) => dim !== 1);
  if (dims.length < 2) return { rows: 1, columns: dims[0] ?? 1 };
  return { rows: dims[0], columns: dims.slice(1).reduce((product, dim) => product * dim, 1) };
}

function toRunLength(start: number, size: number, runs: number): number {
  return runs === 1 && size <= DIFF_LIMITS.sampleColumns ? size : Math.min(RUN, size - start);
}

/** Starts of at most `max / run` runs, evenly spread over `size` and at multiples of `run`; [0] when all fits. */
function spread(size: number, max: number, run: number): number[] {
  if (size <= max) return run === 1 ? Array.from({ length: size }, (_, index) => index) : [0];
  const count = Math.floor(max / run);
  const places = Math.floor(size / run);
  return Array.from({ length: count }, (_, index) => Math.floor((index * places) / count) * run);
}
