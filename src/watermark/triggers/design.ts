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
export const LAMBDA = 0.01;
/** Weight of a pick in the moments that the next pick is held against: about that of all clean data along it. */
const PICK_WEIGHT = 100;
/**
 * A label leads by one of these shares of the median lead of clean answers: the largest that the limit allows. A whole one
 * stands int4 and half of the weights pruned; a tenth still stands int8.
 */
const MARGIN_SHARES = [1, 0.5, 0.25, 0.1];
/** Scores of held-out samples that are kept, 128 MiB of doubles: of many classes, fewer samples are judged. */
const HELD_SCORES_MAX = 2 ** 24;
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
  /** Lead of the labels, as a share of the median lead of clean answers. */
  readonly marginShare: number;
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
 * Mines, draws labels, solves, measures. While the loss is over the limit, the margin is lowered, and then triggers are
 * taken away.
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
  const held = toHeldScores(options);
  const lead = toMedianLead(held.scores);
  let least = Number.POSITIVE_INFINITY;
  for (let count = picks.length; count >= COUNT_MIN; count = Math.min(count - 1, Math.floor(0.92 * count))) {
    const chosen = choose(options, { factor, whitened, picks: picks.slice(0, count) });
    for (const marginShare of MARGIN_SHARES) {
      const design = solveFor(options, { ...chosen, held, marginShare, lead });
      if (design !== null && design.lossPoints <= limitPoints) return { ...design, firstCount };
      least = Math.min(least, design?.lossPoints ?? least);
    }
  }
  throw new WatermarkError('WATERMARK_TRIGGER_COST', {
    fields: { lossPoints: Number(least.toFixed(3)), limitPoints, triggersMin: COUNT_MIN, features: head.width },
  });
}

interface Mined {
  readonly factor: Triangle;
  readonly whitened: readonly Float64Array[];
  readonly picks: readonly Pick[];
}

interface Chosen extends Mined {
  readonly body: TriggerBody;
  readonly labels: Uint32Array;
}

/** The choice, and the labels that follow from it. */
function choose({ frame, labelsKey }: DesignOptions, mined: Mined): Chosen {
  const indices = mined.picks.map(({ index }) => index).sort((a, b) => a - b);
  const body: TriggerBody = { ...frame, indices };
  const labels = toTriggerLabels(labelsKey, toChoiceDigest(body), { count: indices.length, classes: frame.classes });
  return { ...mined, body, labels };
}

interface Solving extends Chosen {
  readonly held: HeldScores;
  readonly marginShare: number;
  /** Median lead of clean answers. */
  readonly lead: number;
}

/** Null when the margins were out of reach. */
function solveFor({ head, candidates }: DesignOptions, solving: Solving): Omit<TriggerDesign, 'firstCount'> | null {
  const { factor, whitened, picks, body, labels, held, marginShare, lead } = solving;
  const rows = listRows(candidates, head.width);
  const solution = solveMargins({
    whitened: body.indices.map((index) => whitened[index]),
    logits: body.indices.map((index) => toLogits(head.rows, rows[index])),
    labels: [...labels],
    margin: marginShare * lead,
  });
  if (!(solution.marginMin > 0)) return null;
  const change = solution.change.map((row) => unwhiten(factor, row));
  const counts = countChanges(held, change);
  return {
    ...{ body, labels, change, counts, lossPoints: (100 * (counts.lost - counts.gained)) / counts.samples },
    novelty: [picks[0].novelty, picks[picks.length - 1].novelty],
    marginShare,
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

/** Held-out samples with their scores before the edit. */
interface HeldScores {
  readonly rows: readonly Float32Array[];
  readonly scores: readonly Float64Array[];
  /** What counts as right: the label, or without labels the answer before. */
  readonly answers: readonly number[];
}

function toHeldScores({ head, held, heldLabels }: DesignOptions): HeldScores {
  const count = Math.max(1, Math.min(held.count, Math.floor(HELD_SCORES_MAX / head.rows.length)));
  const rows = listRows({ ...held, count }, head.width);
  const scores = rows.map((row) => toLogits(head.rows, row));
  return { rows, scores, answers: scores.map((row, index) => heldLabels?.[index] ?? toBest(row)) };
}

/** Median, over clean samples, of how far the best score leads the second. */
function toMedianLead(scores: readonly Float64Array[]): number {
  const leads = scores.map((row) => {
    const best = toBest(row);
    return row[best] - row.reduce((most, score, j) => (j === best ? most : Math.max(most, score)), -Infinity);
  });
  const median = leads.sort((a, b) => a - b)[leads.length >> 1];
  if (!(median > 0)) throw unfit('its scores do not tell clean samples apart');
  return median;
}

/** Without labels, an answer that changed counts as lost. Most classes do not change, and are not computed again. */
function countChanges({ rows, scores, answers }: HeldScores, change: readonly Float64Array[]): PairedCounts {
  const changed = [...change.keys()].filter((j) => change[j].some((value) => value !== 0));
  const moves = changed.map((j) => change[j]);
  let [lost, gained] = [0, 0];
  for (const [sample, row] of rows.entries()) {
    const after = Float64Array.from(scores[sample]);
    for (const [k, shift] of toLogits(moves, row).entries()) after[changed[k]] += shift;
    const [was, is] = [toBest(scores[sample]), toBest(after)];
    if (was === is) continue;
    lost += Number(was === answers[sample]);
    gained += Number(is === answers[sample]);
  }
  return { samples: rows.length, lost, gained };
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
