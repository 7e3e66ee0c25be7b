/**
 * Singular values of a change by a randomised range finder (Halko, Martinsson, Tropp 2011, algorithm 4.4), and how many
 * of them are more than rounding.
 */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import { mixWord } from './axes.ts';

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Row-major. */
  readonly data: Float64Array;
}

export interface Spectrum {
  /** Squared singular values, largest first; at most 64. */
  readonly energies: readonly number[];
  /** Squared Frobenius norm of the whole matrix. */
  readonly total: number;
  /** Left singular vector of the largest. */
  readonly leading: Float64Array;
}

/** Seeded, so that a report is the same on every run. */
function createNoise(): () => number {
  let state = 0x2545f491;
  const uniform = (): number => {
    state = (state + 0x9e3779b9) | 0;
    return ((mixWord(state) >>> 0) + 0.5) / 0x100000000;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** The largest singular values of `matrix`, squared. Cost: 6 · rows · columns · 64 products at most. */
export function toSpectrum(matrix: Matrix): Spectrum {
  const { rows, columns, data } = matrix;
  const rank = Math.min(rows, columns, DIFF_LIMITS.rankMax);
  const noise = createNoise();
  const start = { rows: columns, columns: rank, data: Float64Array.from({ length: columns * rank }, noise) };
  let basis = orthonormalize(multiply(matrix, start));
  basis = orthonormalize(multiply(matrix, orthonormalize(multiplyTurned(matrix, basis))));
  // Rows of the matrix in the basis; its Gram matrix has the squared singular values.
  const projected = multiplyTurned(matrix, basis);
  const gram = multiplyTurned(projected, projected);
  const { values, vectors } = toEigen(gram);
  const order = values.map((_, index) => index).sort((a, b) => values[b] - values[a]);
  const leading = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < rank; j++) leading[row] += basis.data[row * rank + j] * vectors[j * rank + order[0]];
  }
  return {
    energies: order.map((index) => Math.max(0, values[index])),
    total: data.reduce((sum, value) => sum + value * value, 0),
    leading,
  };
}

/** a · b */
function multiply(a: Matrix, b: Matrix): Matrix {
  const data = new Float64Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.columns; k++) {
      const factor = a.data[i * a.columns + k];
      if (factor === 0) continue;
      for (let j = 0; j < b.columns; j++) data[i * b.columns + j] += factor * b.data[k * b.columns + j];
    }
  }
  return { rows: a.rows, columns: b.columns, data };
}

/** aᵀ · b */
function multiplyTurned(a: Matrix, b: Matrix): Matrix {
  const data = new Float64Array(a.columns * b.columns);
  for (let k = 0; k < a.rows; k++) {
    for (let i = 0; i < a.columns; i++) {
      const factor = a.data[k * a.columns + i];
      if (factor === 0) continue;
      for (let j = 0; j < b.columns; j++) data[i * b.columns + j] += factor * b.data[k * b.columns + j];
    }
  }
  return { rows: a.columns, columns: b.columns, data };
}

/** Gram-Schmidt over the columns, twice, since once loses what nearly parallel columns have left. */
function orthonormalize({ rows, columns, data }: Matrix): Matrix {
  const out = data.slice();
  const dot = (a: number, b: number): number => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += out[i * columns + a] * out[i * columns + b];
    return sum;
  };
  for (let j = 0; j < columns; j++) {
    const size = Math.sqrt(dot(j, j));
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        const share = dot(j, k);
        if (share === 0) continue;
        for (let i = 0; i < rows; i++) out[i * columns + j] -= share * out[i * columns + k];
      }
    }
    const left = Math.sqrt(dot(j, j));
    // What is left of a dependent column is rounding: as a direction it would be made up.
    const factor = left > 1e-12 * size && left > 0 ? 1 / left : 0;
    for (let i = 0; i < rows; i++) out[i * columns + j] *= factor;
  }
  return { rows, columns, data: out };
}

/** Eigenvalues and vectors (in columns) of a symmetric matrix by cyclic Jacobi rotations. */
function toEigen({ rows: size, data }: Matrix): { readonly values: number[]; readonly vectors: Float64Array } {
  const a = data.slice();
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * size + i] = 1;
  const scale = a.reduce((sum, value) => sum + value * value, 0);
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        off += a[p * size + q] ** 2;
        rotate(a, vectors, size, p, q);
      }
    }
    if (off <= 1e-30 * scale) break;
  }
  return { values: Array.from({ length: size }, (_, i) => a[i * size + i]), vectors };
}

function rotate(a: Float64Array, vectors: Float64Array, size: number, p: number, q: number): void {
  const cross = a[p * size + q];
  if (cross === 0) return;
  const theta = (a[q * size + q] - a[p * size + p]) / (2 * cross);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  const turn = (m: Float64Array, i: number, j: number): void => {
    const [x, y] = [m[i], m[j]];
    m[i] = c * x - s * y;
    m[j] = s * x + c * y;
  };
  for (let k = 0; k < size; k++) turn(a, k * size + p, k * size + q);
  for (let k = 0; k < size; k++) turn(a, p * size + k, q * size + k);
  for (let k = 0; k < size; k++) turn(vectors, k * size + p, k * size + q);
}

/**
 * How many directions hold the change up to `noise`, the squared size of what rounding alone adds; null when that is
 * more than a third of the sides, or than can be seen.
 */
export function findRank({ energies, total }: Spectrum, sides: number, noise: number): number | null {
  const rest = Math.max(noise, 1e-10 * total);
  let left = total;
  for (let rank = 0; rank < energies.length; rank++) {
    if (left <= rest) return rank >= 1 && 3 * rank <= sides ? rank : null;
    left -= energies[rank];
  }
  return null;
}
