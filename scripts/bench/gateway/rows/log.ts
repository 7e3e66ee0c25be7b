/** Bar 11: rows that were answered for are there, whatever ends the process, and none waits for the database. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOnOthers, runOpenLoop } from '../load.ts';
import { createPlace, startGateway, toBearers } from '../place.ts';
import { CORE, findObstacle } from '../processes.ts';
import { toMedian } from '../rounds.ts';
import { measureSmall, SMALL, startReady, startSmallUpstream, toAsk, toConfig, toUrl } from '../small.ts';
import type { Server } from '../processes.ts';
import type { GatewayBench, GatewayRow, GatewayVerdict } from '../types.ts';

const KILLS = 3;
const ROWS = 100_000;
const WAIT_RATE = 1000;
const WAIT_SECONDS = 4;
const WAIT_TURNS = 5;
const script = (name: string): string => join(import.meta.dirname, '../servers', name);

interface Verified {
  readonly isIntact: boolean;
}

/** In a home of its own, whose log has these rows alone. */
async function countLost({
  place: { folder },
}: GatewayBench): Promise<{ acked: number; lost: number; isIntact: boolean }> {
  const home = join(folder, 'killed');
  mkdirSync(home);
  const place = createPlace(home);
  const upstream = await startSmallUpstream(place);
  const acked: string[] = [];
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const gateway = await startReady(place, 'killed', toConfig());
      const { url, bodyPath, credentials } = toAsk(place, toUrl(gateway), toBearers(place.keys));
      const asking = runOnOthers([process.execPath, script('acked.js'), url, bodyPath, credentials[0], '32']);
      await new Promise((done) => setTimeout(done, 1000 + 700 * kill));
      await gateway.stop('SIGKILL');
      acked.push(...(JSON.parse((await asking).out) as { ids: string[] }).ids);
    }
    // The next start takes over what they left.
    await (await startReady(place, 'killed', toConfig())).stop();
    place.modelward('log', 'export', '-o', 'rows.ndjson');
    const text = readFileSync(place.at('rows.ndjson'), 'utf8');
    const known = new Set(Array.from(text.matchAll(/"requestId":"([^"]+)"/g), ([, id]) => id));
    const { isIntact } = JSON.parse(place.modelward('log', 'verify', '--json')) as Verified;
    return { acked: acked.length, lost: acked.filter((id) => !known.has(id)).length, isIntact };
  } finally {
    await upstream.stop();
  }
}

interface Rates {
  readonly spoolRps: number;
  readonly databaseRps: number;
}

async function measureRates({ place }: GatewayBench): Promise<Rates> {
  const rates: Rates[] = [];
  for (let at = 0; at < 3; at++) {
    const folder = place.at(`rate-${at}`);
    mkdirSync(folder);
    const { out } = await runOnOthers([process.execPath, script('log-rate.js'), folder, String(ROWS)]);
    rates.push(JSON.parse(out.trim().split('\n').at(-1)!) as Rates);
  }
  return {
    spoolRps: toMedian(rates.map(({ spoolRps }) => spoolRps)),
    databaseRps: toMedian(rates.map(({ databaseRps }) => databaseRps)),
  };
}

interface Waits {
  readonly withMs: number;
  readonly withoutMs: number;
}

/** 99th percentiles with the log, and where its rows go nowhere; in turn, medians, both with the core of the other threads to themselves. */
async function measureWaits({ place }: GatewayBench): Promise<Waits> {
  const started: Server[] = [await startSmallUpstream(place)];
  try {
    const bearers = toBearers(place.keys);
    const withLog = await startReady(place, 'with-log', toConfig());
    started.push(withLog);
    const env = { NODE_OPTIONS: `--require ${script('no-log.cjs')}` };
    const without = await startGateway(place, 'without-log', toConfig(), { env });
    started.push(without);
    const p99s: Record<keyof Waits, number[]> = { withMs: [], withoutMs: [] };
    for (let turn = 0; turn <= WAIT_TURNS; turn++) {
      for (const [name, server] of Object.entries({ withMs: withLog, withoutMs: without })) {
        const { p99Ms, failed } = await runOpenLoop(toAsk(place, toUrl(server), bearers), WAIT_RATE, WAIT_SECONDS);
        if (failed > 0 && turn > 0) throw new Error(`${failed} requests failed`);
        // The first turn warms up.
        if (turn > 0) p99s[name as keyof Waits].push(p99Ms);
      }
    }
    return { withMs: toMedian(p99s.withMs), withoutMs: toMedian(p99s.withoutMs) };
  } finally {
    await Promise.all(started.map((server) => server.stop()));
  }
}

async function judge(bench: GatewayBench): Promise<GatewayVerdict> {
  const { acked, lost, isIntact } = await countLost(bench);
  const peak = (await measureSmall(bench)).get(SMALL.gateway)!.rps;
  const { spoolRps, databaseRps } = await measureRates(bench);
  const times = Math.min(spoolRps, databaseRps) / peak;
  const { withMs, withoutMs } = await measureWaits(bench);
  const wait = withMs / withoutMs;
  const count = (value: number): string => Math.round(value).toLocaleString('en');
  return {
    figure: `${lost} of ${count(acked)} lost in ${KILLS} kills, log ${isIntact ? 'intact' : 'NOT INTACT'}; ${times.toFixed(1)} x the gateway's ${count(peak)}/s: into the spool ${count(spoolRps)} rows/s, from there into SQLite ${count(databaseRps)} rows/s, both on one core (${CORE.others}); p99 at ${WAIT_RATE}/s ${wait.toFixed(2)} x that without (${withMs.toFixed(2)} / ${withoutMs.toFixed(2)} ms)`,
    met: lost === 0 && isIntact && acked > 1000 && times >= 2 && wait <= 1.1,
  };
}

export const rows: readonly GatewayRow[] = [
  {
    id: 'gateway-11-log',
    title:
      'kill -9 under load: requests that were answered and have no row; how fast rows go into the spool and the database; and what callers wait for them',
    bar: '0 lost; >= 2 x the peak rate of the gateway; p99 <= 1.1 x that without a log',
    findObstacle: () => findObstacle('wrk', 'nginx', 'npm'),
    run: judge,
  },
];
