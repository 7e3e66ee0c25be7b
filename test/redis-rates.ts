/** What tests of rates in Redis have in common: two gateways that ask one store, and patience with a store that is only coming. */
import { createCounterRates, createFailoverRates } from '../src/gateway/index.ts';
import type { RateCounter } from '../src/gateway/ports.ts';

/** Ten at once, and then ten a second. */
export const POLICY = { perMinute: 600, burst: 10 };

export const nowUs = (): number => Math.floor(performance.now() * 1000);

/** As many as one caller may have been admitted since then, whoever admitted him. */
export const toMost = (beginUs: number): number => POLICY.burst + ((nowUs() - beginUs) * POLICY.perMinute) / 60_000_000;

/** Each counts a share while the store is away. `told`: codes of failures, null when the store works again. */
export function createTwoGateways(counters: readonly [RateCounter, RateCounter]) {
  const told: (string | null)[] = [];
  const both = counters.map((counter) =>
    createFailoverRates({
      store: createCounterRates(counter),
      ...{ processes: 2, whenAway: 'share', nowUs },
      onChange: (code) => told.push(code),
    }),
  );
  return { both, told };
}

/** Again and again, until it does not fail. */
export async function untilItWorks<T>(work: () => Promise<T>): Promise<T> {
  for (let left = 4000; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((done) => setTimeout(done, 10));
    }
  }
}
