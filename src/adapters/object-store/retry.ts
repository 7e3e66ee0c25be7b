/** Outages are waited out, a few times; refusals are not. */
import { SourceError } from '../../core/errors.ts';
import { OBJECT_LIMITS } from '../../core/limits/objects.ts';
import type { Pause } from '../../core/ports.ts';

/**
 * Runs `act` until it does not fail with OBJECT_STORE_UNAVAILABLE, `OBJECT_LIMITS.attemptsMax` times at most.
 * @param act is told how often it was tried before
 */
export async function withRetries<T>(pause: Pause, act: (before: number) => Promise<T>): Promise<T> {
  for (let before = 0; ; before++) {
    try {
      return await act(before);
    } catch (error) {
      const isOutage = error instanceof SourceError && error.code === 'OBJECT_STORE_UNAVAILABLE';
      if (!isOutage || before + 1 >= OBJECT_LIMITS.attemptsMax) throw error;
      const { retryAfterMs } = error.fields;
      const asked = typeof retryAfterMs === 'number' ? Math.min(retryAfterMs, OBJECT_LIMITS.retryAfterMsMax) : 0;
      await pause(Math.max(asked, OBJECT_LIMITS.backoffMs * 2 ** before));
    }
  }
}
