/** Scores of the last layer: how safe clean answers are, what a change does to them, what candidates are worth. */
import { WatermarkError } from '../../core/errors.ts';
import type { PairedCounts } from '../../core/stats.ts';
import type { HeadRows } from './edit.ts';
import { dot } from './matrix.ts';

/** Scores of clean samples that are kept, 128 MiB of doubles: of many classes, fewer samples are used. */
const SCORES_MAX = 2 ** 24;

/** Rows of features, [count, width], row-major, with a 1 appended where the layer has a bias. */
export interface FeatureRows {
  readonly count: number;
  readonly values: Float32Array;
}

export function listRows({ count, values }: FeatureRows, width: number): Float32Array[] {
  return Array.from({ length: count }, (_, row) => values.subarray(row * width, (row + 1) * width));
}

/** Scores of one row of features. */
export function toLogits(rows: readonly Float64Array[], features: Float32Array): Float64Array {
  return Float64Array.from(rows, (row) => {
    let sum = 0;
    for (let i = 0; i < row.length; i++) sum += row[i] * features[i];
    return sum;
  });
}

/** Clean samples with their scores before the edit. */
export interface CleanScores {
  readonly rows: readonly Float32Array[];
  readonly scores: readonly Float64Array[];
  /** What counts as right: the label, or without labels the answer before. */
  readonly answers: readonly number[];
}

export interface CleanOptions {
  readonly head: HeadRows;
  readonly clean: FeatureRows;
  readonly labels: Int32Array | null;
}

export function toCleanScores({ head, clean, labels }: CleanOptions): CleanScores {
  const count = Math.max(1, Math.min(clean.count, Math.floor(SCORES_MAX / head.rows.length)));
  const rows = listRows({ ...clean, count }, head.width);
  const scores = rows.map((row) => toLogits(head.rows, row));
  return { rows, scores, answers: scores.map((row, index) => labels?.[index] ?? toBest(row)) };
}

/** Median, over clean samples, of how far the best score leads the second. */
export function toMedianLead(scores: readonly Float64Array[]): number {
  const leads = scores.map((row) => {
    const best = toBest(row);
    return row[best] - row.reduce((most, score, j) => (j === best ? most : Math.max(most, score)), -Infinity);
  });
  const median = leads.sort((a, b) => a - b)[leads.length >> 1];
  if (!(median > 0)) throw unfit('its scores do not tell clean samples apart');
  return median;
}

/**
 * What a change does to the samples of even (0) or of odd (1) number.
 * Without labels, an answer that changed counts as lost. Most classes do not change, and are not computed again.
 */
export function countChanges(
  { rows, scores, answers }: CleanScores,
  change: readonly Float64Array[],
  parity: 0 | 1,
): PairedCounts {
  const changed = [...change.keys()].filter((j) => change[j].some((value) => value !== 0));
  const moves = changed.map((j) => change[j]);
  let [samples, lost, gained] = [0, 0, 0];
  for (let sample = parity; sample < rows.length; sample += 2) {
    const row = rows[sample];
    samples++;
    const after = Float64Array.from(scores[sample]);
    for (const [k, shift] of toLogits(moves, row).entries()) after[changed[k]] += shift;
    const [was, is] = [toBest(scores[sample]), toBest(after)];
    if (was === is) continue;
    lost += Number(was === answers[sample]);
    gained += Number(is === answers[sample]);
  }
  return { samples, lost, gained };
}

/** Index of the largest score, the first of equal ones. */
export function toBest(scores: Float64Array): number {
  let best = 0;
  for (let j = 1; j < scores.length; j++) if (scores[j] > scores[best]) best = j;
  return best;
}

/** Probabilities are those of scores in units of this share of the median lead: the steeper, the closer to a boundary. */
const TEMPERATURE = 0.3;
/** What a sample far from every boundary still weighs. */
const RISK_MIN = 0.01;

/**
 * How easily the answer of each clean sample changes: 1 − Σ p² of its scores as probabilities, and a little more. Weighted so,
 * the moments keep the change away from samples that it would flip.
 */
export function toRiskWeights({ scores: all }: Pick<CleanScores, 'scores'>, lead: number): Float64Array {
  return Float64Array.from(all, (scores) => {
    const most = scores[toBest(scores)];
    let [sum, squares] = [0, 0];
    for (const score of scores) {
      const share = Math.exp((score - most) / (TEMPERATURE * lead));
      sum += share;
      squares += share * share;
    }
    return RISK_MIN + 1 - squares / sum ** 2;
  });
}

/**
 * The push that a candidate needs: the root mean square, over all labels that may be drawn, of how far the label's score lies
 * below the best and half the median lead.
 */
export function toPush(scores: Float64Array, lead: number): number {
  const most = scores[toBest(scores)];
  return Math.sqrt(scores.reduce((sum, score) => sum + (most - score + lead / 2) ** 2, 0) / scores.length);
}

/**
 * Whitened candidates over the push that they need. Newness kᵀC⁻¹k over that push squared is what a trigger costs, inverted.
 * Scaled so that their mean square stays.
 */
export function toWorth(whitened: readonly Float64Array[], pushes: ArrayLike<number>): Float64Array[] {
  const [before, after] = whitened.reduce(
    ([a, b], z, index) => {
      const square = dot(z, z);
      return Number.isFinite(square) ? [a + square, b + square / pushes[index] ** 2] : [a, b];
    },
    [0, 0],
  );
  const scale = after > 0 ? Math.sqrt(before / after) : 1;
  return whitened.map((z, index) => z.map((value) => (value * scale) / pushes[index]));
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
