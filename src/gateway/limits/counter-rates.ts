/** Rates of a counter outside of this process. */
import { toGcraRule, toRateTake } from './gcra.ts';
import type { RateCounter, RateStore } from './ports.ts';

export function createCounterRates(counter: RateCounter): RateStore {
  return {
    take: async (subject, policy) => {
      const rule = toGcraRule(policy);
      const { isAdmitted, aheadUs } = await counter.take(subject, rule);
      return toRateTake({ isAdmitted, arrivalUs: aheadUs }, 0, rule);
    },
    refund: (subject, policy) => {
      // A refund that is lost leaves the caller with one less.
      counter.refund(subject, toGcraRule(policy)).catch(() => undefined);
    },
    drain: () => counter.drain(),
    close: () => counter.close(),
  };
}
