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
 * Adds the cosines of one model's channels against the other's, each weighted by the number of features behind it: under
 * independent noise per weight, that is the log-likelihood ratio up to a constant, and what two channels that are the same
 * get is the width.
 */
export function addFeatures(into: SimilarityMatrix, ours: Features, theirs: Features): void {
  if (ours.width !== theirs.width) throw new Error('internal error: the sides do not line up');
  addProducts(into, ours, theirs, ours.width);
}

/** Features of a channel that many of them are folded to. */
export function toFeaturesMax(channels: number): number {
  return channels > ALIGN_LIMITS.manyChannels ? ALIGN_LIMITS.featuresMany : ALIGN_LIMITS.featuresMax;
}

/** Channels as rows of numbers, each row of unit length. */
export interface Features {
  readonly rows: number;
  readonly width: number;
  readonly values: Float32Array;
}

/**
 * Rows of features of unit length. Rows and columns are balanced first (Sinkhorn), which is equal for a layer and its
 * copy with rescaled neurons; long rows are folded to 1,024 sums with fixed signs, which keeps angles within 0.03 (256 and 0.06 for many
 * channels: the products of all pairs are what takes the time).
 */
export function toFeatures(own: Side, widthMax: number): Features {
  const { lattice, entries, inner, others, weights } = own;
  const rows = entries.length / inner;
  const places = lattice.kernel.length;
  const featureCount = inner * others.length * places;
  const width = Math.min(featureCount, widthMax);
  const signs = width < featureCount ? createFold(featureCount) : null;
  const values = new Float32Array(rows * width);
  const [rowScale, columnScale] = toBalance(own);
  const roots = weights === undefined ? null : Float64Array.from(weights, (weight) => Math.sqrt(weight));
  fold(own, { values, width, signs, toScale: { rows: rowScale, columns: columnScale, roots } });
  normaliseRows(values, rows, width);
  return { rows, width, values };
}

interface Fold {
  readonly values: Float32Array;
  readonly width: number;
  /** Sign of each feature; null where none is folded. */
  readonly signs: Float32Array | null;
  readonly toScale: {
    readonly rows: Float64Array;
    readonly columns: Float64Array;
    readonly roots: Float64Array | null;
  };
}

/** Adds every weight, scaled, to the feature it belongs to; those of one feature in the order of the other entries. */
function fold(own: Side, into: Fold): void {
  const steps = findSteps(own);
  if (steps === null) foldKernels(own, into);
  else if (isOtherFirst(own)) foldColumns(own, steps, into);
  else foldRows(own, steps, into);
}

function foldKernels({ lattice, side, entries, inner, others }: Side, { values, width, signs, toScale }: Fold): void {
  const { rows: rowScale, columns: columnScale, roots } = toScale;
  const places = lattice.kernel.length;
  for (let row = 0; row < rowScale.length; row++) {
    for (let t = 0; t < inner; t++) {
      for (let j = 0; j < others.length; j++) {
        const base = toBase(lattice, side, entries[row * inner + t], others[j]);
        if (base < 0) continue;
        const scale = rowScale[row] * columnScale[j] * (roots === null ? 1 : roots[j]);
        const first = (t * others.length + j) * places;
        for (let k = 0; k < places; k++) {
          const value = lattice.values[base + lattice.kernel[k]] * scale;
          if (signs === null) values[row * width + first + k] = value;
          else values[row * width + ((first + k) % width)] += signs[first + k] * value;
        }
      }
    }
  }
}

