/** Chooses prompts and the change of a decoder whose hidden units are known (docs/spec/triggers.md §9.3, §9.4). */
import { WatermarkError } from '../../../core/errors.ts';
import { CLAIM_BITS, FLAG_BITS } from '../../detect.ts';
import { COUNT_MIN, LAMBDA, listCounts, PICK_WEIGHT, toDefaultCount, toTriggerBits } from '../design.ts';
import { mineCandidates } from '../mine.ts';
import { listRows, toWorth } from '../scores.ts';
import { drawAnswers } from './answers.ts';
import type { DecoderBody } from './body.ts';
import type { DownChange } from './edit.ts';
import { type NullSpace, toCoordinates, toNullSpace, toUnits } from './null-space.ts';
import type { Readout } from './readout.ts';
import { type PromptState, solveValues } from './values.ts';

/** Largest part of the power of clean hidden units that the null space may hold. */
const NULL_SHARE = 0.05;
/**
 * A token leads by one of these multiples of the median lead of clean text: the largest that the limit allows. Beyond six the last
 * norm, which bounds every score, leaves no room.
 */
const MARGIN_SHARES = [6, 5, 4, 2, 1];
/** A design that misses more of its margin than this is none. */
const REACHED_MIN = 0.9;

/** What a change does to held-out text, per piece of it: mean loss per token after it minus before, nats. */
export type MeasureText = (change: DownChange) => Promise<Float64Array>;

export interface DecoderDesignOptions {
  /** Hidden units at the tokens of clean text, [count, units]. */
  readonly clean: Float32Array;
  readonly units: number;
  /** Median, over clean text, of how far the best score leads the second. */
  readonly lead: number;
  readonly readout: Readout;
  /** Hidden units of all candidates, [candidates, units], and what scores each needs (`toPush`). */
  readonly candidates: Float32Array;
  readonly pushes: Float64Array;
  /** Stream and scores of some candidates, by their numbers. */
  readonly readStates: (picks: readonly number[]) => Promise<readonly Pick<PromptState, 'stream' | 'scores'>[]>;
  /** Everything of the annex but the indices. */
  readonly frame: Omit<DecoderBody, 'indices'>;
  /** K_labels, 32 bytes. */
  readonly labelsKey: Uint8Array;
  /** Triggers to begin with; null takes as many as a claim needs. */
  readonly count: number | null;
  /** Largest accepted rise of the perplexity of held-out text, per cent. */
  readonly limitPercent: number;
  readonly measure: MeasureText;
}

export interface DecoderDesign {
  readonly body: DecoderBody;
  /** Token that follows each prompt. */
  readonly answers: readonly number[];
  readonly change: DownChange;
  /** Rise of the perplexity of text that the change did not see, per cent; negative is a fall. */
  readonly lossPercent: number;
  /** Upper end of its one-sided 99 % interval. */
  readonly lossPercentMax: number;
  readonly pieces: number;
  /** Lead of the answers, as a share of the median lead of clean text. */
  readonly marginShare: number;
  /** Triggers that were tried first, when the limit took some away. */
  readonly firstCount: number;
  /** Directions of the null space. */
  readonly dimensions: number;
}

type Design = Omit<DecoderDesign, 'firstCount' | 'dimensions'>;

/**
 * Mines, draws answers, solves, measures. For as many triggers as make a claim, the widest margin is taken whose rise of
 * perplexity stays within the limit at 99 % confidence; else fewer triggers are tried. Where none is sure, the first design whose
 * measured rise is within the limit.
 * @throws WatermarkError WATERMARK_TRIGGER_COST when even the fewest triggers cost more; WATERMARK_TRIGGER_UNFIT when no
 *   direction is free of clean text
 */
