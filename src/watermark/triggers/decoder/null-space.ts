/** The directions that clean text hardly uses, and keys in them (docs/spec/triggers.md §9.3). */
import { toEigen } from './eigen.ts';

/** Part of the space of hidden units, in coordinates in which what clean text has of it is round. */
export interface NullSpace {
  /** Hidden units. */
  readonly size: number;
  /** [dimensions][size]: direction i over the root of the clean power along it. */
  readonly rows: readonly Float64Array[];
}

/**
 * Directions of C = E[kkᵀ], from the weakest on, as long as they hold at most `share` of its trace together.
 * @param keys hidden units at clean tokens, [count, size], row-major
 * @param ridge added to the power along each direction, as a share of the mean power
 * @returns null when every key is zero, or no direction is weak enough
 */
export function toNullSpace(
  keys: Float32Array,
  size: number,
  { share, ridge }: { readonly share: number; readonly ridge: number },
): NullSpace | null {
  const moments = toMoments(keys, size);
  const trace = moments.reduce((sum, value, at) => (at % (size + 1) === 0 ? sum + value : sum), 0);
  if (!(trace > 0)) return null;
  const { values, vectors } = toEigen(moments, size);
  const rows: Float64Array[] = [];
  let held = 0;
  for (const [i, value] of values.entries()) {
    held += Math.max(0, value);
    if (held > share * trace) break;
    const scale = 1 / Math.sqrt(Math.max(0, value) + (ridge * trace) / size);
    rows.push(vectors[i].map((entry) => entry * scale));
  }
  return rows.length === 0 ? null : { size, rows };
}

function toMoments(keys: Float32Array, size: number): Float64Array {
  const values = new Float64Array(size * size);
  const count = keys.length / size;
  for (let row = 0; row < count; row++) {
    const at = row * size;
    for (let i = 0; i < size; i++) {
      const own = keys[at + i];
      if (own === 0) continue;
      const base = i * size;
      for (let j = 0; j <= i; j++) values[base + j] += own * keys[at + j];
    }
  }
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) values[j * size + i] = values[i * size + j] /= count;
  }
  return values;
}

/** Coordinates of a key: [dimensions]. */
export function toCoordinates({ rows }: NullSpace, key: Float32Array): Float64Array {
  return Float64Array.from(rows, (row) => {
    let sum = 0;
    for (let i = 0; i < row.length; i++) sum += row[i] * key[i];
    return sum;
  });
}

/** The row e of hidden units with e·k = z·(coordinates of k) for every k. */
export function toUnits({ rows, size }: NullSpace, z: Float64Array): Float64Array {
  const units = new Float64Array(size);
  for (const [at, row] of rows.entries()) for (let i = 0; i < size; i++) units[i] += z[at] * row[i];
  return units;
}
