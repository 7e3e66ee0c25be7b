/** A store that other processes share, and what is done while it is away: each counts a part by itself, never without limit. */
import { GatewayError, ModelwardError } from '../../core/errors.ts';
import { RATE_LIMITS } from '../../core/limits/api-keys.ts';
import { MemoryRates } from './memory-rates.ts';
import type { RatePolicy, RateStore, RateTake } from './ports.ts';

export interface FailoverOptions {
  readonly store: RateStore;
  /** Processes that the load is spread over, on all machines: each counts that part of a rate. */
  readonly processes: number;
  /** What is done while the store is away. */
  readonly whenAway: 'share' | 'refuse';
  readonly nowUs: () => number;
  /** Told when the store goes away, by the code, and when it is back, by null. */
  readonly onChange: (code: string | null) => void;
}

/**
 * Whoever goes over to shares begins with empty ones, and whoever goes back empties the store first: what others admitted
 * meanwhile is not known to it. So a rate is never exceeded by the change itself; for the length of a burst it is below.
 */
export function createFailoverRates(options: FailoverOptions): RateStore {
  const { store, processes, whenAway, nowUs, onChange } = options;
  let shares: MemoryRates | null = null;
  let retryUs = 0;
  const leave = (error: unknown): void => {
    retryUs = nowUs() + RATE_LIMITS.storeRetryMs * 1000;
    if (shares !== null) return;
    shares = new MemoryRates({ nowUs, isEmpty: true, shares: processes });
    onChange(error instanceof ModelwardError ? error.code : 'UNKNOWN');
  };
  const comeBack = (): void => {
    shares = null;
    onChange(null);
  };
  /** Nobody waits for a store that was away: it is tried beside. */
  const tryAgain = (): void => {
    retryUs = Infinity;
    try {
      const drained = store.drain();
      if (drained instanceof Promise) drained.then(comeBack, leave);
      else comeBack();
    } catch (error) {
      leave(error);
    }
  };
  const takeShare = (subject: string, policy: RatePolicy): RateTake => {
    if (whenAway === 'refuse') throw new GatewayError('LIMITS_STORE_FAILED');
    return shares!.take(subject, policy);
  };
  return {
    take: (subject, policy) => {
      if (shares !== null && nowUs() >= retryUs) tryAgain();
      if (shares !== null) return takeShare(subject, policy);
      const onFailure = (error: unknown): RateTake => {
        leave(error);
        return takeShare(subject, policy);
      };
      try {
        const taken = store.take(subject, policy);
        return taken instanceof Promise ? taken.catch(onFailure) : taken;
      } catch (error) {
        return onFailure(error);
      }
    },
    refund: (subject, policy) => {
      // While the store is away nobody knows who counted it.
      if (shares === null) store.refund(subject, policy);
    },
    drain: () => store.drain(),
    close: () => store.close(),
  };
}
