/** Bar 13: memory at the peak, and how soon the first request is answered. */
import { startPortkey, toBearers, untilAnswered } from '../place.ts';
import { findObstacle } from '../processes.ts';
import { toMedian } from '../rounds.ts';
import { measureSmall, PORTS, SMALL, startReady, startSmallUpstream, toConfig } from '../small.ts';
import type { GatewayBench, GatewayRow, GatewayVerdict } from '../types.ts';

const STARTS = 5;
const RSS_MIB_MAX = 130;

async function timeStart(start: () => Promise<{ stop(): Promise<void> }>): Promise<number> {
  const startMs = performance.now();
  const server = await start();
  const tookMs = performance.now() - startMs;
  await server.stop();
  return tookMs;
}

async function judge(bench: GatewayBench): Promise<GatewayVerdict> {
  const { place } = bench;
  const small = await measureSmall(bench);
  const [ours, portkey] = [small.get(SMALL.gateway)!, small.get(SMALL.portkey)!];
  const upstream = await startSmallUpstream(place);
  const [own, other]: number[][] = [[], []];
  try {
    for (let at = 0; at < STARTS; at++) {
      own.push(await timeStart(() => startReady(place, 'cold', toConfig())));
      other.push(
        await timeStart(async () => {
          const server = await startPortkey(PORTS.portkey);
          await untilAnswered(`http://127.0.0.1:${PORTS.portkey}/`, { authorization: toBearers(place.keys)[0] });
          return server;
        }),
      );
    }
  } finally {
    await upstream.stop();
  }
  const [ownMs, otherMs] = [toMedian(own), toMedian(other)];
  const ratio = ownMs / otherMs;
  return {
    figure: `${Math.round(ours.peakRssMib)} MiB at the peak (Portkey ${Math.round(portkey.peakRssMib)} MiB); first answer after ${ownMs.toFixed(0)} ms, Portkey's ${otherMs.toFixed(0)} ms (${ratio.toFixed(2)} x, medians of ${STARTS})`,
    met: ours.peakRssMib <= RSS_MIB_MAX && ratio <= 1.5,
  };
}

export const rows: readonly GatewayRow[] = [
  {
    id: 'gateway-13-memory',
    title:
      'memory of the gateway in front of a server under full load of small requests; time from the start of the process to its first answer',
    bar: 'RSS <= 130 MiB; first answer <= 1.5 x Portkey',
    findObstacle: () => findObstacle('wrk', 'nginx', 'npm'),
    run: judge,
  },
];
