/** How much longer or shorter one model runs than another, on the same inputs. */
import type { Clock } from '../core/ports.ts';
import type { RuntimeSession, RuntimeTensor } from '../model/runtime.ts';

export interface LatencyRatio {
  /** Median of after / before over pairs that ran one right after the other. */
  readonly ratio: number;
  /** The middle half of the pairs lies between these: wide on a busy machine. */
  readonly ratioLow: number;
  readonly ratioHigh: number;
  readonly pairs: number;
  /** Median milliseconds of one run. */
  readonly beforeMs: number;
  readonly afterMs: number;
}

export interface LatencyOptions {
  readonly before: RuntimeSession;
  readonly after: RuntimeSession;
  readonly feeds: ReadonlyMap<string, RuntimeTensor>;
  readonly clock: Clock;
}

/** Odd, so that the median is one of them. */
const PAIRS = 15;
/** One timing takes at least so long: the clock counts milliseconds. */
const TIMING_MS_MIN = 40;
const REPEATS_MAX = 2048;

/** Runs pairs in turn, so that what else the machine does falls on both; who goes first alternates. */
export async function measureLatencyRatio({ before, after, feeds, clock }: LatencyOptions): Promise<LatencyRatio> {
  const time = async (session: RuntimeSession, repeats: number): Promise<number> => {
    const start = clock.nowMs();
    for (let i = 0; i < repeats; i++) await session.run(feeds);
    return clock.nowMs() - start;
  };
  await after.run(feeds);
  let repeats = 1;
  while (repeats < REPEATS_MAX && (await time(before, repeats)) < TIMING_MS_MIN) repeats *= 2;
  const timings: { readonly before: number; readonly after: number }[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    const isTurned = pair % 2 === 1;
    const late = isTurned ? await time(after, repeats) : 0;
    const early = await time(before, repeats);
    timings.push({ before: early, after: isTurned ? late : await time(after, repeats) });
  }
  const ratios = timings.map((pair) => (pair.before > 0 ? pair.after / pair.before : 1));
  const toMedian = (values: readonly number[]): number => toQuantile(values, 0.5);
  return {
    ratio: toMedian(ratios),
    ratioLow: toQuantile(ratios, 0.25),
    ratioHigh: toQuantile(ratios, 0.75),
    pairs: PAIRS,
    beforeMs: toMedian(timings.map((pair) => pair.before)) / repeats,
    afterMs: toMedian(timings.map((pair) => pair.after)) / repeats,
  };
}

/** The value that stands there when all are sorted. */
function toQuantile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.round(part * (values.length - 1))];
}
