/** Chooses triggers and the edit for a model whose features are known (docs/spec/triggers.md §3, §4). */
import { WatermarkError } from '../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../core/limits/triggers.ts';
import { type PairedCounts, toLog2BinomialTail, toPairedChange } from '../../core/stats.ts';
import { FLAG_BITS } from '../detect.ts';
import { toChoiceDigest, type TriggerBody } from './body.ts';
import type { HeadRows } from './edit.ts';
import { LOG2_LABEL_DRAWS, toTriggerLabels } from './keys.ts';
import { dot, toMomentFactor, type Triangle, unwhiten, whiten } from './matrix.ts';
import { mineCandidates } from './mine.ts';
import {
  type CleanScores,
  countChanges,
  type FeatureRows,
  listRows,
  toCleanScores,
  toLogits,
  toMedianLead,
  toPush,
  toRiskWeights,
  toWorth,
} from './scores.ts';
import { solveMargins } from './solve.ts';

/** Ridge on the moments of clean features, as a share of their mean diagonal. */
export const LAMBDA = 0.003;
/** Weight of a pick in the moments that the next pick is held against: about that of all clean data along it. */
export const PICK_WEIGHT = 100;
/**
 * A label leads by one of these shares of the median lead of clean answers: the largest that the limit allows. A whole one
 * stands int4 and half of the weights pruned; a tenth still stands int8.
 */
const MARGIN_SHARES = [1, 0.5, 0.25, 0.1];
/** Share of triggers that may be lost before the evidence falls below a flag. */
const LOST_SHARE = 0.1;
/** Two-sided; so the loss lies above the upper end once in a hundred times, where one design is looked at: many are. */
const CONFIDENCE = 0.98;
/** Fewer are not worth an edit. */
export const COUNT_MIN = 4;
/** Numbers of triggers that are tried between the first and the fewest that make a flag, and how they fall below that. */
const FLAG_STEPS = 4;
const FALL = 0.85;

export interface DesignOptions {
  readonly head: HeadRows;
  /** Features of clean samples, which the edit keeps out of, and their labels or null. */
  readonly clean: FeatureRows;
  readonly labels: Int32Array | null;
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
  /**
   * Of two changes of the same kind that each half of the samples shapes, judged on the other half: right or wrong with labels,
   * else kept or changed. The change itself is shaped by all of them.
   */
  readonly counts: PairedCounts;
  readonly lossPoints: number;
  /** Upper end of the one-sided 99 % interval of the loss. */
  readonly lossPointsMax: number;
  /** Lead of the labels, as a share of the median lead of clean answers. */
  readonly marginShare: number;
  /** ‖change‖ / ‖last layer‖. */
  readonly relativeChange: number;
  /** Triggers that were tried first, when the limit took some away. */
  readonly firstCount: number;
}

/** Bits of `hits` of `count` triggers, after the draws of labels that an embedding may try. */
export function toTriggerBits(count: number, hits: number, classes: number): number {
  return -toLog2BinomialTail(count, hits, 1 / classes) - LOG2_LABEL_DRAWS;
}

/** As many triggers as still make a flag, or what else is wanted, when a tenth of them is lost. */
export function toDefaultCount(classes: number, width: number, bits: number = FLAG_BITS): number {
  let count = 1;
  while (toTriggerBits(count, Math.ceil((1 - LOST_SHARE) * count), classes) < bits) count++;
  return Math.min(count, Math.floor(width / 2));
}

/** Numbers of triggers to try: close together while all of them make a flag, then falling. One draw of labels each. */
export function listCounts(first: number, classes: number): number[] {
  let least = 1;
  while (toTriggerBits(least, least, classes) < FLAG_BITS) least++;
  const step = Math.max(1, Math.ceil((first - least) / FLAG_STEPS));
  const counts: number[] = [];
  for (let count = first; count >= COUNT_MIN && counts.length < TRIGGER_LIMITS.labelDrawsMax; ) {
    counts.push(count);
    count = count > least ? Math.max(least, count - step) : Math.min(count - 1, Math.floor(FALL * count));
  }
  return counts;
}

type Design = Omit<TriggerDesign, 'firstCount'>;

/**
 * Mines, draws labels, solves, measures. Of as many triggers as make a flag, the design with the widest margin is taken whose
 * loss stays within the limit at 99 % confidence; then fewer triggers are tried. Where there is too little data to be sure, the
 * most triggers are taken whose measured loss is within the limit.
 * @throws WatermarkError WATERMARK_TRIGGER_COST when even the fewest triggers cost more; WATERMARK_TRIGGER_UNFIT when
 *   features say nothing
 */
export function designTriggers(options: DesignOptions): TriggerDesign {
  const { head, frame, limitPoints } = options;
  const samples = toCleanScores(options);
  const lead = toMedianLead(samples.scores);
  const { picks, ...mined } = mine(options, samples, lead);
  const isFlag = (count: number): boolean => toTriggerBits(count, count, frame.classes) >= FLAG_BITS;
  const designs: Design[] = [];
  for (const count of listCounts(picks.length, frame.classes)) {
    const sure = findSure(designs, limitPoints);
    if (sure !== undefined && !isFlag(count)) break;
    const wider = MARGIN_SHARES.filter((share) => sure === undefined || share > sure.marginShare);
    if (wider.length === 0) break;
    const chosen = choose(options, picks.slice(0, count));
    for (const marginShare of wider) {
      const design = solveFor(options, { ...mined, ...chosen, samples, marginShare, lead });
      if (design === null) continue;
      designs.push(design);
      if (design.lossPointsMax <= limitPoints) break;
    }
  }
  const design = findSure(designs, limitPoints) ?? findLikely(designs, limitPoints);
  if (design !== undefined) return { ...design, firstCount: picks.length };
  const least = designs.reduce((most, { lossPoints }) => Math.min(most, lossPoints), Number.POSITIVE_INFINITY);
  throw new WatermarkError('WATERMARK_TRIGGER_COST', {
    fields: { lossPoints: Number(least.toFixed(3)), limitPoints, triggersMin: COUNT_MIN, features: head.width },
  });
}

