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

/** Share of `expected` that `answers` has; an answer that is null does not agree. */
export function toAgreementRate(expected: readonly Answer[], answers: readonly (Answer | null)[]): number {
  const agreed = expected.filter((answer, index) => answers[index] === answer).length;
  return expected.length === 0 ? 0 : agreed / expected.length;
}
