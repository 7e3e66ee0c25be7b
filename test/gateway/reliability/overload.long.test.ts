/** Twice what the gateway can do: as much is answered as at its peak, those that were let in do not wait long, the others are told at once. */
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createWorkplace } from '../../e2e/command.ts';
import { makeSlowModel } from '../../e2e/slow-model.ts';
import type { Serving } from '../../e2e/serving.ts';
import { send } from '../fuzz.ts';
import type { FuzzRequest } from '../fuzz-cases.ts';
import { readKey, startGateway } from './gateway-process.ts';
import { MODEL, useWhole } from './whole.ts';

const openWhole = useWhole();
const place = createWorkplace({ isOneProcess: true });
let running: Serving | undefined;
afterAll(() => {
  running?.child.kill('SIGKILL');
  place.remove();
});
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const SPAN_MS = 4000;
/** Pairs of spans, at the peak and at twice the load: what the machine does besides meets both. */
const PAIRS_MAX = 6;
const GOODPUT_MIN = 0.9;

interface Span {
  /** Answers 200 within the span, for each second. */
  readonly goodput: number;
  readonly p99Ms: number;
  /** By status and code. */
  readonly told: ReadonlyMap<string, number>;
}

interface Asked {
  readonly port: number;
  readonly request: FuzzRequest;
}

/** Counts what is answered until the span is over. */
function createCount() {
  const [told, times]: [Map<string, number>, number[]] = [new Map(), []];
  const begin = performance.now();
  let inTime = 0;
  return {
    isOver: () => performance.now() - begin > SPAN_MS,
    sinceMs: () => performance.now() - begin,
    ask: async ({ port, request }: Asked, agent: Agent): Promise<boolean> => {
      const sentMs = performance.now();
      const answer = await send(port, request, agent);
      const [key, isGood] = [`${answer!.status} ${answer!.code}`, answer!.status === 200];
      told.set(key, (told.get(key) ?? 0) + 1);
      if (isGood) {
        times.push(performance.now() - sentMs);
        if (performance.now() - begin <= SPAN_MS) inTime++;
      }
      return isGood;
    },
    toSpan: (): Span => {
      times.sort((a, b) => a - b);
      return { goodput: inTime / (SPAN_MS / 1000), p99Ms: times[Math.floor(times.length * 0.99)], told };
    },
  };
}

/** So many sides, each of which asks again as soon as it is answered. */
async function askInTurn(asked: Asked, sides: number): Promise<Span> {
  const [agent, count] = [new Agent({ keepAlive: true }), createCount()];
  const side = async (): Promise<void> => {
    while (!count.isOver()) await count.ask(asked, agent);
  };
  await Promise.all(Array.from({ length: sides }, side));
  agent.destroy();
  return count.toSpan();
}

/** So many a second come by themselves, whether those before them were answered or not; who is refused goes away. */
async function askAtRate(asked: Asked, perSecond: number): Promise<Span> {
  const [agent, count] = [new Agent({ keepAlive: true }), createCount()];
  const sent: Promise<boolean>[] = [];
  while (!count.isOver()) {
    while (sent.length < (count.sinceMs() / 1000) * perSecond) sent.push(count.ask(asked, agent));
    await pause(2);
  }
  await Promise.all(sent);
  agent.destroy();
  return count.toSpan();
}

/** Asks in pairs of spans until goodput holds, or there were too many of them. */
async function overload(name: string, asked: Asked, sides: number): Promise<readonly Span[]> {
  const spans: Span[] = [];
  let [peak, over] = [0, 0];
  for (let pair = 0; pair < PAIRS_MAX && (pair < 2 || over < GOODPUT_MIN * peak); pair++) {
    const full = await askInTurn(asked, sides);
    const twice = await askAtRate(asked, 2 * full.goodput);
    [peak, over] = [peak + full.goodput, over + twice.goodput];
    spans.push(full, twice);
    const words = [full, twice].map(
      ({ goodput, p99Ms, told }) => `${goodput}/s, p99 ${Math.round(p99Ms)} ms, ${JSON.stringify([...told])}`,
    );
    process.stdout.write(`${name}: at the peak ${words[0]}; at twice the load ${words[1]}\n`);
  }
  process.stdout.write(`${name}: goodput at twice the load is ${(over / peak).toFixed(3)} of the peak\n`);
  expect(over / peak).toBeGreaterThanOrEqual(GOODPUT_MIN);
  return spans;
}

const last = (spans: readonly Span[]): readonly [full: Span, twice: Span] => [spans.at(-2)!, spans.at(-1)!];

test('of a caller with so many places, nine tenths of the peak are answered, and the others are told so at once', async () => {
  const [CAPACITY, RUN_MS] = [16, 50];
  const whole = await openWhole({
    concurrency: CAPACITY,
    run: async ([{ dtype, shape, data }]) => {
      await pause(RUN_MS);
      return [{ name: 'y', dtype, shape, data }];
    },
  });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${whole.apiKey}` };
  const body = Buffer.from('{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}');
  const request = { path: `/v2/models/${MODEL}/infer`, headers, body };
  const [full, twice] = last(await overload('places', { port: whole.front.port, request }, CAPACITY));
  expect([...full.told.keys()]).toEqual(['200 ']);
  expect([...twice.told.keys()].sort()).toEqual(['200 ', '429 GATEWAY_CONCURRENCY']);
  await whole.quiet();
  expect(whole.faults).toEqual([]);
});

test('of a model with a short queue, nine tenths of the peak are answered, and who was let in waits no longer than the queue', async () => {
  const QUEUE = 8;
  writeFileSync(join(place.folder, 'slow.onnx'), makeSlowModel());
  writeFileSync(
    join(place.folder, 'gateway.yaml'),
    `listen: {port: 0}\nmodels: [{name: slow, file: slow.onnx, batchRows: 1, queue: ${QUEUE}}]\n`,
  );
  const rates = ['--per-minute', '600000', '--burst', '100000', '--concurrency', '1000'];
  const made = place.run(['apikey', 'create', '--name', 'a', '--model', 'slow', '-o', 'a.json', ...rates]);
  expect(made.status).toBe(0);
  running = await startGateway(place, ['gateway.yaml', '--plaintext']);
  const authorization = `Bearer ${readKey(place, 'a.json').apiKey}`;
  const request = {
    path: '/v2/models/slow/infer',
    headers: { 'content-type': 'application/json', authorization },
    body: Buffer.from('{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]}'),
  };
  const [full, twice] = last(await overload('model', { port: running.port, request }, 3));
  expect([...full.told.keys()]).toEqual(['200 ']);
  expect([...twice.told.keys()].sort()).toEqual(['200 ', '503 GATEWAY_OVERLOADED']);
  // A queue before one instance, each of whose runs takes as long as at the peak; much more for the noise of the machine, and
  // still below what the last of a queue without an end would wait: the length of the span.
  expect(twice.p99Ms).toBeLessThan(Math.min((16 * (QUEUE + 2) * 1000) / twice.goodput, 0.75 * SPAN_MS));
  running.child.kill('SIGTERM');
  expect(await running.ended).toBe(0);
});
