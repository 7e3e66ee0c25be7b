/** What Node tells of this process: memory, time, and how late its event loop comes. */
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import process from 'node:process';
import type { ProcessSample, ReadProcess } from '../../gateway/ports.ts';

/** Between two looks at the loop: a delay is what is beyond it. */
const RESOLUTION_MS = 10;

export interface ProcessReader {
  readonly read: ReadProcess;
  /** Looks at the loop no more. */
  stop(): void;
}

/** The loop is looked at from now on, by a timer that does not keep the process alive. */
export function openProcessReader(): ProcessReader {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  let before = performance.eventLoopUtilization();
  return {
    read: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      const loopDelay = toDelays(delays);
      delays.reset();
      return { ...readUsage(), loopDelay, loopUtilization: toPart(utilization) };
    },
    stop: () => {
      delays.disable();
    },
  };
}

function readUsage(): Omit<ProcessSample, 'loopDelay' | 'loopUtilization'> {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { residentBytes: rss, heapUsedBytes: heapUsed, cpuSeconds: (user + system) / 1e6 };
}

/** Nanoseconds between two looks, as seconds beyond the usual. */
function toDelays(delays: IntervalHistogram): ProcessSample['loopDelay'] {
  const toDelay = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000);
  if (delays.count === 0) return { p50: 0, p99: 0, max: 0 };
  return { p50: toDelay(delays.percentile(50)), p99: toDelay(delays.percentile(99)), max: toDelay(delays.max) };
}

/** Of no time at all, Node gives no number. */
function toPart(utilization: number): number {
  return Number.isFinite(utilization) ? Math.min(1, Math.max(0, utilization)) : 0;
}
