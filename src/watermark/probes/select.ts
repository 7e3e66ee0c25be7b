/**
 * Rare probes: those of a pool on which few null models answer as ours does (docs/spec/remote-check.md §3.3). Models of
 * one task agree on most inputs, whoever made them; on rare ones a stranger agrees seldom, and a copy often.
 */
import type { Answer } from '../remote/questions.ts';

/** A probe is rare when at most this share of the null models agrees. */
const RARE_SHARE = 0.15;
/** Share of the chosen probes that one answer may have: a model that always says the same must not agree often. */
const ANSWER_SHARE_MAX = 0.15;
/** With few classes, more than an even share all the same. */
const EVEN_SHARES_MAX = 1.5;
/** So many of each answer are taken before shares are looked at. */
const ANSWERS_FREE = 8;
/** Below this many null models, "few agree" cannot be told. */
export const RARE_NULLS_MIN = 4;

export interface RareOptions {
  /** Answers of our model to the probes of the pool, in their order. */
  readonly answers: readonly Answer[];
  /** Answers of each null model to the same probes. */
  readonly nulls: readonly (readonly (Answer | null)[])[];
  /** Probes wanted. */
  readonly count: number;
}

export interface RareProbes {
  /** Indices into the pool, rising; fewer than wanted when the pool has no more. */
  readonly chosen: readonly number[];
  /**
   * How often each null model agrees on the probes that all others but itself would have chosen: a model cannot be among
   * those that choose and be measured, too.
   */
  readonly rates: readonly number[];
}

/** The rule is fixed, so that with the null models at hand anybody chooses the same probes. */
export function chooseRare({ answers, nulls, count }: RareOptions): RareProbes {
  const agrees = nulls.map((theirs) => Uint8Array.from(answers, (ours, index) => Number(theirs[index] === ours)));
  const counts = Uint32Array.from(answers, (_, index) => agrees.reduce((sum, one) => sum + one[index], 0));
  const limit = Math.floor(nulls.length * RARE_SHARE);
  const limitOfOthers = Math.floor((nulls.length - 1) * RARE_SHARE);
  return {
    chosen: takeRare(answers, counts, { limit, count }),
    rates: agrees.map((one) => toHeldOutRate(one, counts, limitOfOthers)),
  };
}

function takeRare(
  answers: readonly Answer[],
  counts: Uint32Array,
  { limit, count }: { readonly limit: number; readonly count: number },
): number[] {
  const shareMax = Math.max(ANSWER_SHARE_MAX, EVEN_SHARES_MAX / new Set(answers).size);
  const taken = new Map<Answer, number>();
  const chosen: number[] = [];
  for (const [index, answer] of answers.entries()) {
    if (chosen.length === count) break;
    const same = taken.get(answer) ?? 0;
    const isCommon = same >= ANSWERS_FREE && same + 1 > shareMax * (chosen.length + 1);
    if (counts[index] > limit || isCommon) continue;
    taken.set(answer, same + 1);
    chosen.push(index);
  }
  return chosen;
}

function toHeldOutRate(one: Uint8Array, counts: Uint32Array, limit: number): number {
  let asked = 0;
  let agreed = 0;
  for (const [index, agrees] of one.entries()) {
    if (counts[index] - agrees > limit) continue;
    asked += 1;
    agreed += agrees;
  }
  return asked === 0 ? 1 : agreed / asked;
}
