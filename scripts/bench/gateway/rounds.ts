/** Servers in turn: so many repetitions of each, of which medians count, and how busy others kept the machine meanwhile. */
import { type Ask, type ClosedLoop, runWrk } from './load.ts';
import { CORE, type CpuUs, readBusyUs, readCpu, readIdleUs, readRss, type Server } from './processes.ts';
import type { GatewayBench } from './types.ts';

export interface Contestant {
  readonly server: Server;
  readonly ask: Ask;
  readonly connections: number;
}

/** Medians over the repetitions. */
export interface Standing extends ClosedLoop {
  /** CPU time of one request, microseconds. */
  readonly cpuUs: CpuUs;
  readonly peakRssMib: number;
  /** Cores that other processes of the machine used meanwhile: above 0.15 only CPU times say something. */
  readonly busy: number;
  /** The share of the tested core that others took: as much is missing from its throughput. */
  readonly taken: number;
  /** The share of the tested core that had nothing to do: load and what answers behind were not fast enough for it. */
  readonly idle: number;
}

const WARM_SECONDS = 4;

export function toMedian(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length % 2 === 1
    ? sorted[(sorted.length - 1) / 2]
    : (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2;
}

/** @param behind what answers, and is no stranger of the machine either */
export async function runRounds(
  { place, repetitions, seconds }: GatewayBench,
  contestants: readonly Contestant[],
  behind: readonly Server[],
): Promise<Map<string, Standing>> {
  const runs = new Map<string, Standing[]>(contestants.map(({ server }) => [server.name, []]));
  for (const one of contestants) await measure(place.folder, one, behind, WARM_SECONDS);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const one of contestants) runs.get(one.server.name)!.push(await measure(place.folder, one, behind, seconds));
  }
  return new Map(Array.from(runs, ([name, standings]) => [name, toStanding(standings)]));
}

export async function measure(
  folder: string,
  { server, ask, connections }: Contestant,
  behind: readonly Server[],
  seconds: number,
): Promise<Standing> {
  const ours = [server, ...behind];
  const sum = (): number => ours.reduce((total, one) => total + readCpu(one).all, 0);
  const [busyUs, testedUs, oursUs] = [readBusyUs(), readBusyUs(CORE.tested), sum()];
  const [cpu, idleUs, startMs] = [readCpu(server), readIdleUs(CORE.tested), performance.now()];
  const loop = await runWrk(ask, { folder, seconds, connections });
  const after = readCpu(server);
  const wallUs = (performance.now() - startMs) * 1000;
  const idle = (readIdleUs(CORE.tested) - idleUs) / wallUs;
  const others = (readBusyUs() - busyUs - (sum() - oursUs) - loop.loadUs) / wallUs;
  const taken = (readBusyUs(CORE.tested) - testedUs - (after.all - cpu.all)) / wallUs;
  const cpuUs = {
    main: (after.main - cpu.main) / loop.requests,
    all: (after.all - cpu.all) / loop.requests,
  };
  const peakRssMib = readRss(server).peakMib;
  return { ...loop, cpuUs, peakRssMib, busy: Math.max(0, others), taken: Math.max(0, taken), idle };
}

function toStanding(runs: readonly Standing[]): Standing {
  const median = (read: (one: Standing) => number): number => toMedian(runs.map(read));
  return {
    loadUs: runs.reduce((sum, { loadUs }) => sum + loadUs, 0),
    requests: runs.reduce((sum, { requests }) => sum + requests, 0),
    failed: runs.reduce((sum, { failed }) => sum + failed, 0),
    rps: median(({ rps }) => rps),
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
    cpuUs: { main: median(({ cpuUs }) => cpuUs.main), all: median(({ cpuUs }) => cpuUs.all) },
    peakRssMib: Math.max(...runs.map(({ peakRssMib }) => peakRssMib)),
    busy: median(({ busy }) => busy),
    taken: median(({ taken }) => taken),
    idle: median(({ idle }) => idle),
  };
}

/** Beyond this the throughput of a machine that others use says nothing; CPU times do. */
export const BUSY_MAX = 0.15;
/** The same of the tested core alone: what others take of it is missing from the throughput, however quiet the rest is. */
const TAKEN_MAX = 0.05;

/** Who had more than this to spare was asked for less than it can do: its throughput is that of the load. */
const IDLE_MAX = 0.05;

export interface Ratio {
  /** By requests a second, or by CPU time where that says more. */
  readonly value: number;
  readonly text: string;
}

/**
 * How many times what the yardstick does, per core. Throughput decides on a quiet machine whose tested core both of them filled, CPU
 * time else; both are told.
 */
export function toRatio(ours: Standing, yardstick: Standing): Ratio {
  const byRate = ours.rps / yardstick.rps;
  const byCpu = yardstick.cpuUs.all / ours.cpuUs.all;
  const doubt = findDoubt(ours, yardstick);
  return {
    value: doubt === null ? byRate : byCpu,
    text: `${byRate.toFixed(2)} x by throughput, ${byCpu.toFixed(2)} x by CPU${doubt === null ? '' : `, ${doubt}: judged by CPU`}`,
  };
}

/** Why throughputs cannot be compared; null where they can. */
function findDoubt(...both: readonly [Standing, Standing]): string | null {
  const most = (read: (one: Standing) => number): number => Math.max(...both.map(read));
  const [busy, taken, idle] = [most((one) => one.busy), most((one) => one.taken), most((one) => one.idle)];
  if (busy > BUSY_MAX || taken > TAKEN_MAX) {
    return `machine busy (${busy.toFixed(1)} cores by others, of the tested one ${taken.toFixed(2)})`;
  }
  return idle > IDLE_MAX ? `tested core not filled (${idle.toFixed(2)} idle)` : null;
}

/** `16,012/s, 52 us of CPU (of these 11 not of the thread that answers)`. */
export function toText({ rps, cpuUs, failed }: Standing): string {
  const beside = cpuUs.all - cpuUs.main;
  const besides = beside >= 1 ? ` (of these ${beside.toFixed(1)} by other threads)` : '';
  const failures = failed > 0 ? `, ${failed} FAILED` : '';
  return `${Math.round(rps).toLocaleString('en')}/s, ${cpuUs.all.toFixed(1)} us${besides}${failures}`;
}
