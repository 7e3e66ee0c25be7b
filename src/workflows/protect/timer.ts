/** Seconds per named step, for the report; the clock is passed in. */
import type { Clock } from '../../core/ports.ts';

export interface StepTimer {
  time<T>(step: string, work: () => T): T;
  timeAsync<T>(step: string, work: () => Promise<T>): Promise<T>;
  /** In the order of first use; a step that ran twice is added up. */
  timings(): { readonly step: string; readonly seconds: number }[];
}

export function createStepTimer(clock: Clock): StepTimer {
  const seconds = new Map<string, number>();
  const add = (step: string, startedMs: number): void => {
    seconds.set(step, (seconds.get(step) ?? 0) + (clock.nowMs() - startedMs) / 1000);
  };
  return {
    time(step, work) {
      const startedMs = clock.nowMs();
      try {
        return work();
      } finally {
        add(step, startedMs);
      }
    },
    async timeAsync(step, work) {
      const startedMs = clock.nowMs();
      try {
        return await work();
      } finally {
        add(step, startedMs);
      }
    },
    timings: () => [...seconds].map(([step, value]) => ({ step, seconds: value })),
  };
}