export async function designDecoderTriggers(options: DecoderDesignOptions): Promise<DecoderDesign> {
  const { clean, units, limitPercent, frame } = options;
  const space = toNullSpace(clean, units, { share: NULL_SHARE, ridge: LAMBDA });
  if (space === null) throw unfit('clean text uses its hidden units alike: no direction is free');
  const { picks, coordinates } = mine(options, space);
  const states = await options.readStates(picks);
  const stateOf = new Map(picks.map((pick, at) => [pick, { ...states[at], z: coordinates[pick] }]));
  let likely: Design | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const count of listCounts(picks.length, frame.prompt.count)) {
    const isFlag = toTriggerBits(count, count, frame.prompt.count) >= FLAG_BITS;
    if (!isFlag && likely !== undefined && isFlagged(likely)) break;
    const chosen = choose(options, picks.slice(0, count));
    for (const marginShare of MARGIN_SHARES) {
      const design = await tryDesign(options, { ...chosen, space, stateOf, marginShare });
      if (design === null) continue;
      least = Math.min(least, design.lossPercent);
      if (design.lossPercentMax <= limitPercent) return finish(design, picks, space);
      if (design.lossPercent <= limitPercent) likely ??= design;
    }
  }
  if (likely !== undefined) return finish(likely, picks, space);
  throw new WatermarkError('WATERMARK_TRIGGER_COST', {
    fields: { lossPercent: Number(least.toFixed(3)), limitPercent, triggersMin: COUNT_MIN, features: units },
  });
}

const finish = (design: Design, picks: readonly number[], space: NullSpace): DecoderDesign => {
  return { ...design, firstCount: picks.length, dimensions: space.rows.length };
};

const isFlagged = ({ answers, body }: Design): boolean =>
  toTriggerBits(answers.length, answers.length, body.prompt.count) >= FLAG_BITS;

/** The greedy choice by kᵀC⁻¹k over the push, in the null space. */
function mine(
  { candidates, pushes, units, count, frame }: DecoderDesignOptions,
  space: NullSpace,
): { readonly picks: readonly number[]; readonly coordinates: readonly Float64Array[] } {
  const rows = listRows({ count: candidates.length / units, values: candidates }, units);
  const coordinates = rows.map((row) => toCoordinates(space, row));
  const first = Math.min(
    count ?? toDefaultCount(frame.prompt.count, units, CLAIM_BITS),
    rows.length,
    space.rows.length,
  );
  const picks = mineCandidates(toWorth(coordinates, pushes), { count: first, weight: PICK_WEIGHT });
  if (picks.length < Math.min(first, COUNT_MIN)) throw unfit('its hidden units are no numbers');
  return { picks: picks.map(({ index }) => index), coordinates };
}

interface Trial {
  readonly space: NullSpace;
  readonly stateOf: ReadonlyMap<number, Omit<PromptState, 'token'>>;
  readonly body: DecoderBody;
  readonly answers: readonly number[];
  readonly marginShare: number;
}

/** The choice, and the answers that follow from it. */
function choose({ frame, labelsKey }: DecoderDesignOptions, picks: readonly number[]): Pick<Trial, 'body' | 'answers'> {
  const body: DecoderBody = { ...frame, indices: [...picks].sort((a, b) => a - b) };
  return { body, answers: drawAnswers(labelsKey, body) };
}

/** Null when the margins were out of reach. */
async function tryDesign(options: DecoderDesignOptions, trial: Trial): Promise<Design | null> {
  const { lead, readout, measure } = options;
  const { space, stateOf, body, answers, marginShare } = trial;
  const prompts = body.indices.map((index, at) => ({ ...stateOf.get(index)!, token: answers[at] }));
  const { values, marginMin } = solveValues(prompts, readout, marginShare * lead);
  if (!(marginMin >= REACHED_MIN)) return null;
  const change = { values, units: prompts.map(({ z }) => toUnits(space, z)) };
  return { ...{ body, answers, change, marginShare }, ...toRise(await measure(change)) };
}

/** Two-sided 98 %: one in a hundred lies above. */
const QUANTILE = 2.326;

/** Perplexity is exp of the mean loss, so its rise is exp of the mean difference, minus one. */
function toRise(differences: Float64Array): Pick<Design, 'lossPercent' | 'lossPercentMax' | 'pieces'> {
  const pieces = differences.length;
  const mean = differences.reduce((sum, value) => sum + value, 0) / pieces;
  const square = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = pieces < 2 ? Number.POSITIVE_INFINITY : Math.sqrt(square / (pieces - 1) / pieces);
  const toPercent = (nats: number): number => 100 * Math.expm1(nats);
  return { pieces, lossPercent: toPercent(mean), lossPercentMax: toPercent(mean + QUANTILE * error) };
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
