/** Hours at an even rate: whether memory grows, requests fail, or answers get slower. */
import { runOpenLoop } from './load.ts';
import type { Place } from './place.ts';
import { toBearers } from './place.ts';
import { readCpu, readRss } from './processes.ts';
import { startReady, startSmallUpstream, toAsk, toConfig, toUrl } from './small.ts';
import type { GatewayVerdict } from './types.ts';

const RATE = 500;
const STEP_SECONDS = 60;
const LOOK_MS = 2000;
/** Memory of a process that has just begun grows in any case. */
const SETTLED_PART = 0.25;

interface Step {
  readonly minute: number;
  /** Mean of the minute: what garbage takes goes up and down within it. */
  readonly rssMib: number;
}

/** Least squares, and the standard error of that, MiB an hour. */
function toSlope(steps: readonly Step[]): { readonly slope: number; readonly error: number } {
  if (steps.length < 3) return { slope: 0, error: Number.POSITIVE_INFINITY };
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(steps.map(({ minute }) => minute)), mean(steps.map(({ rssMib }) => rssMib))];
  const over = steps.reduce((sum, step) => sum + (step.minute - x) * (step.rssMib - y), 0);
  const under = steps.reduce((sum, { minute }) => sum + (minute - x) ** 2, 0);
  const slope = over / under;
  const rest = steps.reduce((sum, step) => sum + (step.rssMib - y - slope * (step.minute - x)) ** 2, 0);
  return { slope: slope * 60, error: Math.sqrt(rest / (steps.length - 2) / under) * 60 };
}

/** A row of its own: an hour is too long for the others. */
export const SOAK_ROW = {
  id: 'gateway-13-slope',
  title: 'memory of the gateway at 500 small requests a second, by `--soak 60`; without it the row is not run',
  bar: 'slope < 1 MiB/h over an hour, no request failed',
} as const;

/** Prints a line for each minute. @returns what it comes to; less than an hour says nothing of the bar */
export async function soak(
  place: Place,
  minutes: number,
): Promise<Omit<GatewayVerdict, 'met'> & { met: boolean | null }> {
  const upstream = await startSmallUpstream(place);
  const gateway = await startReady(place, 'soak', toConfig({ integrity: {} }));
  const ask = { ...toAsk(place, toUrl(gateway), toBearers(place.keys)), isPatient: true };
  const steps: Step[] = [];
  let [failed, sent, worstMs] = [0, 0, 0];
  console.log(`${RATE} requests a second for ${minutes} minutes`);
  console.log('minute  RSS MiB  requests  failed  p50 ms  p99 ms  max ms  CPU us');
  try {
    for (let minute = 1; minute <= minutes; minute++) {
      const before = readCpu(gateway).all;
      const sizes: number[] = [];
      const look = setInterval(() => sizes.push(readRss(gateway).nowMib), LOOK_MS);
      const loop = await runOpenLoop(ask, RATE, STEP_SECONDS).finally(() => {
        clearInterval(look);
      });
      const end = gateway.findEnd();
      if (end !== null) throw new Error(end);
      const rssMib = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
      const cpuUs = (readCpu(gateway).all - before) / loop.sent;
      steps.push({ minute, rssMib });
      failed += loop.failed;
      sent += loop.sent;
      worstMs = Math.max(worstMs, loop.p99Ms);
      const cells = [rssMib.toFixed(1), loop.sent, loop.failed, loop.p50Ms.toFixed(2), loop.p99Ms.toFixed(2)];
      console.log(
        [minute, ...cells, loop.maxMs.toFixed(1), cpuUs.toFixed(0)].map((cell) => String(cell).padStart(6)).join('  '),
      );
    }
    const settled = steps.slice(Math.floor(steps.length * SETTLED_PART));
    const { slope, error: slopeError } = toSlope(settled);
    const isGood = failed === 0 && slope < 1;
    return {
      figure: `RSS ${slope.toFixed(2)} (standard error ${slopeError.toFixed(2)}) MiB an hour over the last ${settled.length} minutes, peak ${Math.round(readRss(gateway).peakMib)} MiB; ${failed} of ${sent} failed; worst p99 of a minute ${worstMs.toFixed(1)} ms`,
      met: minutes < 60 ? null : isGood,
    };
  } finally {
    await gateway.stop();
    await upstream.stop();
  }
}
