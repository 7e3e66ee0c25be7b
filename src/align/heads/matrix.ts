/** Small dense matrices, row-major: what the insides of heads are compared and solved with. */

/** A [rows, rows] product of two matrices [rows, columns]: a · bᵀ. Every number is one sum over the columns in their order. */
export function multiplyTurned(a: Float32Array, b: Float32Array, rows: number): Float64Array {
  const product = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = a === b ? i - (i % 4) : 0; j < rows; j += 4) addFour(product, a, b, { rows, i, j });
  }
  if (a === b) for (let i = 0; i < rows; i++) for (let j = 0; j < i; j++) product[i * rows + j] = product[j * rows + i];
  return product;
}

/** The products of row `i` with up to four rows from `j`, which share what is loaded of row `i`. */
function addFour(
  product: Float64Array,
  a: Float32Array,
  b: Float32Array,
  { rows, i, j }: { readonly rows: number; readonly i: number; readonly j: number },
): void {
  const columns = a.length / rows;
  const from = i * columns;
  const last = (rows - 1) * columns;
  const [r0, r1, r2, r3] = [0, 1, 2, 3].map((k) => Math.min(last, (j + k) * columns));
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let k = 0; k < columns; k++) {
    const value = a[from + k];
    s0 += value * b[r0 + k];
    s1 += value * b[r1 + k];
    s2 += value * b[r2 + k];
    s3 += value * b[r3 + k];
  }
  product.set([s0, s1, s2, s3].slice(0, Math.min(4, rows - j)), i * rows + j);
}

/** `m` [rows, rows] times `b` [rows, columns]. */
export function mixRows(m: Float64Array, b: Float32Array, rows: number): Float32Array {
  const columns = b.length / rows;
  const mixed = new Float32Array(b.length);
  for (let i = 0; i < rows; i++) {
    addMixed(mixed.subarray(i * columns, (i + 1) * columns), m.subarray(i * rows, (i + 1) * rows), b);
  }
  return mixed;
}

/** Adds Σ factors[j] · b_j to a row, one after the other and each sum as a single; `b` [factors, columns]. */
export function addMixed(into: Float32Array, factors: Float64Array, b: Float32Array): void {
  const columns = into.length;
  let j = 0;
  for (; j + 4 <= factors.length; j += 4) {
    const [f0, f1, f2, f3] = [factors[j], factors[j + 1], factors[j + 2], factors[j + 3]];
    const [r0, r1, r2, r3] = [j * columns, (j + 1) * columns, (j + 2) * columns, (j + 3) * columns];
    for (let k = 0; k < columns; k++) {
      let sum = Math.fround(into[k] + f0 * b[r0 + k]);
      sum = Math.fround(sum + f1 * b[r1 + k]);
      sum = Math.fround(sum + f2 * b[r2 + k]);
      into[k] = sum + f3 * b[r3 + k];
    }
  }
  for (; j < factors.length; j++) {
    for (let k = 0; k < columns; k++) into[k] += factors[j] * b[j * columns + k];
  }
}

export function transpose(m: Float64Array, rows: number): Float64Array {
  const columns = m.length / rows;
  return Float64Array.from(m, (_, at) => m[(at % rows) * columns + Math.floor(at / rows)]);
}

/**
 * x with m · x = b by elimination with row pivots, m [rows, rows], b [rows, columns].
 * @returns null when m is singular within rounding
 */
export function solve(m: Float64Array, b: Float64Array, rows: number): Float64Array | null {
  const columns = b.length / rows;
  const [left, right] = [m.slice(), b.slice()];
  const largest = left.reduce((a, value) => Math.max(a, Math.abs(value)), 0);
  for (let step = 0; step < rows; step++) {
    let pivot = step;
    for (let row = step + 1; row < rows; row++) {
      if (Math.abs(left[row * rows + step]) > Math.abs(left[pivot * rows + step])) pivot = row;
    }
    if (!(Math.abs(left[pivot * rows + step]) > SINGULAR * largest)) return null;
    swapRows(left, rows, step, pivot);
    swapRows(right, columns, step, pivot);
    for (let row = 0; row < rows; row++) {
      const factor = row === step ? 0 : left[row * rows + step] / left[step * rows + step];
      if (factor === 0) continue;
      for (let k = step; k < rows; k++) left[row * rows + k] -= factor * left[step * rows + k];
      for (let k = 0; k < columns; k++) right[row * columns + k] -= factor * right[step * columns + k];
    }
  }
  return right.map((value, at) => value / left[Math.floor(at / columns) * (rows + 1)]);
}

const SINGULAR = 1e-12;

function swapRows(m: Float64Array, columns: number, a: number, b: number): void {
  if (a === b) return;
  const kept = m.slice(a * columns, (a + 1) * columns);
  m.copyWithin(a * columns, b * columns, (b + 1) * columns);
  m.set(kept, b * columns);
}
