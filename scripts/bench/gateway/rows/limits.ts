/** Bar 10: how many a limit lets through, against the ideal. */
import { readFileSync } from 'node:fs';
import { runWrk } from '../load.ts';
import { root, toBearers } from '../place.ts';
import { measure } from '../../measure.ts';
import { readOutput, runCase } from '../../samples.ts';
import { findObstacle } from '../processes.ts';
import { startReady, startSmallUpstream, toAsk, toConfig, toUrl } from '../small.ts';
import type { GatewayBench, GatewayRow, GatewayVerdict } from '../types.ts';

const PER_MINUTE = 120;
const BURST = 20;
const SECONDS = 30;
/** Two processes with Redis and without, through crashes: real ones, each held to [-5 %, 0 %]. */
const FILES = ['src/adapters/redis-limits/redis-limits.test.ts', 'test/gateway/limits-processes.test.ts'];

async function judge({ place }: GatewayBench): Promise<GatewayVerdict> {
  const rates = ['--per-minute', String(PER_MINUTE), '--burst', String(BURST)];
  place.modelward('apikey', 'create', '--name', 'limited', '--model', '*', ...rates, '-o', 'limited.json');
  const { apiKey } = JSON.parse(readFileSync(place.at('limited.json'), 'utf8')) as { apiKey: string };
  const upstream = await startSmallUpstream(place);
  const gateway = await startReady(place, 'limits', toConfig());
  try {
    const ask = toAsk(place, toUrl(gateway), toBearers([apiKey]));
    const { requests, failed } = await runWrk(ask, { folder: place.folder, seconds: SECONDS, connections: 8 });
    const ideal = BURST + (SECONDS * PER_MINUTE) / 60;
    const admitted = requests - failed;
    const tests = await measure(runCase('run-tests.js', [root, ...FILES]));
    const [passed, total] = [readOutput(tests, 'passed'), readOutput(tests, 'total')];
    return {
      figure: `${admitted} of ideally ${ideal} let through in ${SECONDS} s of ${requests} that came (${((admitted / ideal - 1) * 100).toFixed(1)} %); two processes with Redis and without: ${passed} of ${total} tests pass`,
      met: admitted <= ideal && admitted >= 0.95 * ideal && passed === total && total > 0,
    };
  } finally {
    await Promise.all([gateway.stop(), upstream.stop()]);
  }
}

export const rows: readonly GatewayRow[] = [
  {
    id: 'gateway-10-limits',
    title:
      'a key of 120 a minute and a burst of 20, asked for as much as goes: by HTTP; by two processes with Redis and without (tests)',
    bar: 'within [-5 %, 0 %] of the ideal; none over it',
    findObstacle: () => findObstacle('wrk', 'nginx', 'redis-server'),
    run: judge,
  },
];
