/** How alike a channel of the original and one of the suspect are, over everything that already lines up (docs/spec/watermark.md §7.2). */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { toPrfBytes } from '../core/prf.ts';
import type { SimilarityMatrix } from './assignment.ts';
import type { Lattice } from './lattice.ts';

/** One side of a layer for one model: `rows` are the channels to compare; columns are entries that line up already. */
export interface Side {
  readonly lattice: Lattice;
  readonly side: 'out' | 'in';
  /** Axis entries of each channel, [channels * inner]; the t-th entry of channel c is `entries[c * inner + t]`. */
  readonly entries: Int32Array;
  readonly inner: number;
  /** Entries of the other axis, in the same order for both models; -1 where this model has none. */
  readonly others: Int32Array;
  /** How much each other entry counts, the same for both models; all alike when left out. */
  readonly weights?: Float32Array | undefined;
}

/** Rounds of alternating row and column normalisation; two leave scales of e^±1 below a percent. */
const BALANCE_ROUNDS = 2;
/** A fixed public key: folding must not depend on any secret. */
const FOLD_KEY = new Uint8Array(32);
const FOLD_DOMAIN = 0xa1;

/**
 * Adds the cosines of `ours` against `theirs`, each weighted by the number of features behind it: under independent
 * noise per weight, that is the log-likelihood ratio up to a constant.
 * @returns that weight: what two channels that are the same get
 */
export function addSimilarities(
  into: SimilarityMatrix,
  ours: Side,
  theirs: Side,
  featuresMax = toFeaturesMax(ours.entries.length / ours.inner),
): number {
  const a = toFeatures(ours, featuresMax);
  const b = toFeatures(theirs, featuresMax);
  if (a.width !== b.width) throw new Error('internal error: the sides do not line up');
  addProducts(into, a, b, a.width);
  return a.width;
}

function toFeaturesMax(channels: number): number {
  return channels > ALIGN_LIMITS.manyChannels ? ALIGN_LIMITS.featuresMany : ALIGN_LIMITS.featuresMax;
}

interface Features {
  readonly rows: number;
  readonly width: number;
  readonly values: Float32Array;
}

/**
 * Rows of features of unit length. Rows and columns are balanced first (Sinkhorn), which is equal for a layer and its
 * copy with rescaled neurons; long rows are folded to 1,024 sums with fixed signs, which keeps angles within 0.03 (256 and 0.06 for many
 * channels: the products of all pairs are what takes the time).
 */
function toFeatures(own: Side, widthMax: number): Features {
  const { lattice, side, entries, inner, others, weights } = own;
  const rows = entries.length / inner;
  const places = lattice.kernel.length;
  const featureCount = inner * others.length * places;
  const width = Math.min(featureCount, widthMax);
  const fold = width < featureCount ? createFold(featureCount) : null;
  const values = new Float32Array(rows * width);
  const [rowScale, columnScale] = toBalance(own);
  for (let row = 0; row < rows; row++) {
    for (let t = 0; t < inner; t++) {
      for (let j = 0; j < others.length; j++) {
        const base = toBase(lattice, side, entries[row * inner + t], others[j]);
        if (base < 0) continue;
        const scale = rowScale[row] * columnScale[j] * (weights === undefined ? 1 : Math.sqrt(weights[j]));
        const first = (t * others.length + j) * places;
        for (let k = 0; k < places; k++) {
          const value = lattice.values[base + lattice.kernel[k]] * scale;
          if (fold === null) values[row * width + first + k] = value;
          else
            values[row * width + ((first + k) % width)] +=
              fold[(first + k) >> 3] & (1 << ((first + k) & 7)) ? value : -value;
        }
      }
    }
  }
  normaliseRows(values, rows, width);
  return { rows, width, values };
}

function toBase(lattice: Lattice, side: 'out' | 'in', own: number, other: number): number {
  if (own < 0 || other < 0) return -1;
  return side === 'out' ? lattice.toIndex(own, other) : lattice.toIndex(other, own);
}

function createFold(featureCount: number): Uint8Array {
  return toPrfBytes(FOLD_KEY, { domain: FOLD_DOMAIN, index: 0 }, Math.ceil(featureCount / 8));
}

function normaliseRows(values: Float32Array, rows: number, width: number): void {
  for (let row = 0; row < rows; row++) {
    const part = values.subarray(row * width, (row + 1) * width);
    let squares = 0;
    for (const value of part) squares += value * value;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = 0; i < width; i++) part[i] *= scale;
  }
}

/**
 * Row scales (per channel) and column scales (per other entry) that bring both to unit mean square. Weighted entries are
 * balanced first: where weight decay shrank some by 16 digits, rows would else take the scale of the others alone.
 */
