/** Small dense matrices, row-major: what the insides of heads are compared and solved with. */

/** A [rows, rows] product of two matrices [rows, columns]: a · bᵀ. */
export function multiplyTurned(a: Float32Array, b: Float32Array, rows: number): Float64Array {
  const columns = a.length / rows;
  const product = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += a[i * columns + k] * b[j * columns + k];
      product[i * rows + j] = sum;
    }
  }
  return product;
}

/** `m` [rows, rows] times `b` [rows, columns]. */
export function mixRows(m: Float64Array, b: Float32Array, rows: number): Float32Array {
  const columns = b.length / rows;
  const mixed = new Float32Array(b.length);
  for (let i = 0; i < rows; i++) {
    const into = mixed.subarray(i * columns, (i + 1) * columns);
    for (let j = 0; j < rows; j++) {
      const factor = m[i * rows + j];
      for (let k = 0; k < columns; k++) into[k] += factor * b[j * columns + k];
    }
  }
  return mixed;
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
