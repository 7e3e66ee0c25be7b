/** Principal directions of a layer's inputs, by orthogonal iteration on samples: no matrix of features² is ever formed. */

/** Passes over the samples; the leading directions of real layers settle in a few. */
const PASSES = 8;

export interface Directions {
  /** Orthonormal rows, [rank, features]. */
  readonly vectors: Float64Array;
  /** Mean square of the rows along each, descending but for ties. */
  readonly powers: Float64Array;
  /** Mean square of one entry of the rows. */
  readonly meanPower: number;
}

/**
 * The `rank` directions along which `rows` have the largest mean square (not centred: a mean shifts outputs as much as
 * a spread does).
 * @param rows [count, features], row-major
 * @see Y. Saad, "Numerical Methods for Large Eigenvalue Problems" (2011), §5.1
 */
export function toDirections(rows: Float32Array, features: number, rank: number): Directions {
  const count = rows.length / features;
  const vectors = createStart(rank, features);
  const powers = new Float64Array(rank);
  orthonormalize(vectors, features);
  for (let pass = 0; pass < PASSES; pass++) {
    const next = multiply(rows, vectors, features);
    for (let k = 0; k < rank; k++) powers[k] = dot(next, vectors, k * features, k * features, features) / count;
    vectors.set(next);
    orthonormalize(vectors, features);
  }
  let square = 0;
  for (const value of rows) square += value * value;
  return { vectors, powers, meanPower: square / rows.length };
}

/** Fixed start values without structure, so that equal samples give equal directions. */
function createStart(rank: number, features: number): Float64Array {
  let state = 0x9e3779b9;
  return Float64Array.from({ length: rank * features }, () => {
    // xorshift32 (Marsaglia, 2003); nothing here needs to be unpredictable.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32 - 0.5;
  });
}

/** Rows of `vectors` times rowsᵀ·rows. */
function multiply(rows: Float32Array, vectors: Float64Array, features: number): Float64Array {
  const next = new Float64Array(vectors.length);
  for (let at = 0; at < rows.length; at += features) {
    for (let k = 0; k < vectors.length; k += features) {
      let sum = 0;
      for (let i = 0; i < features; i++) sum += rows[at + i] * vectors[k + i];
      if (sum === 0) continue;
      for (let i = 0; i < features; i++) next[k + i] += sum * rows[at + i];
    }
  }
  return next;
}

function dot(a: Float64Array, b: Float64Array, atA: number, atB: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[atA + i] * b[atB + i];
  return sum;
}

/** Gram-Schmidt in place; a direction that others already span becomes zero. */
function orthonormalize(vectors: Float64Array, features: number): void {
  for (let k = 0; k < vectors.length; k += features) {
    const before = Math.sqrt(dot(vectors, vectors, k, k, features));
    for (let other = 0; other < k; other += features) {
      const share = dot(vectors, vectors, k, other, features);
      for (let i = 0; i < features; i++) vectors[k + i] -= share * vectors[other + i];
    }
    const norm = Math.sqrt(dot(vectors, vectors, k, k, features));
    const scale = norm > 1e-9 * before && norm > 0 ? 1 / norm : 0;
    for (let i = 0; i < features; i++) vectors[k + i] *= scale;
  }
}