function foldRows({ lattice, entries, inner, others }: Side, [step, otherStep]: Steps, into: Fold): void {
  const { values, width, signs, toScale } = into;
  const { rows: rowScale, columns: columnScale, roots } = toScale;
  for (let row = 0; row < rowScale.length; row++) {
    for (let t = 0; t < inner; t++) {
      const entry = entries[row * inner + t];
      if (entry < 0) continue;
      const first = t * others.length;
      let at = first % width;
      for (let j = 0; j < others.length; j++) {
        if (others[j] >= 0) {
          const scale = rowScale[row] * columnScale[j] * (roots === null ? 1 : roots[j]);
          const value = lattice.values[entry * step + others[j] * otherStep] * scale;
          values[row * width + at] += signs === null ? value : signs[first + j] * value;
        }
        at = at + 1 === width ? 0 : at + 1;
      }
    }
  }
}

function foldColumns({ lattice, entries, inner, others }: Side, [step, otherStep]: Steps, into: Fold): void {
  const { values, width, signs, toScale } = into;
  const { rows: rowScale, columns: columnScale, roots } = toScale;
  for (let t = 0; t < inner; t++) {
    for (let j = 0; j < others.length; j++) {
      if (others[j] < 0) continue;
      const feature = t * others.length + j;
      const [at, sign, first] = [feature % width, signs === null ? 1 : signs[feature], others[j] * otherStep];
      for (let row = 0; row < rowScale.length; row++) {
        const entry = entries[row * inner + t];
        if (entry < 0) continue;
        const scale = rowScale[row] * columnScale[j] * (roots === null ? 1 : roots[j]);
        values[row * width + at] += sign * (lattice.values[first + entry * step] * scale);
      }
    }
  }
}

type Steps = readonly [own: number, other: number];

/** Elements from one own and from one other entry to the next, where there is nothing else to a weight's place; else null. */
function findSteps({ lattice: { steps, kernel }, side }: Side): Steps | null {
  if (steps === null || kernel.length !== 1) return null;
  return side === 'out' ? steps : [steps[1], steps[0]];
}

/** Whether own entries lie beside one another: weights are then walked through in the order in which they lie. */
function isOtherFirst(own: Side): boolean {
  const steps = findSteps(own);
  return steps !== null && steps[0] < steps[1];
}

/** Index of kernel place 0 of an own and another entry; -1 where the model has no such weight. */
function toBase(lattice: Lattice, side: Side['side'], own: number, other: number): number {
  if (own < 0 || other < 0) return -1;
  return side === 'out' ? lattice.toIndex(own, other) : lattice.toIndex(other, own);
}

/** Signs of the features, of which the last ones asked for are kept. */
let lastFold = new Float32Array(0);

