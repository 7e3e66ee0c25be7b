/** Second moments of features, and the space in which they are round. */

/** A lower triangle L with C = L·Lᵀ, [size, size], row-major; above the diagonal nothing is read. */
export interface Triangle {
  readonly size: number;
  readonly values: Float64Array;
}

/**
 * C = Σ wᵢ hᵢhᵢᵀ / Σ wᵢ + λ · (mean of its diagonal) · I, as its Cholesky factor.
 * @param rows [count, size], row-major
 * @param weights of the rows; null counts all alike
 * @returns null when every row is zero
 */
export function toMomentFactor(
  rows: Float32Array,
  size: number,
  { lambda, weights }: { readonly lambda: number; readonly weights: Float64Array | null },
): Triangle | null {
  const values = new Float64Array(size * size);
  const count = rows.length / size;
  let total = 0;
  for (let row = 0; row < count; row++) {
    const weight = weights === null ? 1 : weights[row];
    total += weight;
    const at = row * size;
    for (let i = 0; i < size; i++) {
      const scaled = weight * rows[at + i];
      if (scaled === 0) continue;
      const base = i * size;
      for (let j = 0; j <= i; j++) values[base + j] += scaled * rows[at + j];
    }
  }
  let trace = 0;
  for (let i = 0; i < size; i++) trace += values[i * size + i];
  if (!(trace > 0) || !(total > 0)) return null;
  const ridge = (lambda * trace) / total / size;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) values[i * size + j] /= total;
    values[i * size + i] += ridge;
  }
  factorize(values, size);
  return { size, values };
}

/** Cholesky in place, row by row. */
function factorize(values: Float64Array, size: number): void {
  for (let i = 0; i < size; i++) {
    const own = i * size;
    for (let j = 0; j <= i; j++) {
      const other = j * size;
      let sum = values[own + j];
      for (let k = 0; k < j; k++) sum -= values[own + k] * values[other + k];
      values[own + j] = i === j ? Math.sqrt(sum) : sum / values[other + j];
    }
  }
}

/** z = L⁻¹·h: in the space of z, C is the identity. */
export function whiten({ size, values }: Triangle, row: Float32Array): Float64Array {
  const z = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const at = i * size;
    let sum = row[i];
    for (let k = 0; k < i; k++) sum -= values[at + k] * z[k];
    z[i] = sum / values[at + i];
  }
  return z;
}

/** x = L⁻ᵀ·z, so that x·h = z·(L⁻¹·h). */
export function unwhiten({ size, values }: Triangle, z: Float64Array): Float64Array {
  const x = Float64Array.from(z);
  for (let i = size - 1; i >= 0; i--) {
    x[i] /= values[i * size + i];
    const share = x[i];
    if (share === 0) continue;
    for (let k = 0; k < i; k++) x[k] -= values[i * size + k] * share;
  }
  return x;
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
