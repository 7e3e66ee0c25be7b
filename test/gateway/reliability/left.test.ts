/** Callers who go away while a model of the gateway works for them, by every protocol and transport: their places come back. */
import { connect as connectH2 } from 'node:http2';
import { Agent, request as sendHttp } from 'node:http';
import { afterAll, describe, expect, test } from 'vitest';
import { openServedModel } from '../../../src/gateway/pool/served-model.ts';
import type { LogRow, ModelSignature } from '../../../src/gateway/ports.ts';
import { send } from '../fuzz.ts';
import { type FuzzRequest, GOOD } from '../fuzz-cases.ts';
import { MODEL, useWhole } from './whole.ts';

const open = useWhole();
const agent = new Agent({ keepAlive: true });
afterAll(() => {
  agent.destroy();
});

const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};

/** Those that a model which is held here answers. */
const RUNS = GOOD.filter(({ path }) => !path.startsWith('/v1/chat') && !/embeddings|ModelMetadata/.test(path));

/** Sends a whole request; gives what makes its caller go away. */
type Send = (port: number, request: FuzzRequest) => () => void;

const overHttp1: Send = (port, { path, headers, body }) => {
  const sent = sendHttp({ host: '127.0.0.1', port, method: 'POST', path, headers, agent: false });
  sent.on('error', () => undefined);
  sent.end(body);
  return () => void sent.destroy();
};

const overHttp2: Send = (port, { path, headers, body }) => {
  const session = connectH2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  stream.on('error', () => undefined);
  stream.end(body);
  return () => {
    session.destroy();
  };
};

/** The stream alone is given up: the connection stays. */
const overHttp2Reset: Send = (port, { path, headers, body }) => {
  const session = connectH2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  session.unref();
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  stream.on('error', () => undefined);
  stream.end(body);
  return () => {
    stream.close(8);
  };
};

/** An engine that works until it is let go, and the model that it is the only instance of. */
async function openHeldModel() {
  const begun: (() => void)[] = [];
  const free: (() => void)[] = [];
  let runs = 0;
  let isHeld = false;
  const model = await openServedModel({
    ...{ name: MODEL, version: '1', signature: SIGNATURE, instances: 1, batchRowsMax: 1, queueMax: 16 },
    runTimeoutMs: 600_000,
    open: () =>
      Promise.resolve({
        ...{ inputs: [], outputs: [], release: () => Promise.resolve() },
        run: async (feeds) => {
          const { dtype, shape, data } = feeds.get('x')!;
          runs += 1;
          if (isHeld) {
            await new Promise<void>((done) => {
              free.push(done);
              begun.shift()?.();
            });
          }
          return new Map([['y', { dtype, shape, data: data.slice() }]]);
        },
      }),
    defer: (work) => setImmediate(work),
    after: () => () => undefined,
    onTrouble: () => undefined,
  });
  isHeld = true;
  const next = (): Promise<void> => new Promise((done) => begun.push(done));
  const run: typeof model.run = (...given) => model.run(...given);
  return { run, free, next, count: () => runs };
}

const toRows = (rows: readonly LogRow[]) => rows.map(({ status, code }) => [status, code]);

async function untilSeen(isSeen: () => boolean): Promise<void> {
  while (!isSeen()) await new Promise((done) => setTimeout(done, 1));
}

describe.each<readonly [string, Send]>([
  ['HTTP/1.1', overHttp1],
  ['HTTP/2', overHttp2],
  ['HTTP/2, of which the stream alone', overHttp2Reset],
])('over %s', (_name, begin) => {
  const kinds = RUNS.map((request, n) => [`${n}: ${request.path}`, request] as const);

  test.each(
    kinds,
  )('who goes away while the model works has his place until it has ended, and no longer (%s)', async (_what, request) => {
    const { run, free, next } = await openHeldModel();
    const { front, permits, rows, faults, apiKey, quiet } = await open({ concurrency: 1, run });
    const known = { ...request, headers: { ...request.headers, authorization: `Bearer ${apiKey}` } };
    let isAtWork = next();
    const leave = begin(front.port, known);
    await isAtWork;
    expect(permits.count).toBe(1);
    leave();
    await untilSeen(() => front.stats.requestsNow === 0);
    // The engine cannot be stopped: who goes away and comes again gets no more of it than he may have at work.
    expect(await send(front.port, known, agent)).toMatchObject({ code: 'GATEWAY_CONCURRENCY' });
    free.shift()!();
    await quiet();
    isAtWork = next();
    const answer = send(front.port, known, agent);
    await isAtWork;
    free.shift()!();
    expect(await answer).toMatchObject({ status: 200, code: '' });
    await quiet();
    expect(faults).toEqual([]);
    expect(rows.map(({ status }) => status)).toEqual([200, 200]);
  });

  test.each(
    kinds,
  )('who goes away while he waits is not run; it is his, costs what it costs, and his place is free (%s)', async (_what, request) => {
    const { run, free, next, count } = await openHeldModel();
    const { front, permits, rows, faults, apiKey, quiet } = await open({ concurrency: 2, run });
    // That of gRPC is in its trailers.
    const status = request.path.startsWith('/inference.') ? 200 : 499;
    const known = { ...request, headers: { ...request.headers, authorization: `Bearer ${apiKey}` } };
    const isAtWork = next();
    const first = send(front.port, known, agent);
    await isAtWork;
    const before = count();
    const leave = begin(front.port, known);
    await untilSeen(() => permits.count === 2);
    leave();
    await untilSeen(() => front.stats.requestsNow === 1);
    free.shift()!();
    expect(await first).toMatchObject({ status: 200, code: '' });
    await quiet();
    expect([count() - before, faults]).toEqual([0, []]);
    expect(toRows(rows)).toEqual([
      [200, null],
      [status, 'GATEWAY_STREAM_CUT'],
    ]);
  });
});
