/** More than the gateway can do, and connections that want nothing: it sheds, goes on, and nothing stays. */
import { Agent } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectH2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { useFronts } from '../../http-front/kit.ts';
import { send } from '../fuzz.ts';
import { makeServerFiles } from './certificates.ts';
import { MODEL, useWhole } from './whole.ts';

const openWhole = useWhole();
const openFront = useFronts();
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const BODY = Buffer.from('{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}');

test('twice as many requests as can be at work: those that were let in are answered, the others are told so at once', async () => {
  // 16 places of 20 ms each are 800 requests a second; from twice as many sides all come again at once.
  const CAPACITY = 16;
  const whole = await openWhole({
    concurrency: CAPACITY,
    run: async ([{ dtype, shape, data }]) => {
      await pause(20);
      return [{ name: 'y', dtype, shape, data }];
    },
  });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${whole.apiKey}` };
  const request = { path: `/v2/models/${MODEL}/infer`, headers, body: BODY };
  const run = async (sides: number): Promise<Map<string, number>> => {
    const agent = new Agent({ keepAlive: true });
    const told = new Map<string, number>();
    const end = performance.now() + 4000;
    const side = async (): Promise<void> => {
      while (performance.now() < end) {
        const answer = await send(whole.front.port, request, agent);
        const key = `${answer!.status} ${answer!.code}`;
        told.set(key, (told.get(key) ?? 0) + 1);
        if (answer!.status !== 200) await pause(5);
      }
    };
    await Promise.all(Array.from({ length: sides }, side));
    agent.destroy();
    return told;
  };
  const [fitting, twice] = [await run(CAPACITY), await run(2 * CAPACITY)];
  expect([...fitting.keys()]).toEqual(['200 ']);
  expect([...twice.keys()].sort()).toEqual(['200 ', '429 GATEWAY_CONCURRENCY']);
  // Goodput holds: half of it would be a collapse; what is less than nine tenths is noise of the machine.
  expect(twice.get('200 ')).toBeGreaterThan(fitting.get('200 ')! / 2);
  await whole.quiet();
  expect(whole.faults).toEqual([]);
});

/** So many connections, from addresses of this machine, so that no peer has more than its share. */
async function openMany(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let n = 0; n < count; n += 200) {
    const some = Array.from({ length: Math.min(200, count - n) }, (_, at) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.${1 + Math.floor((n + at) / 500)}.1` });
      socket.on('error', () => undefined);
      return socket;
    });
    await Promise.all(some.map((socket) => new Promise((done) => socket.once('connect', done))));
    sockets.push(...some);
  }
  return sockets;
}

test('8,000 connections that say nothing leave room for requests, take little memory, and are put out', async () => {
  const { front } = await openFront({
    limits: { connectionsMax: 10_000, headersTimeoutMs: 20_000, idleTimeoutMs: 20_000 },
  });
  const before = process.memoryUsage().rss;
  const sockets = await openMany(front.port, 8000);
  const agent = new Agent();
  const answer = await send(front.port, { path: '/', headers: {}, body: BODY }, agent);
  expect(answer).toMatchObject({ status: 200 });
  // Both ends are in this process.
  expect(process.memoryUsage().rss - before).toBeLessThan(8000 * 64 * 1024);
  let isOpen = sockets.length;
  for (const socket of sockets) socket.once('close', () => isOpen--).resume();
  while (isOpen > 0) await pause(50);
  expect(front.stats.connectionsNow).toBe(0);
});

test('handshakes that are begun and left, and broken ones, by the thousand: others get in, and no socket stays', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-flood-'));
  const tls = makeServerFiles(folder);
  const { front, troubles } = await openFront({ tls, limits: { handshakeTimeoutMs: 1000 } });
  const hello = Buffer.from('16030100300100002c0303', 'hex');
  let [isOver, good] = [false, 0];
  const others = async (): Promise<void> => {
    while (!isOver) {
      const socket = connectTls({ port: front.port, host: '127.0.0.1', ca: tls.ca });
      socket.on('error', () => undefined);
      await new Promise((done) => socket.once('secureConnect', done).once('close', done));
      if (socket.authorized) good++;
      socket.destroy();
      await pause(20);
    }
  };
  const watching = others();
  for (let round = 0; round < 20; round++) {
    const sockets = await openMany(front.port, 200);
    sockets.forEach((socket, n) => {
      if (n % 4 === 0) socket.write(hello);
      else if (n % 4 === 1) socket.write('GET / HTTP/1.1\r\n\r\n');
      else if (n % 4 === 2) socket.resetAndDestroy();
    });
    await pause(20);
    for (const socket of sockets) socket.destroy();
  }
  isOver = true;
  await watching;
  expect(good).toBeGreaterThan(5);
  while (front.stats.connectionsNow > 0) await pause(20);
  expect(troubles).toEqual([]);
  rmSync(folder, { recursive: true });
});

test('streams that are asked for and taken back, over and over: the connection ends, and no work stays', async () => {
  const whole = await openWhole({
    concurrency: 10_000,
    run: (_inputs, signal) =>
      new Promise((_done, fail) => {
        signal.addEventListener('abort', () => {
          fail(new GatewayError('GATEWAY_STREAM_CUT'));
        });
      }),
  });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${whole.apiKey}` };
  for (let round = 0; round < 20; round++) {
    const session = connectH2(`http://127.0.0.1:${whole.front.port}`);
    session.on('error', () => undefined);
    const closed = new Promise((done) => session.once('close', done));
    for (let n = 0; n < 300 && !session.destroyed; n++) {
      const stream = session.request({ ':method': 'POST', ':path': `/v2/models/${MODEL}/infer`, ...headers });
      stream.on('error', () => undefined);
      stream.end(BODY);
      setImmediate(() => {
        stream.close(8);
      });
      if (n % 50 === 0) await pause(1);
    }
    await pause(20);
    session.destroy();
    await closed;
  }
  expect(whole.front.stats.floods).toBeGreaterThan(0);
  await whole.quiet();
  expect(whole.faults).toEqual([]);
});