function createFold(featureCount: number): Float32Array {
  if (lastFold.length >= featureCount) return lastFold;
  const bits = toPrfBytes(FOLD_KEY, { domain: FOLD_DOMAIN, index: 0 }, Math.ceil(featureCount / 8));
  lastFold = new Float32Array(featureCount);
  for (let at = 0; at < featureCount; at++) lastFold[at] = bits[at >> 3] & (1 << (at & 7)) ? 1 : -1;
  return lastFold;
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
export function toBalance(own: Side, rounds = BALANCE_ROUNDS): [Float64Array, Float64Array] {
  const { entries, inner, others, weights } = own;
  const rows = entries.length / inner;
  const squares = toSquares(own);
  const rowScale = new Float64Array(rows).fill(1);
  const columnScale = new Float64Array(others.length).fill(1);
  const [rowStep, columnStep] = isOtherFirst(own) ? [1, rows] : [others.length, 1];
  const balanceRows = (): void => {
    balance(rowScale, columnScale, squares, [rowStep, columnStep]);
  };
  const balanceColumns = (): void => {
    balance(columnScale, rowScale, squares, [columnStep, rowStep]);
  };
  const steps = weights === undefined ? [balanceRows, balanceColumns] : [balanceColumns, balanceRows];
  for (let round = 0; round < rounds; round++) for (const step of steps) step();
  return [rowScale, columnScale];
}

/** Sum of squares over inner entries and kernel places: [channels, others], or turned where the weights lie so. */
function toSquares(own: Side): Float32Array {
  const steps = findSteps(own);
  const squares = new Float32Array((own.entries.length / own.inner) * own.others.length);
  if (steps === null) squareKernels(own, squares);
  else squarePlaces(own, steps, squares);
  return squares;
}

function squareKernels({ lattice, side, entries, inner, others }: Side, squares: Float32Array): void {
  const { values, kernel } = lattice;
  for (let row = 0; row < entries.length / inner; row++) {
    for (let j = 0; j < others.length; j++) {
      let sum = 0;
      for (let t = 0; t < inner; t++) {
        const base = toBase(lattice, side, entries[row * inner + t], others[j]);
        if (base < 0) continue;
        for (const offset of kernel) sum += values[base + offset] ** 2;
      }
      squares[row * others.length + j] = sum;
    }
  }
}

function squarePlaces(own: Side, [step, otherStep]: Steps, squares: Float32Array): void {
  const { lattice, entries, inner, others } = own;
  const { values } = lattice;
  const rows = entries.length / inner;
  const isTurned = isOtherFirst(own);
  const [lines, length] = isTurned ? [others.length, rows] : [rows, others.length];
  const sums = new Float64Array(length);
  for (let line = 0; line < lines; line++) {
    sums.fill(0);
    for (let t = 0; t < inner; t++) {
      for (let i = 0; i < length; i++) {
        const entry = isTurned ? entries[i * inner + t] : entries[line * inner + t];
        const other = isTurned ? others[line] : others[i];
        if (entry < 0 || other < 0) continue;
        const value = values[entry * step + other * otherStep];
        sums[i] += value * value;
      }
    }
    squares.set(sums, line * length);
  }
}

/**
 * Sets `own` so that Σ_other square · own² · other² is the mean over all; a line of zeros gets 0. Each sum runs over the
 * others in their order, whichever way the squares lie.
 */
function balance(
  own: Float64Array,
  other: Float64Array,
  squares: Float32Array,
  [ownStep, otherStep]: readonly [number, number],
): void {
  const sums = new Float64Array(own.length);
  if (otherStep <= ownStep) {
    for (let i = 0; i < own.length; i++) {
      let sum = 0;
      for (let j = 0; j < other.length; j++) sum += squares[i * ownStep + j * otherStep] * other[j] * other[j];
      sums[i] = sum;
    }
  } else {
    for (let j = 0; j < other.length; j++) {
      const [factor, first] = [other[j], j * otherStep];
      for (let i = 0; i < own.length; i++) sums[i] += squares[first + i * ownStep] * factor * factor;
    }
  }
  for (let i = 0; i < own.length; i++) own[i] = sums[i] > 0 ? Math.sqrt(other.length / sums[i]) : 0;
}

/** Rows and columns of a block of products: their sums stay in registers, and each value loaded is used four times. */
const TILE = 4;

/**
 * Adds weight · a bᵀ. Every product is one sum over the features in their order, whatever the block it is computed in, so
 * that results do not depend on the tiling.
 */
export function addProducts(into: SimilarityMatrix, a: Features, b: Features, weight: number): void {
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
  const toSimilarity = createScalarSimilarity(ours, theirs);
  if (toSimilarity === null) return;
  for (let r = 0; r < ours.length; r++) {
    for (let c = 0; c < theirs.length; c++) into.values[r * into.columns + c] += toSimilarity(r, c);
  }
}

/** The same of one pair at a time; null where all of the original's numbers are equal. */
export function createScalarSimilarity(
  ours: Float64Array,
  theirs: Float64Array,
): ((row: number, column: number) => number) | null {
  const mean = ours.reduce((sum, value) => sum + value, 0) / Math.max(1, ours.length);
  const spread = Math.sqrt(ours.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, ours.length));
  if (!(spread > 0)) return null;
  return (row, column) => {
    const far = (ours[row] - theirs[column]) / spread;
    return SCALAR_WEIGHT * Math.exp(-2 * far * far);
  };
}
