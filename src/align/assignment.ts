/** Assigns rows to columns at the largest total similarity: exact up to a size, clear pairs first beyond (docs/spec/watermark.md §7.3). */
import { ALIGN_LIMITS } from '../core/limits/align.ts';

/** Similarities, row-major [rows, columns]. */
export interface SimilarityMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** No partner. */
export const UNMATCHED = -1;

/**
 * One column (or {@link UNMATCHED}) for each row, each column at most once, at the largest total. With more rows than
 * columns, the rows that fit worst stay alone.
 */
export function assign(matrix: SimilarityMatrix): Int32Array {
  const { rows, columns } = matrix;
  if (rows === 0 || columns === 0) return new Int32Array(rows).fill(UNMATCHED);
  if (Math.max(rows, columns) > ALIGN_LIMITS.exactAssignmentMax) return assignGreedily(matrix);
  if (rows <= columns) return assignExactly(matrix);
  const turned = assignExactly(transpose(matrix));
  const found = new Int32Array(rows).fill(UNMATCHED);
  turned.forEach((row, column) => {
    if (row !== UNMATCHED) found[row] = column;
  });
  return found;
}

function transpose({ rows, columns, values }: SimilarityMatrix): SimilarityMatrix {
  const turned = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) turned[c * rows + r] = values[r * columns + c];
  return { rows: columns, columns: rows, values: turned };
}

/**
 * Shortest augmenting paths with dual variables, O(rows² · columns) at worst and near O(rows · columns) where most rows
 * have a clear partner; rows ≤ columns.
 * @see R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
 * problems", Computing 38 (1987)
 */
function assignExactly({ rows, columns, values }: SimilarityMatrix): Int32Array {
  const rowDual = new Float64Array(rows + 1);
  const columnDual = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  const way = new Int32Array(columns + 1);
  const distance = new Float64Array(columns + 1);
  const isUsed = new Uint8Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    rowOf[0] = row;
    distance.fill(Number.POSITIVE_INFINITY);
    isUsed.fill(0);
    let column = 0;
    do {
      isUsed[column] = 1;
      const at = rowOf[column];
      let delta = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let j = 1; j <= columns; j++) {
        if (isUsed[j] === 1) continue;
        const reduced = -values[(at - 1) * columns + j - 1] - rowDual[at] - columnDual[j];
        if (reduced < distance[j]) {
          distance[j] = reduced;
          way[j] = column;
        }
        if (distance[j] < delta) {
          delta = distance[j];
          next = j;
        }
      }
      for (let j = 0; j <= columns; j++) {
        if (isUsed[j] === 1) {
          rowDual[rowOf[j]] += delta;
          columnDual[j] -= delta;
        } else distance[j] -= delta;
      }
      column = next;
    } while (rowOf[column] !== 0);
    for (; column !== 0; column = way[column]) rowOf[column] = rowOf[way[column]];
  }
  const found = new Int32Array(rows).fill(UNMATCHED);
  for (let j = 1; j <= columns; j++) if (rowOf[j] !== 0) found[rowOf[j] - 1] = j - 1;
  return found;
}

/** Mutual nearest neighbours; the rest exactly where it is small enough, else by falling similarity. */
function assignGreedily({ rows, columns, values }: SimilarityMatrix): Int32Array {
  const found = new Int32Array(rows).fill(UNMATCHED);
  const isTaken = new Uint8Array(columns);
  const bestColumn = new Int32Array(rows);
  const bestRow = new Int32Array(columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const value = values[r * columns + c];
      if (value > values[r * columns + bestColumn[r]]) bestColumn[r] = c;
      if (value > values[bestRow[c] * columns + c]) bestRow[c] = r;
    }
  }
  for (let r = 0; r < rows; r++) {
    if (bestRow[bestColumn[r]] !== r) continue;
    found[r] = bestColumn[r];
    isTaken[bestColumn[r]] = 1;
  }
  const restRows = listWhere(rows, (r) => found[r] === UNMATCHED);
  const restColumns = listWhere(columns, (c) => isTaken[c] === 0);
  if (restRows.length === 0 || restColumns.length === 0) return found;
  const rest = {
    rows: restRows.length,
    columns: restColumns.length,
    at: (r: number, c: number): number => values[restRows[r] * columns + restColumns[c]],
  };
  const own = Math.max(rest.rows, rest.columns) > ALIGN_LIMITS.exactAssignmentMax ? toFalling(rest) : toExact(rest);
  own.forEach((column, row) => {
    if (column !== UNMATCHED) found[restRows[row]] = restColumns[column];
  });
  return found;
}

function listWhere(length: number, keep: (index: number) => boolean): number[] {
  return Array.from({ length }, (_, index) => index).filter(keep);
}

interface Rest {
  readonly rows: number;
  readonly columns: number;
  readonly at: (row: number, column: number) => number;
}

function toExact({ rows, columns, at }: Rest): Int32Array {
  const values = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) values[r * columns + c] = at(r, c);
  return assign({ rows, columns, values });
}

/** Rows by their best column that is left, the most alike first. */
function toFalling({ rows, columns, at }: Rest): Int32Array {
  const found = new Int32Array(rows).fill(UNMATCHED);
  const isTaken = new Uint8Array(columns);
  const best = Float64Array.from({ length: rows }, (_, r) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < columns; c++) most = Math.max(most, at(r, c));
    return most;
  });
  for (const r of Array.from(best.keys()).sort((a, b) => best[b] - best[a])) {
    let chosen = UNMATCHED;
    for (let c = 0; c < columns; c++) {
      if (isTaken[c] === 0 && (chosen === UNMATCHED || at(r, c) > at(r, chosen))) chosen = c;
    }
    if (chosen === UNMATCHED) break;
    found[r] = chosen;
    isTaken[chosen] = 1;
  }
  return found;
}
