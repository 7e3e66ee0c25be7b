/** Chooses triggers and the edit for a model whose features are known (docs/spec/triggers.md §3, §4). */
import { WatermarkError } from '../../core/errors.ts';
import { type PairedCounts, toLog2BinomialTail } from '../../core/stats.ts';
import { FLAG_BITS } from '../detect.ts';
import { toChoiceDigest, type TriggerBody } from './body.ts';
import type { HeadRows } from './edit.ts';
import { toTriggerLabels } from './keys.ts';
import { dot, toMomentFactor, type Triangle, unwhiten, whiten } from './matrix.ts';
import { mineCandidates, type Pick } from './mine.ts';
import { solveMargins } from './solve.ts';

/** Ridge on the moments of clean features, as a share of their mean diagonal. */
export const LAMBDA = 0.001;
/** Weight of a pick in the moments that the next pick is held against: about that of all clean data along it. */
const PICK_WEIGHT = 100;
/** A label leads by this share of the median lead of clean answers. */
export const MARGIN_SHARE = 0.2;
/** Share of triggers that may be lost before the evidence falls below a flag. */
const LOST_SHARE = 0.1;
/** Fewer are not worth an edit. */
export const COUNT_MIN = 4;

/** Rows of features, [count, width], row-major, with a 1 appended where the layer has a bias. */
export interface FeatureRows {
  readonly count: number;
  readonly values: Float32Array;
}

export interface DesignOptions {
  readonly head: HeadRows;
  /** Features of clean samples that the edit keeps out of. */
  readonly clean: FeatureRows;
  /** Features of other clean samples, and their labels or null, on which the loss is measured. */
  readonly held: FeatureRows;
  readonly heldLabels: Int32Array | null;
  /** Features of all candidates, in their order. */
  readonly candidates: FeatureRows;
  /** Everything of the annex but the indices. */
  readonly frame: Omit<TriggerBody, 'indices'>;
  /** K_labels, 32 bytes. */
  readonly labelsKey: Uint8Array;
  /** Triggers to begin with; null takes as many as a flag needs. */
  readonly count: number | null;
  /** Largest accepted loss, percentage points. */
  readonly limitPoints: number;
  /** False takes candidates as they come: for comparison. */
  readonly isMined?: boolean;
}

export interface TriggerDesign {
  readonly body: TriggerBody;
  readonly labels: Uint32Array;
  /** [classes][width], to be added to the last layer. */
  readonly change: readonly Float64Array[];
  /** Judged on the held-out samples: right or wrong with labels, else kept or changed. */
  readonly counts: PairedCounts;
  readonly lossPoints: number;
  /** Novelty of the first and of the last pick. */
  readonly novelty: readonly [number, number];
  /** ‖change‖ / ‖last layer‖. */
  readonly relativeChange: number;
  /** Triggers that were tried first, when the limit took some away. */
  readonly firstCount: number;
}

/** As many triggers as still make a flag when a tenth of them is lost. */
export function toDefaultCount(classes: number, width: number): number {
  let count = 1;
  while (-toLog2BinomialTail(count, Math.ceil((1 - LOST_SHARE) * count), 1 / classes) < FLAG_BITS) count++;
  return Math.min(count, Math.floor(width / 2));
}

/**
 * Mines, draws labels, solves, measures; takes a fifth of the triggers away while the loss is over the limit.
 * @throws WatermarkError WATERMARK_TRIGGER_COST when even the fewest triggers cost more; WATERMARK_TRIGGER_UNFIT when
 *   features say nothing
 */
