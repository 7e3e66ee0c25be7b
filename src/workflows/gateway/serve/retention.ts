/** Drops old days of the log by itself, for as long as the gateway runs. */
import type { Database } from '../../../core/database.ts';
import { GATEWAY_LOG_LIMITS } from '../../../core/limits/gateway-log.ts';
import type { Clock, Pause } from '../../../core/ports.ts';
import type { Journal, LogTables } from '../../../gateway/index.ts';
import type { Recorder } from '../../recorder.ts';
import { retainRequests } from '../log.ts';

export interface RetentionOptions {
  readonly database: Database<LogTables>;
  readonly recorder: Pick<Recorder, 'record' | 'actor'>;
  /** Today and so many days before it stay; null for all. */
  readonly days: () => number | null;
  readonly clock: Clock;
  readonly pause: Pause;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

/** Looks at the start, and once an hour. Ends when `signal` is aborted; never rejects. */
export async function runRetention(options: RetentionOptions): Promise<void> {
  const { days, clock, pause, signal, journal, database, recorder } = options;
  while (!signal.aborted) {
    const kept = days();
    try {
      const terms = { days: kept ?? 0, nowMs: clock.nowMs(), isDryRun: false };
      const dropped = kept === null ? [] : await retainRequests({ database, recorder }, terms);
      for (const { rows } of dropped) journal.tell('log-dropped', { count: rows });
    } catch (error) {
      journal.fault(error, { part: 'retention' });
    }
    await pause(GATEWAY_LOG_LIMITS.retainMs, signal);
  }
}
