/** Bars 8 and 9: models that the gateway holds itself. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOpenLoop, runWrk } from '../load.ts';
import { writePerceptron } from '../models.ts';
import { LISTEN, MODEL, startGateway, startScript, toBearers, untilAnswered } from '../place.ts';
import { CORE, findObstacle, type Server } from '../processes.ts';
import { type Contestant, runRounds, toRatio, toText } from '../rounds.ts';
import { JSON_TYPE, toUrl } from '../small.ts';
import type { GatewayBench, GatewayRow, GatewayVerdict } from '../types.ts';

const TINY = [8, 32, 10];
const HEAVY_WIDTH = 1024;
const HEAVY_LAYERS = 8;
/** Of a classifier. As JSON the answers are large all the same: other threads write them. */
const HEAVY_CLASSES = 10;
/** Inferences that are at work at a time while health is asked for. */
const HEAVY_CLIENTS = 2;
const HEALTH_RATE = 100;
const HEAVY_SECONDS = 10;

function writeBody(path: string, rows: number, width: number): void {
  const data = Array.from({ length: rows * width }, (_, at) => ((at % 17) - 8) / 8);
  writeFileSync(path, JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, width], data }] }));
}

const toModels = (file: string, more: Record<string, unknown> = {}) => ({
  listen: LISTEN,
  models: [{ name: MODEL, file, ...more }],
});

async function judgeBatches(bench: GatewayBench): Promise<GatewayVerdict> {
  const { place } = bench;
  writePerceptron(place.at('tiny.onnx'), TINY);
  const bodyPath = place.at('tiny.json');
  writeBody(bodyPath, 1, TINY[0]);
  const started: Server[] = [];
  try {
    for (const [name, batchRows] of Object.entries({ shared: 32, alone: 1 })) {
      started.push(await startGateway(place, name, toModels('tiny.onnx', { batchRows })));
    }
    started.push(await startScript('echo.js', CORE.tested, []));
    const contestants = started.map((server): Contestant => {
      const ask = { url: toUrl(server), bodyPath, headers: JSON_TYPE, credentials: toBearers(place.keys) };
      return { server, ask, connections: 32 };
    });
    const standings = await runRounds(bench, contestants, []);
    const [shared, alone, echo] = started.map(({ name }) => standings.get(name)!);
    const [byEcho, byAlone] = [toRatio(shared, echo), toRatio(shared, alone)];
    return {
      figure: `echo ${byEcho.text}; alone ${byAlone.text}; shared runs ${toText(shared)}; alone ${toText(alone)}; echo ${toText(echo)}`,
      met: byEcho.value >= 0.8 && byAlone.value >= 1.8 && shared.failed + alone.failed === 0,
    };
  } finally {
    await Promise.all(started.map((server) => server.stop()));
  }
}

interface Delay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

async function readDelay({ child, pid }: Server): Promise<Delay> {
  process.kill(pid, 'SIGUSR2');
  let text = '';
  for (;;) {
    const found = /loop-delay (\{.*\})/.exec(text)?.[1];
    if (found !== undefined) return JSON.parse(found) as Delay;
    const [chunk] = (await once(child.stderr!, 'data')) as [Buffer];
    text += chunk.toString();
  }
}

/** Both cores are the gateway's here, as it was made for: the thread that answers must be free of inference, not of its load. */
async function judgeDelay({ place }: GatewayBench): Promise<GatewayVerdict> {
  writePerceptron(place.at('heavy.onnx'), [...Array<number>(HEAVY_LAYERS).fill(HEAVY_WIDTH), HEAVY_CLASSES]);
  const bodyPath = place.at('heavy.json');
  const env = { NODE_OPTIONS: `--require ${join(import.meta.dirname, '../servers/loop-delay.cjs')}` };
  const config = { ...toModels('heavy.onnx', { batchRows: 1 }), openHealth: true, limits: { batchMax: 4096 } };
  const gateway = await startGateway(place, 'heavy', config, { env, core: CORE.both });
  try {
    const credentials = toBearers(place.keys);
    const ask = { url: toUrl(gateway), bodyPath, headers: JSON_TYPE, credentials };
    const load = { folder: place.folder, connections: HEAVY_CLIENTS };
    // As many rows as take some 100 ms.
    let rows = 16;
    for (;;) {
      writeBody(bodyPath, rows, HEAVY_WIDTH);
      const { p50Ms } = await runWrk(ask, { ...load, seconds: 2, connections: 1 });
      if (p50Ms >= 100 || rows >= 2048) break;
      rows = Math.min(2048, Math.ceil((rows * Math.min(8, 110 / p50Ms)) / 8) * 8);
    }
    await untilAnswered(`http://127.0.0.1:${gateway.port}/v2/health/live`);
    await readDelay(gateway);
    const health = { ...ask, url: `http://127.0.0.1:${gateway.port}/v2/health/live`, method: 'GET' };
    const [heavy, asked] = await Promise.all([
      runWrk(ask, { ...load, seconds: HEAVY_SECONDS + 1 }),
      runOpenLoop(health, HEALTH_RATE, HEAVY_SECONDS),
    ]);
    const delay = await readDelay(gateway);
    return {
      figure: `loop p99 ${delay.p99Ms.toFixed(1)} ms (max ${delay.maxMs.toFixed(1)}), health p99 ${asked.p99Ms.toFixed(1)} ms (p50 ${asked.p50Ms.toFixed(2)}), while inferences of ${rows} rows took ${heavy.p50Ms.toFixed(0)} ms each with ${HEAVY_CLIENTS} at work; ${heavy.failed + asked.failed} failed`,
      met: delay.p99Ms <= 10 && asked.p99Ms <= 20 && heavy.p50Ms >= 100 && heavy.failed + asked.failed === 0,
    };
  } finally {
    await gateway.stop();
  }
}

export const rows: readonly GatewayRow[] = [
  {
    id: 'gateway-08-embedded',
    title:
      'a tiny model (8-32-10) held by the gateway, requests that come together sharing runs, JSON; against node:http that gives bodies back, and against runs that are not shared',
    bar: '>= 0.80 x echo, >= 1.8 x alone',
    findObstacle: () => findObstacle('wrk'),
    run: judgeBatches,
  },
  {
    id: 'gateway-09-loop',
    title:
      'inferences of 100 ms without pause, ten values a row in the answers: delay of the loop that answers, and of the health check, 100 times a second',
    bar: 'loop p99 <= 10 ms, health p99 <= 20 ms',
    findObstacle: () => findObstacle('wrk'),
    run: judgeDelay,
  },
];
