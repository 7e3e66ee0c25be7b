/** Running sums over pairs of outputs: how far the marked model's values and classes are from the original's. */
import type { RuntimeTensor } from '../model/runtime.ts';
import { toValues } from './values.ts';

/** classes: one score per class and sample; label: the class number itself; values: boxes, images, one sigmoid, states. */
export type OutputKind = 'classes' | 'label' | 'values';

export interface OutputTally {
  readonly name: string;
  readonly kind: OutputKind;
  /** Scores per sample, for classes. */
  readonly classCount: number;
  squaredDifference: number;
  squaredOriginal: number;
  /** Values where just one is finite, or shapes that differ: no distance exists. */
  incomparable: number;
  samples: number;
  agreements: number;
}

/** What both models said about each sample of one run; -1 when the scores are not numbers. */
export interface Decisions {
  readonly original: Int32Array;
  readonly marked: Int32Array;
}

/** Names of outputs whose largest entry means nothing, though their shape may be that of scores. */
const VALUES_NAME = /box|coord|landmark|embed|feature|mask|image|state|hidden/i;

/**
 * Decides what an output is from one run of `rows` samples.
 * Class scores: floating-point of shape [rows, K] (ones aside) with K ≥ 2, not named as boxes or embeddings are;
 * label: integers of shape [rows].
 */
export function createTally(name: string, output: RuntimeTensor, rows: number, hasBatchAxis: boolean): OutputTally {
  const shape = hasBatchAxis ? output.shape.slice(1) : output.shape;
  const isPerSample = !hasBatchAxis || output.shape[0] === rows;
  const dense = shape.filter((dim) => dim !== 1);
  const isFloat = output.dtype.startsWith('f') || output.dtype === 'bf16';
  const isClasses = isPerSample && isFloat && dense.length === 1 && dense[0] >= 2 && !VALUES_NAME.test(name);
  const isLabel = isPerSample && !isFloat && output.dtype !== 'bool' && dense.length === 0;
  return {
    name,
    kind: isClasses ? 'classes' : isLabel ? 'label' : 'values',
    classCount: isClasses ? dense[0] : 0,
    squaredDifference: 0,
    squaredOriginal: 0,
    incomparable: 0,
    samples: 0,
    agreements: 0,
  };
}

/**
 * Adds one run; rows after the first `count` are padding of a fixed batch.
 * @returns the decisions, for outputs that name classes
 */
export function addRun(
  tally: OutputTally,
  original: RuntimeTensor,
  marked: RuntimeTensor,
  rows: { readonly total: number; readonly count: number },
): Decisions | null {
  const a = toValues(original);
  const b = toValues(marked);
  if (a.length !== b.length) {
    tally.incomparable += 1;
    tally.samples += rows.count;
    return null;
  }
  const used = a.length % rows.total === 0 ? (a.length / rows.total) * rows.count : a.length;
  for (let i = 0; i < used; i++) {
    if (Object.is(a[i], b[i])) {
      if (Number.isFinite(a[i])) tally.squaredOriginal += a[i] * a[i];
    } else if (Number.isFinite(a[i]) && Number.isFinite(b[i])) {
      tally.squaredDifference += (a[i] - b[i]) ** 2;
      tally.squaredOriginal += a[i] * a[i];
    } else tally.incomparable += 1;
  }
  tally.samples += rows.count;
  if (tally.kind === 'values') return null;
  const width = tally.kind === 'label' ? 1 : tally.classCount;
  const decisions = {
    original: decide(tally.kind, a, width, rows.count),
    marked: decide(tally.kind, b, width, rows.count),
  };
  for (let row = 0; row < rows.count; row++) {
    if (decisions.original[row] === decisions.marked[row]) tally.agreements += 1;
  }
  return decisions;
}

function decide(kind: OutputKind, values: Float64Array, width: number, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, row) =>
    kind === 'label' ? values[row] : toArgmax(values.subarray(row * width, (row + 1) * width)),
  );
}

/** Index of the largest number, the first of equals; -1 when none is a number. */
function toArgmax(scores: Float64Array): number {
  let best = -1;
  scores.forEach((score, index) => {
    if (!Number.isNaN(score) && (best < 0 || score > scores[best])) best = index;
  });
  return best;
}

/** ‖marked - original‖ / ‖original‖ over everything added; null when a value had no counterpart or the norm is zero. */
export function toRelativeL2(tally: OutputTally): number | null {
  if (tally.incomparable > 0) return null;
  if (tally.squaredDifference === 0) return 0;
  return tally.squaredOriginal === 0 ? null : Math.sqrt(tally.squaredDifference / tally.squaredOriginal);
}

export function toAgreement(tally: OutputTally): number | null {
  return tally.kind === 'values' || tally.samples === 0 ? null : tally.agreements / tally.samples;
}
