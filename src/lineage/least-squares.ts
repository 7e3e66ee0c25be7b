/** Sums of products of a few columns, and the least squares that explain the first by the others (docs/spec/lineage.md §3). */

/** Products of columns 0..K summed over n elements: column 0 is the suspect, the others are candidates. */
export interface Moments {
  readonly columns: number;
  /** Elements behind it; after pooling, the number of all. */
  readonly count: number;
  readonly sums: Float64Array;
  /** Row-major [columns, columns]. */
  readonly products: Float64Array;
}

/** Column by column; a column of null counts as zeros. */
export function toMoments(columns: readonly (Float32Array | null)[]): Moments {
  const width = columns.length;
  const count = columns[0]?.length ?? 0;
  const sums = new Float64Array(width);
  const products = new Float64Array(width * width);
  columns.forEach((a, i) => {
    if (a === null) return;
    let total = 0;
    // eslint-disable-next-line @typescript-eslint/prefer-for-of -- an iterator makes objects of numbers, and there are millions
    for (let at = 0; at < a.length; at++) total += a[at];
    sums[i] = total;
    for (let j = 0; j <= i; j++) {
      const b = columns[j];
      if (b === null) continue;
      let sum = 0;
      for (let at = 0; at < count; at++) sum += a[at] * b[at];
      products[i * width + j] = sum;
      products[j * width + i] = sum;
    }
  });
  return { columns: width, count, sums, products };
}

/** Products about the means: codes of quantised weights have an unknown zero point. */
export function toCentred({ columns, count, sums, products }: Moments): Float64Array {
  return products.map((product, at) => product - (sums[Math.floor(at / columns)] * sums[at % columns]) / count);
}

/** Cosine about the means of column `at` with the suspect; 0 where either does not vary. */
export function toCosine(moments: Moments, at: number): number {
  const centred = toCentred(moments);
  const norm = Math.sqrt(centred[0] * centred[at * moments.columns + at]);
  return norm > 0 ? Math.max(-1, Math.min(1, centred[at] / norm)) : 0;
}

/** |suspect - candidate| / |candidate|; null for a candidate of zeros. */
export function findRelativeDistance({ columns, products }: Moments, at: number): number | null {
  const own = products[at * columns + at];
  if (!(own > 0)) return null;
  return Math.sqrt(Math.max(0, products[0] - 2 * products[at] + own) / own);
}

export interface Solution {
  /** Of each candidate; null where it is zero or a combination of candidates before it. */
  readonly coefficients: readonly (number | null)[];
  /** Standard errors under independent residuals, in the same order. */
  readonly errors: readonly (number | null)[];
  /** What no candidate explains, as a share of the suspect's norm, 0..1. */
  readonly residual: number;
}

/** A candidate that adds less than this share of its own square to those before it is one of them again. */
const SAME_SHARE = 1e-9;

/**
 * Least squares of column 0 on the others by Cholesky; dependent columns are left out, in order.
 * @param gram centred products, row-major [columns, columns]
 * @param count independent elements behind them
 */
export function solve(gram: Float64Array, columns: number, count: number): Solution {
  const kept: number[] = [];
  const rows: number[][] = [];
  for (let k = 1; k < columns; k++) {
    const row = toFactorRow(gram, columns, k, kept, rows);
    const own = gram[k * columns + k];
    const rest = own - row.reduce((sum, value) => sum + value * value, 0);
    if (!(own > 0) || rest <= SAME_SHARE * own) continue;
    kept.push(k);
    rows.push([...row, Math.sqrt(rest)]);
  }
  const values = substituteBack(
    rows,
    substitute(
      rows,
      kept.map((k) => gram[k]),
    ),
  );
  const explained = values.reduce((sum, value, i) => sum + value * gram[kept[i]], 0);
  const total = gram[0];
  const residual = total > 0 ? Math.sqrt(Math.max(0, 1 - explained / total)) : 0;
  const variance = (total * residual * residual) / Math.max(1, count - kept.length);
  const errors = kept.map((_, i) => {
    const unit = kept.map((__, j) => Number(i === j));
    return Math.sqrt(variance * substituteBack(rows, substitute(rows, unit))[i]);
  });
  const spread = (found: readonly number[]) =>
    Array.from({ length: columns - 1 }, (_, i) => (kept.includes(i + 1) ? found[kept.indexOf(i + 1)] : null));
  return { coefficients: spread(values), errors: spread(errors), residual };
}

function toFactorRow(
  gram: Float64Array,
  columns: number,
  k: number,
  kept: readonly number[],
  rows: readonly (readonly number[])[],
): number[] {
  return substitute(
    rows,
    kept.map((j) => gram[k * columns + j]),
  );
}

/** Solves L x = b for lower triangular rows. */
function substitute(rows: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x: number[] = [];
  rows.forEach((row, i) => {
    x.push(x.reduce((rest, value, j) => rest - row[j] * value, b[i]) / row[i]);
  });
  return x;
}

/** Solves Lᵀ x = b. */
function substituteBack(rows: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x = [...b];
  for (let i = rows.length - 1; i >= 0; i--) {
    for (let j = i + 1; j < rows.length; j++) x[i] -= rows[j][i] * x[j];
    x[i] /= rows[i][i];
  }
  return x;
}
