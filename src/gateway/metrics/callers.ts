/** Requests of single callers: those that ask most, and those that somebody flagged, have a series of their own. */
import { METRICS_LIMITS } from '../../core/limits/metrics.ts';
import { CALLER_FAMILY } from './families.ts';
import type { MetricsRegistry } from './registry.ts';

export interface CallerBoard {
  /** One more request of this principal. */
  count(principalId: string): void;
}

export interface CallerBoardOptions {
  /** How many of those that ask most are shown; 0 shows the flagged ones alone. */
  readonly top: number;
  /** Principals that are shown whatever they ask. */
  readonly flagged: () => ReadonlySet<string>;
}

/**
 * Counts are exact since the start, so that a caller who comes back to the top goes on where he was. They are told for each
 * process alone: a caller at the top of one and not of another would make sums go down.
 */
export function createCallerBoard(registry: MetricsRegistry, { top, flagged }: CallerBoardOptions): CallerBoard {
  const counts = new Map<string, number>();
  const shown = Math.min(top, METRICS_LIMITS.topCallersMax);
  registry.observe(CALLER_FAMILY, () => {
    const wanted = flagged();
    const byCount = [...counts].sort((a, b) => b[1] - a[1]);
    const chosen = byCount.filter(([id], at) => at < shown || wanted.has(id));
    return chosen.map(([id, count]) => [[id], count] as const);
  });
  return {
    count: (principalId) => {
      const known = counts.get(principalId);
      if (known !== undefined) counts.set(principalId, known + 1);
      else if (counts.size < METRICS_LIMITS.callersMax) counts.set(principalId, 1);
    },
  };
}
