/** Matrices that mix the entries of a head without changing what it computes. */
import { type Rng, shuffledOrder } from '../../rng.ts';

/** Both [width, width], row-major: forth · x on one side of a product needs `back` · y, back = forth⁻ᵀ, on the other. */
export interface Mixing {
  readonly forth: Float64Array;
  readonly back: Float64Array;
}

/**
 * signed: places, signs and scales. general: scales between two rotations, which is any invertible matrix. Scales are e^u, u
 * uniform in ± logScaleMax, so that no entry is lost to rounding.
 */
export function createMixing(kind: 'signed' | 'general', width: number, rng: Rng, logScaleMax = 1): Mixing {
  const scales = Float64Array.from({ length: width }, () => {
    const sign = kind === 'signed' && rng.uniform() < 0.5 ? -1 : 1;
    return sign * Math.exp(rng.between(-logScaleMax, logScaleMax));
  });
  const [first, second] =
    kind === 'signed' ? [toPlaces(width, rng), toPlaces(width)] : [rotate(width, rng), rotate(width, rng)];
  const join = (factor: (scale: number) => number): Float64Array =>
    Float64Array.from({ length: width * width }, (_, at) => {
      const [row, column] = [Math.floor(at / width), at % width];
      let sum = 0;
      for (let i = 0; i < width; i++) sum += first[row * width + i] * factor(scales[i]) * second[i * width + column];
      return sum;
    });
  return { forth: join((scale) => scale), back: join((scale) => 1 / scale) };
}

/** For each rotary pair (i, i + width / 2) a turn by any angle and a scale: what every turn of the pair commutes with. */
export function createPairMixing(width: number, rng: Rng, logScaleMax = 1): Mixing {
  const [forth, back] = [new Float64Array(width * width), new Float64Array(width * width)];
  const half = width / 2;
  for (let i = 0; i < half; i++) {
    const [angle, scale] = [rng.between(0, 2 * Math.PI), Math.exp(rng.between(-logScaleMax, logScaleMax))];
    for (const [matrix, factor] of [
      [forth, scale],
      [back, 1 / scale],
    ] as const) {
      const [x, y] = [factor * Math.cos(angle), factor * Math.sin(angle)];
      matrix[i * width + i] = x;
      matrix[i * width + half + i] = -y;
      matrix[(half + i) * width + i] = y;
      matrix[(half + i) * width + half + i] = x;
    }
  }
  return { forth, back };
}

function toPlaces(width: number, rng?: Rng): Float64Array {
  const order = rng === undefined ? undefined : shuffledOrder(width, rng);
  const places = new Float64Array(width * width);
  for (let row = 0; row < width; row++) places[row * width + (order?.[row] ?? row)] = 1;
  return places;
}

/** A random orthogonal matrix: Gaussian rows, made orthogonal one after the other. */
function rotate(width: number, rng: Rng): Float64Array {
  const rows = Float64Array.from({ length: width * width }, () => rng.gaussian());
  for (let row = 0; row < width; row++) {
    const own = rows.subarray(row * width, (row + 1) * width);
    for (let before = 0; before < row; before++) {
      const other = rows.subarray(before * width, (before + 1) * width);
      const product = own.reduce((sum, value, at) => sum + value * other[at], 0);
      own.forEach((value, at) => (own[at] = value - product * other[at]));
    }
    const length = Math.hypot(...own);
    own.forEach((value, at) => (own[at] = value / length));
  }
  return rows;
}
