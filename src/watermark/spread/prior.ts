/**
 * What is taken for granted about layers whose inputs nobody has seen: how strong a change each takes, and how the places
 * of a kernel go together (docs/spec/watermark.md §4.6).
 */
import type { Layer } from '../../align/index.ts';

/** Likeness of neighbouring places of a feature map; it falls with every step between them. */
const NEIGHBOUR_LIKENESS = 0.5;
/** Added to each place's own power before inverting, as {@link toPlaceMixer} says. */
const PLACE_RIDGE = 0.3;
/** Kernels of more places than this are left as they are: 7 x 7. */
const PLACES_MAX = 49;
/** Strength grows with this power of a layer's size, within `STRENGTH_RANGE` of the mean. */
const SIZE_POWER = 0.6;
const STRENGTH_RANGE = 4;

/**
 * Strength of each layer relative to the others, by its number of weights. A change of one share of the weights moves the
 * outputs about as much in a small layer as in a large one, but carries the less of the mark the fewer weights it has: so
 * first layers, depthwise kernels and other small ones take less.
 * @param counts elements of each layer
 */
export function toSizeStrengths(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const mean = counts.reduce((sum, count) => sum + count * Math.log(count), 0) / total;
  const bound = Math.log(STRENGTH_RANGE);
  return counts.map((count) => Math.exp(Math.max(-bound, Math.min(bound, SIZE_POWER * (Math.log(count) - mean)))));
}

/** The places of a kernel inside a row of features: feature = channel · channelStep + place · placeStep. */
export interface Places {
  readonly count: number;
  readonly placeStep: number;
  readonly channelStep: number;
  /** [count, count], row-major: what becomes of a change at the places of one channel. */
  readonly mixer: Float64Array;
}

/** Null for a layer without places, or with too many. */
export function findPlaces({ kind, shape, outAxis, inAxis }: Layer, features: number): Places | null {
  if ((kind !== 'conv' && kind !== 'plain') || outAxis === null || inAxis === null) return null;
  const axes = shape.map((_, axis) => axis).filter((axis) => axis !== outAxis && axis !== inAxis);
  const dims = axes.map((axis) => shape[axis]);
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count <= 1 || count > PLACES_MAX) return null;
  const isChannelFirst = inAxis < axes[0];
  const steps = isChannelFirst ? { placeStep: 1, channelStep: count } : { placeStep: features / count, channelStep: 1 };
  return { count, ...steps, mixer: toPlaceMixer(dims) };
}

/**
 * (S + ridge)^-1 with S = likeness^distance between places, scaled to a mean diagonal of 1: the minimiser of zᵀ(S + ridge)z
 * at a given margin. Neighbouring inputs are alike, so changes that alternate cancel, and those of one sign add up.
 */
function toPlaceMixer(dims: readonly number[]): Float64Array {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const places = Array.from({ length: count }, (_, place) => {
    let left = place;
    return dims.map((_, i) => {
      const dim = dims[dims.length - 1 - i];
      const at = left % dim;
      left = Math.floor(left / dim);
      return at;
    });
  });
  const matrix = places.map((a, i) =>
    places.map(
      (b, j) => NEIGHBOUR_LIKENESS ** Math.hypot(...a.map((at, axis) => at - b[axis])) + (i === j ? PLACE_RIDGE : 0),
    ),
  );
  const inverse = invert(matrix);
  const mean = inverse.reduce((sum, row, i) => sum + row[i], 0) / count;
  return Float64Array.from(inverse.flat(), (value) => value / mean);
}

/** Gauss-Jordan without pivoting: the matrix is positive definite. */
function invert(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let pivot = 0; pivot < size; pivot++) {
    const scale = rows[pivot][pivot];
    rows[pivot] = rows[pivot].map((value) => value / scale);
    for (let i = 0; i < size; i++) {
      const factor = i === pivot ? 0 : rows[i][pivot];
      if (factor !== 0) rows[i] = rows[i].map((value, j) => value - factor * rows[pivot][j]);
    }
  }
  return rows.map((row) => row.slice(size));
}

/** Mixes the places of every channel of one row of features, in place. */
export function mixPlaces({ count, placeStep, channelStep, mixer }: Places, row: Float64Array): void {
  const channels = row.length / count;
  const before = new Float64Array(count);
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * channelStep;
    for (let place = 0; place < count; place++) before[place] = row[start + place * placeStep];
    for (let place = 0; place < count; place++) {
      let sum = 0;
      for (let other = 0; other < count; other++) sum += mixer[place * count + other] * before[other];
      row[start + place * placeStep] = sum;
    }
  }
}