/** The widest margin, and of equal ones the most triggers, whose loss is within the limit at 99 % confidence. */
function findSure(designs: readonly Design[], limitPoints: number): Design | undefined {
  return designs
    .filter(({ lossPointsMax }) => lossPointsMax <= limitPoints)
    .reduce<Design | undefined>((a, b) => (a === undefined || b.marginShare > a.marginShare ? b : a), undefined);
}

/** The most triggers whose measured loss is within the limit, with the margin that is surest of it. */
function findLikely(designs: readonly Design[], limitPoints: number): Design | undefined {
  const likely = designs.filter(({ lossPoints }) => lossPoints <= limitPoints);
  return likely
    .filter(({ labels }) => labels.length === likely[0].labels.length)
    .reduce<Design | undefined>((a, b) => (a === undefined || b.lossPointsMax < a.lossPointsMax ? b : a), undefined);
}

/** Candidates in a space in which clean data is round, and the way back. */
interface Space {
  readonly factor: Triangle;
  readonly whitened: readonly Float64Array[];
}

interface Mined {
  /** That of all clean samples, and those of the samples of even and of odd number. */
  readonly all: Space;
  readonly halves: readonly Space[];
  /** Numbers of candidates, the most wanted first. */
  readonly picks: readonly number[];
}

function mine(options: DesignOptions, samples: CleanScores, lead: number): Mined {
  const { head, candidates, frame, count, isMined = true } = options;
  const rows = listRows(candidates, head.width);
  const first = Math.min(count ?? toDefaultCount(frame.classes, head.width), candidates.count);
  const weights = toRiskWeights(samples, lead);
  const all = toSpace(options, rows, weights);
  const halves = [0, 1].map((parity) =>
    toSpace(
      options,
      rows,
      weights.map((weight, index) => (index % 2 === parity ? weight : 0)),
    ),
  );
  if (!isMined) return { all, halves, picks: [...rows.keys()].slice(0, first) };
  const wanted = toWorth(
    all.whitened,
    rows.map((row) => toPush(toLogits(head.rows, row), lead)),
  );
  const picks = mineCandidates(wanted, { count: first, weight: PICK_WEIGHT });
  return { all, halves, picks: picks.map(({ index }) => index) };
}

function toSpace({ head, clean }: DesignOptions, rows: readonly Float32Array[], weights: Float64Array): Space {
  const factor = toMomentFactor(clean.values.subarray(0, weights.length * head.width), head.width, {
    lambda: LAMBDA,
    weights,
  });
  if (factor === null) throw unfit('the input of its last layer is always zero');
  return { factor, whitened: rows.map((row) => whiten(factor, row)) };
}

interface Chosen {
  readonly body: TriggerBody;
  readonly labels: Uint32Array;
}

/** The choice, and the labels that follow from it. */
function choose({ frame, labelsKey }: DesignOptions, picks: readonly number[]): Chosen {
  const indices = [...picks].sort((a, b) => a - b);
  const body: TriggerBody = { ...frame, indices };
  const labels = toTriggerLabels(labelsKey, toChoiceDigest(body), { count: indices.length, classes: frame.classes });
  return { body, labels };
}

interface Solving extends Chosen, Omit<Mined, 'picks'> {
  readonly samples: CleanScores;
  readonly marginShare: number;
  /** Median lead of clean answers. */
  readonly lead: number;
}

/** Null when the margins were out of reach. */
function solveFor(options: DesignOptions, solving: Solving): Design | null {
  const { all, halves, body, labels, samples, marginShare } = solving;
  const change = findChange(options, solving, all);
  const [even, odd] = halves.map((half) => findChange(options, solving, half));
  if (change === null || even === null || odd === null) return null;
  const [onOdd, onEven] = [countChanges(samples, even, 1), countChanges(samples, odd, 0)];
  const counts = {
    samples: onOdd.samples + onEven.samples,
    lost: onOdd.lost + onEven.lost,
    gained: onOdd.gained + onEven.gained,
  };
  return {
    ...{ body, labels, change, counts, marginShare },
    lossPoints: (100 * (counts.lost - counts.gained)) / counts.samples,
    lossPointsMax: -100 * toPairedChange(counts, CONFIDENCE).low,
    relativeChange: Math.sqrt(toSquare(change) / toSquare(options.head.rows)),
  };
}

/** The least change in one space; null when the margins were out of reach. */
function findChange({ head, candidates }: DesignOptions, solving: Solving, space: Space): Float64Array[] | null {
  const { body, labels, marginShare, lead } = solving;
  const rows = listRows(candidates, head.width);
  const solution = solveMargins({
    whitened: body.indices.map((index) => space.whitened[index]),
    logits: body.indices.map((index) => toLogits(head.rows, rows[index])),
    labels: [...labels],
    margin: marginShare * lead,
  });
  return solution.marginMin > 0 ? solution.change.map((row) => unwhiten(space.factor, row)) : null;
}

function toSquare(rows: readonly Float64Array[]): number {
  return rows.reduce((sum, row) => sum + dot(row, row), 0);
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
