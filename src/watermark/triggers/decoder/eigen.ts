/** Eigenvalues and vectors of a symmetric matrix: Householder to three diagonals, then implicit QL. */

export interface Eigen {
  /** Ascending. */
  readonly values: Float64Array;
  /** Orthonormal rows, [size][size], in the order of the values. */
  readonly vectors: readonly Float64Array[];
}

/** Turns that one eigenvalue may take; usual matrices need two or three. */
const TURNS_MAX = 60;

/**
 * @param matrix [size, size], row-major, symmetric; it is overwritten
 * @see G. H. Golub, C. F. Van Loan, "Matrix Computations" (2013), §8.3
 */
export function toEigen(matrix: Float64Array, size: number): Eigen {
  const { diagonal, beside, vectors } = toTridiagonal(matrix, size);
  turnToDiagonal(diagonal, beside, vectors);
  const order = [...diagonal.keys()].sort((a, b) => diagonal[a] - diagonal[b]);
  return { values: Float64Array.from(order, (i) => diagonal[i]), vectors: order.map((i) => vectors[i]) };
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** beside[i] couples i and i + 1. */
  readonly beside: Float64Array;
  /** Rows of Qᵀ: matrix = Q·T·Qᵀ. */
  readonly vectors: Float64Array[];
}

/** One reflection for each column; only the lower triangle is kept up to date. */
function toTridiagonal(matrix: Float64Array, size: number): Tridiagonal {
  const row = (i: number): Float64Array => matrix.subarray(i * size, (i + 1) * size);
  const reflections: Float64Array[] = [];
  const diagonal = new Float64Array(size);
  const beside = new Float64Array(size);
  for (let column = 0; column + 1 < size; column++) {
    diagonal[column] = matrix[column * size + column];
    const v = new Float64Array(size);
    for (let i = column + 1; i < size; i++) v[i] = matrix[i * size + column];
    const length = Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
    const target = v[column + 1] > 0 ? -length : length;
    beside[column] = target;
    v[column + 1] -= target;
    const norm = Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
    // A column that is zero already needs no reflection.
    for (let i = column + 1; i < size; i++) v[i] = norm > 0 ? v[i] / norm : 0;
    reflections.push(v);
    reflectBothSides(row, v, column + 1, size);
  }
  diagonal[size - 1] = matrix[size * size - 1];
  return { diagonal, beside, vectors: gather(reflections, size) };
}

/** A ← H·A·H with H = I - 2vvᵀ, below `first`, through w = 2(Av - (vᵀAv)v): A ← A - vwᵀ - wvᵀ. */
function reflectBothSides(row: (i: number) => Float64Array, v: Float64Array, first: number, size: number): void {
  const w = new Float64Array(size);
  for (let i = first; i < size; i++) {
    const own = row(i);
    let sum = 0;
    for (let j = first; j < i; j++) {
      sum += own[j] * v[j];
      w[j] += own[j] * v[i];
    }
    w[i] += sum + own[i] * v[i];
  }
  let along = 0;
  for (let i = first; i < size; i++) along += w[i] * v[i];
  for (let i = first; i < size; i++) w[i] = 2 * (w[i] - along * v[i]);
  for (let i = first; i < size; i++) {
    const own = row(i);
    const a = v[i];
    const b = w[i];
    for (let j = first; j <= i; j++) own[j] -= a * w[j] + b * v[j];
  }
}

/** Rows of Qᵀ = … H₂H₁, made from the last reflection on, where most is still the identity. */
function gather(reflections: readonly Float64Array[], size: number): Float64Array[] {
  const rows = Array.from({ length: size }, (_, i) => new Float64Array(size).fill(1, i, i + 1));
  for (let at = reflections.length - 1; at >= 0; at--) {
    const v = reflections[at];
    // Rows of Qᵀ are columns of Q; H acts on each of them.
    for (let i = at + 1; i < size; i++) {
      const own = rows[i];
      let sum = 0;
      for (let j = at + 1; j < size; j++) sum += own[j] * v[j];
      if (sum === 0) continue;
      for (let j = at + 1; j < size; j++) own[j] -= 2 * sum * v[j];
    }
  }
  return rows;
}

function turnToDiagonal(d: Float64Array, e: Float64Array, vectors: readonly Float64Array[]): void {
  const size = d.length;
  for (let first = 0; first < size; first++) {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      let last = first;
      while (last + 1 < size && Math.abs(e[last]) > Number.EPSILON * (Math.abs(d[last]) + Math.abs(d[last + 1])))
        last++;
      if (last === first) break;
      sweep(d, e, vectors, first, last);
    }
  }
}

/** One implicit QL step with Wilkinson's shift on the block from `first` to `last`. */
function sweep(d: Float64Array, e: Float64Array, vectors: readonly Float64Array[], first: number, last: number): void {
  const half = (d[first + 1] - d[first]) / (2 * e[first]);
  const root = Math.hypot(half, 1);
  let g = d[last] - d[first] + e[first] / (half + (half < 0 ? -root : root));
  let [s, c, p] = [1, 1, 0];
  for (let i = last - 1; i >= first; i--) {
    const [f, b] = [s * e[i], c * e[i]];
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1] -= p;
      e[last] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    const base = d[i + 1] - p;
    const mixed = (d[i] - base) * s + 2 * c * b;
    p = s * mixed;
    d[i + 1] = base + p;
    g = c * mixed - b;
    rotate(vectors[i], vectors[i + 1], c, s);
  }
  d[first] -= p;
  e[first] = g;
  e[last] = 0;
}

function rotate(low: Float64Array, high: Float64Array, c: number, s: number): void {
  for (let k = 0; k < low.length; k++) {
    const x = low[k];
    const y = high[k];
    high[k] = s * x + c * y;
    low[k] = c * x - s * y;
  }
}