export function toBalance({ lattice, side, entries, inner, others, weights }: Side): [Float64Array, Float64Array] {
  const rows = entries.length / inner;
  const squares = toSquares({ lattice, side, entries, inner, others });
  const rowScale = new Float64Array(rows).fill(1);
  const columnScale = new Float64Array(others.length).fill(1);
  const balanceRows = (): void => {
    balance(rowScale, columnScale, (row, column) => squares[row * others.length + column]);
  };
  const balanceColumns = (): void => {
    balance(columnScale, rowScale, (column, row) => squares[row * others.length + column]);
  };
  const steps = weights === undefined ? [balanceRows, balanceColumns] : [balanceColumns, balanceRows];
  for (let round = 0; round < BALANCE_ROUNDS; round++) for (const step of steps) step();
  return [rowScale, columnScale];
}

/** Sum of squares over inner entries and kernel places, per channel and other entry. */
function toSquares({ lattice, side, entries, inner, others }: Side): Float32Array {
  const rows = entries.length / inner;
  const squares = new Float32Array(rows * others.length);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < others.length; j++) {
      let sum = 0;
      for (let t = 0; t < inner; t++) {
        const base = toBase(lattice, side, entries[row * inner + t], others[j]);
        if (base < 0) continue;
        for (const offset of lattice.kernel) sum += lattice.values[base + offset] ** 2;
      }
      squares[row * others.length + j] = sum;
    }
  }
  return squares;
}

/** Sets `own` so that Σ_other square · own² · other² is the mean over all; a line of zeros gets 0. */
function balance(own: Float64Array, other: Float64Array, square: (own: number, other: number) => number): void {
  for (let i = 0; i < own.length; i++) {
    let sum = 0;
    for (let j = 0; j < other.length; j++) sum += square(i, j) * other[j] * other[j];
    own[i] = sum > 0 ? Math.sqrt(other.length / sum) : 0;
  }
}

/** Rows and columns of a block of products: their sums stay in registers, and each value loaded is used four times. */
const TILE = 4;

/**
 * Adds weight · a bᵀ. Every product is one sum over the features in their order, whatever the block it is computed in, so
 * that results do not depend on the tiling.
 */
function addProducts(into: SimilarityMatrix, a: Features, b: Features, weight: number): void {
  for (let r = 0; r < a.rows; r += TILE) {
    for (let c = 0; c < b.rows; c += TILE) {
      if (r + TILE <= a.rows && c + TILE <= b.rows) addTile(into, a, b, weight, r, c);
      else addEdge(into, a, b, weight, r, c);
    }
  }
}

function addEdge(into: SimilarityMatrix, a: Features, b: Features, weight: number, row: number, column: number): void {
  const { width } = a;
  for (let r = row; r < Math.min(row + TILE, a.rows); r++) {
    for (let c = column; c < Math.min(column + TILE, b.rows); c++) {
      let sum = 0;
      const [from, to] = [r * width, c * width];
      for (let i = 0; i < width; i++) sum += a.values[from + i] * b.values[to + i];
      into.values[r * into.columns + c] += weight * sum;
    }
  }
}

/** Four rows by two columns, twice: more sums than that leave the registers. */
function addTile(into: SimilarityMatrix, a: Features, b: Features, weight: number, row: number, column: number): void {
  const { width, values: left } = a;
  const { values: right } = b;
  const [r0, r1, r2, r3] = [row * width, (row + 1) * width, (row + 2) * width, (row + 3) * width];
  for (let c = column; c < column + TILE; c += 2) {
    const [c0, c1] = [c * width, (c + 1) * width];
    let [s00, s01, s10, s11, s20, s21, s30, s31] = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < width; i++) {
      const [b0, b1] = [right[c0 + i], right[c1 + i]];
      s00 += left[r0 + i] * b0;
      s01 += left[r0 + i] * b1;
      s10 += left[r1 + i] * b0;
      s11 += left[r1 + i] * b1;
      s20 += left[r2 + i] * b0;
      s21 += left[r2 + i] * b1;
      s30 += left[r3 + i] * b0;
      s31 += left[r3 + i] * b1;
    }
    const at = row * into.columns + c;
    const { values, columns } = into;
    values[at] += weight * s00;
    values[at + 1] += weight * s01;
    values[at + columns] += weight * s10;
    values[at + columns + 1] += weight * s11;
    values[at + 2 * columns] += weight * s20;
    values[at + 2 * columns + 1] += weight * s21;
    values[at + 3 * columns] += weight * s30;
    values[at + 3 * columns + 1] += weight * s31;
  }
}

/** Weight of one number per channel, in features; it decides between channels that the weights cannot tell apart. */
const SCALAR_WEIGHT = 2;

/** Adds the likeness of one number per channel (bias, mean, …), in units of the original's spread. */
export function addScalarSimilarities(into: SimilarityMatrix, ours: Float64Array, theirs: Float64Array): void {
  const mean = ours.reduce((sum, value) => sum + value, 0) / Math.max(1, ours.length);
  const spread = Math.sqrt(ours.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, ours.length));
  if (!(spread > 0)) return;
  for (let r = 0; r < ours.length; r++) {
    for (let c = 0; c < theirs.length; c++) {
      const far = (ours[r] - theirs[c]) / spread;
      into.values[r * into.columns + c] += SCALAR_WEIGHT * Math.exp(-2 * far * far);
    }
  }
}