export function designTriggers(options: DesignOptions): TriggerDesign {
  const { head, clean, candidates, frame, limitPoints, isMined = true } = options;
  const factor = toMomentFactor(clean.values, head.width, { lambda: LAMBDA, weights: null });
  if (factor === null) throw unfit('the input of its last layer is always zero');
  const whitened = listRows(candidates, head.width).map((row) => whiten(factor, row));
  const firstCount = Math.min(options.count ?? toDefaultCount(frame.classes, head.width), candidates.count);
  const picks = isMined
    ? mineCandidates(whitened, { count: firstCount, weight: PICK_WEIGHT })
    : whitened.slice(0, firstCount).map((z, index) => ({ index, novelty: dot(z, z) }));
  const margin = MARGIN_SHARE * toMedianLead(options);
  let loss = Number.POSITIVE_INFINITY;
  for (let count = picks.length; count >= COUNT_MIN; count = Math.min(count - 1, Math.floor(0.8 * count))) {
    const design = solveFor(options, { factor, whitened, picks: picks.slice(0, count), margin });
    if (design !== null && design.lossPoints <= limitPoints) return { ...design, firstCount };
    loss = design?.lossPoints ?? loss;
  }
  throw new WatermarkError('WATERMARK_TRIGGER_COST', {
    fields: { lossPoints: Number(loss.toFixed(3)), limitPoints, triggersMin: COUNT_MIN, features: head.width },
  });
}

interface Mined {
  readonly factor: Triangle;
  readonly whitened: readonly Float64Array[];
  readonly picks: readonly Pick[];
  readonly margin: number;
}

/** Null when the margins were out of reach. */
function solveFor(options: DesignOptions, mined: Mined): Omit<TriggerDesign, 'firstCount'> | null {
  const { head, frame, labelsKey, candidates } = options;
  const { factor, whitened, picks, margin } = mined;
  const indices = picks.map(({ index }) => index).sort((a, b) => a - b);
  const body: TriggerBody = { ...frame, indices };
  const labels = toTriggerLabels(labelsKey, toChoiceDigest(body), { count: indices.length, classes: frame.classes });
  const rows = listRows(candidates, head.width);
  const solution = solveMargins({
    whitened: indices.map((index) => whitened[index]),
    logits: indices.map((index) => toLogits(head.rows, rows[index])),
    labels: [...labels],
    margin,
  });
  if (!(solution.marginMin > 0)) return null;
  const change = solution.change.map((row) => unwhiten(factor, row));
  const counts = countChanges(options, change);
  return {
    ...{ body, labels, change, counts, lossPoints: (100 * (counts.lost - counts.gained)) / counts.samples },
    novelty: [picks[0].novelty, picks[picks.length - 1].novelty],
    relativeChange: Math.sqrt(toSquare(change) / toSquare(head.rows)),
  };
}

function toSquare(rows: readonly Float64Array[]): number {
  return rows.reduce((sum, row) => sum + dot(row, row), 0);
}

function listRows({ count, values }: FeatureRows, width: number): Float32Array[] {
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

/** Median, over clean samples, of how far the best score leads the second. */
function toMedianLead({ head, held }: DesignOptions): number {
  const leads = listRows(held, head.width).map((row) => {
    const [best, second] = [...toLogits(head.rows, row)].sort((a, b) => b - a);
    return best - second;
  });
  const median = leads.sort((a, b) => a - b)[leads.length >> 1];
  if (!(median > 0)) throw unfit('its scores do not tell clean samples apart');
  return median;
}

/** Without labels, an answer that changed counts as lost. */
function countChanges({ head, held, heldLabels }: DesignOptions, change: readonly Float64Array[]): PairedCounts {
  const marked = head.rows.map((row, index) => row.map((value, i) => value + change[index][i]));
  let [lost, gained] = [0, 0];
  for (const [sample, row] of listRows(held, head.width).entries()) {
    const before = toBest(toLogits(head.rows, row));
    const after = toBest(toLogits(marked, row));
    if (before === after) continue;
    const label = heldLabels === null ? before : heldLabels[sample];
    lost += Number(before === label);
    gained += Number(after === label);
  }
  return { samples: held.count, lost, gained };
}

/** Index of the largest score, the first of equal ones. */
export function toBest(scores: Float64Array): number {
  let best = 0;
  for (let j = 1; j < scores.length; j++) if (scores[j] > scores[best]) best = j;
  return best;
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
