/** Bars 4 and 5: what the gateway adds when requests come at their own time. Server, and server behind, share one core. */
import { type Ask, type OpenLoop, runOpenLoop } from '../load.ts';
import { toBearers } from '../place.ts';
import { CORE, findObstacle, readBusyUs, readCpu, type Server, withServers } from '../processes.ts';
import { toMedian } from '../rounds.ts';
import {
  PORTS,
  startLimitReq,
  startReady,
  startSmallUpstream,
  toAsk,
  toConfig,
  toPortkeyAsk,
  toUrl,
} from '../small.ts';
import { startPortkey } from '../place.ts';
import type { GatewayBench, GatewayRow } from '../types.ts';

const SECONDS = 6;

type Latencies = ReadonlyMap<string, OpenLoop>;

interface Round {
  readonly latencies: Latencies;
  /** Cores that others used in the turns that count, at most. */
  readonly busy: number;
}

/** Above this a turn says more of strangers than of the servers. */
const BUSY_MAX = 0.15;
const TURNS = 3;
/** Turns that strangers disturbed are taken again, so many times in all. */
const TURNS_MAX = 8;

/** Each in turn; the medians of turns that no stranger disturbed, of all turns where there are too few of them. */
async function takeTurns(asks: ReadonlyMap<string, Ask>, rate: number, ours: readonly Server[]): Promise<Round> {
  const runs = new Map<string, Turn[]>();
  for (const [, ask] of asks) await runOpenLoop(ask, rate, 2);
  const isEnough = (all: readonly Turn[]): boolean => all.filter(isClean).length >= TURNS;
  for (let turn = 0; turn < TURNS_MAX && !(turn >= TURNS && [...runs.values()].every(isEnough)); turn++) {
    for (const [name, ask] of asks) {
      const used = (): number => readBusyUs() - ours.reduce((sum, server) => sum + readCpu(server).all, 0);
      const [startUs, startMs] = [used(), performance.now()];
      const loop = await runOpenLoop(ask, rate, SECONDS);
      // The generator watches the clock without pause: it uses one core.
      const busy = Math.max(0, (used() - startUs) / ((performance.now() - startMs) * 1000) - 1);
      runs.set(name, [...(runs.get(name) ?? []), { ...loop, busy }]);
    }
  }
  const standings = Array.from(runs, ([name, all]) => [name, toStanding(all)] as const);
  return { latencies: new Map(standings), busy: Math.max(...standings.map(([, { busy }]) => busy)) };
}

interface Turn extends OpenLoop {
  /** Cores that others used meanwhile. */
  readonly busy: number;
}

const isClean = ({ busy }: Turn): boolean => busy <= BUSY_MAX;

function toStanding(turns: readonly Turn[]): Turn {
  const clean = turns.filter(isClean);
  const counted = clean.length >= TURNS ? clean : turns;
  const median = (read: (turn: Turn) => number): number => toMedian(counted.map(read));
  return {
    sent: turns.reduce((sum, { sent }) => sum + sent, 0),
    failed: turns.reduce((sum, { failed }) => sum + failed, 0),
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
    maxMs: median(({ maxMs }) => maxMs),
    busy: median(({ busy }) => busy),
  };
}

function measure(bench: GatewayBench): Promise<{ readonly fast: Round; readonly slow: Round }> {
  const { place } = bench;
  return bench.once('latency', () =>
    withServers(async (start, started) => {
      await start(startSmallUpstream(place, CORE.tested));
      const bearers = toBearers(place.keys);
      const ask = (server: Server): Ask => toAsk(place, toUrl(server), bearers);
      const direct = toAsk(place, `http://127.0.0.1:${PORTS.upstream}/`, bearers);
      const nginx = ask(await start(startLimitReq(place)));
      const gateway = ask(await start(startReady(place, 'latency', toConfig())));
      const portkey = toPortkeyAsk(place, await start(startPortkey(PORTS.portkey)));
      const fast = await takeTurns(new Map(Object.entries({ direct, nginx, gateway })), 1000, started);
      const slow = await takeTurns(new Map(Object.entries({ direct, gateway, portkey })), 200, started);
      return { fast, slow };
    }),
  );
}

const toText = ({ latencies, busy }: Round): string => {
  const parts = Array.from(
    latencies,
    ([name, { p50Ms, p99Ms, failed }]) =>
      `${name} ${p50Ms.toFixed(2)} / ${p99Ms.toFixed(2)} ms${failed > 0 ? `, ${failed} FAILED` : ''}`,
  );
  return `p50 / p99: ${parts.join('; ')}${busy > BUSY_MAX ? ` (machine busy: ${busy.toFixed(1)} cores by others)` : ''}`;
};

export const rows: readonly GatewayRow[] = [
  {
    id: 'gateway-04-latency-1000',
    title:
      '1,000 requests a second at random times, gateway and server behind on one core, median of three undisturbed turns',
    bar: 'p50 and p99 <= 2.5 x asked directly, p99 <= 2.0 x nginx + limit_req',
    findObstacle: () => findObstacle('nginx', 'npm'),
    run: async (bench) => {
      const { fast } = await measure(bench);
      const [direct, nginx, ours] = ['direct', 'nginx', 'gateway'].map((name) => fast.latencies.get(name)!);
      const [p50, p99, byNginx] = [ours.p50Ms / direct.p50Ms, ours.p99Ms / direct.p99Ms, ours.p99Ms / nginx.p99Ms];
      return {
        figure: `p50 ${p50.toFixed(2)} x, p99 ${p99.toFixed(2)} x asked directly, p99 ${byNginx.toFixed(2)} x nginx; ${toText(fast)}`,
        met: p50 <= 2.5 && p99 <= 2.5 && byNginx <= 2 && ours.failed === 0,
      };
    },
  },
  {
    id: 'gateway-05-latency-200',
    title: '200 requests a second at random times: what is added to the 99th percentile of asking directly',
    bar: '<= 0.1 x what Portkey OSS adds to it',
    findObstacle: () => findObstacle('nginx', 'npm'),
    run: async (bench) => {
      const { slow } = await measure(bench);
      const [direct, ours, portkey] = ['direct', 'gateway', 'portkey'].map((name) => slow.latencies.get(name)!);
      const ratio = Math.max(0, ours.p99Ms - direct.p99Ms) / (portkey.p99Ms - direct.p99Ms);
      return {
        figure: `${ratio.toFixed(3)} x; ${toText(slow)}`,
        met: ratio >= 0 && ratio <= 0.1 && ours.failed === 0,
      };
    },
  },
];
