/** How often strangers agree: the rate above which agreement counts (docs/spec/remote-check.md §3.4). */
import { type Answer, type NullAgreement, toSpread } from '../remote/questions.ts';

/** No rate below these is used, whatever the nulls say: strangers that nobody measured may agree more. */
export const CHANCE_MIN = { all: 0.65, rare: 0.15 } as const;
/** Standard deviations between models above their mean. */
const DEVIATIONS = 4;

export interface Chance {
  readonly chance: number;
  /** What decided. */
  readonly by: 'floor' | 'nulls' | 'commonest answer';
}

export interface ChanceOptions {
  readonly nulls: readonly NullAgreement[];
  /** Recorded answers to the probes that are asked. */
  readonly answers: readonly Answer[];
  /** True when the probes were chosen as rare ones. */
  readonly isRare: boolean;
}

/**
 * p0 = max(floor, mean + 4 sd of the nulls, their largest, share of the commonest recorded answer); the floor is 0.65, and
 * 0.15 for rare probes. The last one is how often a model agrees that says one thing always: questions with one answer tell
 * nobody from anybody.
 */
export function toChance({ nulls, answers, isRare }: ChanceOptions): Chance {
  const { mean, deviation, largest } = toSpread(nulls.map(({ agreement }) => agreement));
  const rates: readonly Chance[] = [
    { chance: isRare ? CHANCE_MIN.rare : CHANCE_MIN.all, by: 'floor' },
    { chance: Math.max(mean + DEVIATIONS * deviation, largest), by: 'nulls' },
    { chance: toCommonestShare(answers), by: 'commonest answer' },
  ];
  const found = rates.reduce((a, b) => (b.chance > a.chance ? b : a));
  return { ...found, chance: Math.min(found.chance, CHANCE_MAX) };
}

/** A rate of 1 has no evidence at all; just below it, arithmetic stays what it is. */
const CHANCE_MAX = 0.999999;

/** Share of the commonest answer, 0..1. */
export function toCommonestShare(answers: readonly Answer[]): number {
  const counts = new Map<Answer, number>();
  for (const answer of answers) if (answer !== '') counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return counts.size === 0 ? 0 : Math.max(...counts.values()) / answers.length;
}

/**
 * Null models with less in common with ours than this say nothing of strangers that learned the task: measured, models of
 * one task have 0.06 to 0.7, untrained ones at most 0.01.
 */
export const KINSHIP_MIN = 0.05;

/**
 * Cohen's kappa of two models' answers: agreement beyond what follows from how often each says what. 1 for equal answers, 0
 * for models that know nothing of one another, and where both say one thing always. An answer that is null agrees with none.
 */
export function toKinship(ours: readonly (Answer | null)[], theirs: readonly (Answer | null)[]): number {
  const countOf = (answers: readonly (Answer | null)[]): Map<Answer, number> => {
    const counts = new Map<Answer, number>();
    for (const answer of answers) if (answer !== null) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    return counts;
  };
  if (ours.length === 0) return 0;
  const [a, b] = [countOf(ours), countOf(theirs)];
  const chance = [...a].reduce((sum, [answer, count]) => sum + count * (b.get(answer) ?? 0), 0) / ours.length ** 2;
  const same = ours.filter((answer, index) => answer !== null && answer === theirs[index]).length / ours.length;
  return chance >= 1 ? 0 : (same - chance) / (1 - chance);
}

/** Share of `expected` that `answers` has; an answer that is null does not agree. */
export function toAgreementRate(expected: readonly Answer[], answers: readonly (Answer | null)[]): number {
  const agreed = expected.filter((answer, index) => answers[index] === answer).length;
  return expected.length === 0 ? 0 : agreed / expected.length;
}
