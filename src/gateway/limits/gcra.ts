/**
 * The generic cell rate algorithm (ITU-T I.371, virtual scheduling): one number for each caller, the time at which he would
 * have used up nothing. All in whole microseconds, so that memory, Redis and tests come to the same number.
 */
import type { GcraRule, RatePolicy, RateTake } from './ports.ts';

export interface GcraStep {
  readonly isAdmitted: boolean;
  /** To be kept for the next step. */
  readonly arrivalUs: number;
}

export function toGcraRule({ perMinute, burst }: RatePolicy): GcraRule {
  const intervalUs = Math.ceil(60_000_000 / perMinute);
  return { intervalUs, toleranceUs: (burst - 1) * intervalUs };
}

/** Of a caller who has nothing left at `nowUs` but what comes. */
export function toEmpty({ intervalUs, toleranceUs }: GcraRule, nowUs: number): number {
  return nowUs + toleranceUs + intervalUs;
}

/**
 * @param arrivalUs what was kept, at most `toEmpty` of the time when it was: a clock that was set back would lock the caller out
 *   for as long, so that more than that counts as nothing left
 */
export function stepGcra(arrivalUs: number, nowUs: number, rule: GcraRule): GcraStep {
  const base = Math.max(nowUs, Math.min(arrivalUs, toEmpty(rule, nowUs)));
  const isAdmitted = base - nowUs <= rule.toleranceUs;
  return { isAdmitted, arrivalUs: isAdmitted ? base + rule.intervalUs : base };
}

export function toRateTake({ isAdmitted, arrivalUs }: GcraStep, nowUs: number, rule: GcraRule): RateTake {
  const { intervalUs, toleranceUs } = rule;
  const aheadUs = arrivalUs - nowUs;
  return {
    isAdmitted,
    remaining: Math.max(0, Math.floor((toleranceUs + intervalUs - aheadUs) / intervalUs)),
    retryAfterMs: isAdmitted ? 0 : Math.ceil((aheadUs - toleranceUs) / 1000),
    resetMs: Math.ceil(aheadUs / 1000),
  };
}
