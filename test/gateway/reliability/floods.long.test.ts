/** More than the gateway can do, and connections that want nothing: it sheds, goes on, and nothing stays. */
import { Agent } from 'node:http';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectH2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { createWorkplace, samples } from '../../e2e/command.ts';
import { BODY as INFER_BODY, INFER, until } from '../../e2e/serving.ts';
import { useFronts } from '../../http-front/kit.ts';
import { send } from '../fuzz.ts';
import { makeServerFiles } from './certificates.ts';
import { readKey, startGateway } from './gateway-process.ts';
import { MODEL, useWhole } from './whole.ts';

const openWhole = useWhole();
const openFront = useFronts();
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const BODY = Buffer.from('{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}');

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

const IDLE = 10_000;
const IDLE_MS = 90_000;
const BESIDE = 100;

test.skipIf(process.platform !== 'linux')(
  '10,000 connections that have asked once and say nothing more leave room for requests, take little memory, and are put out',
  async () => {
    const place = createWorkplace({ isOneProcess: true });
    const made = place.run(['apikey', 'create', '--name', 'a', '--model', 'digits', '-o', 'a.json']);
    expect(made.status).toBe(0);
    copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'net.onnx'));
    const limits = `{connections: ${2 * IDLE}, idleTimeoutMs: ${IDLE_MS}}`;
    const models = '[{name: digits, file: net.onnx}]';
    writeFileSync(
      join(place.folder, 'gateway.yaml'),
      `listen: {port: 0}\nopenHealth: true\nlimits: ${limits}\nmodels: ${models}\n`,
    );
    // A process of its own: 10,000 descriptors on each side.
    const { port, child, ended } = await startGateway(place, ['gateway.yaml', '--plaintext']);
    const agent = new Agent();
    const headers = { authorization: `Bearer ${readKey(place, 'a.json').apiKey}`, 'content-type': 'application/json' };
    const infer = { path: INFER, headers, body: Buffer.from(INFER_BODY) };
    expect(await send(port, infer, agent)).toMatchObject({ status: 200 });
    const before = toRssBytes(child.pid!);
    const sockets = await openMany(port, IDLE);
    let isOpen = sockets.length;
    const answered = sockets.map(
      (socket) =>
        new Promise((done) => {
          socket.once('data', done).once('close', () => isOpen--);
        }),
    );
    for (const socket of sockets) socket.write('GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    await Promise.all(answered);
    expect(isOpen).toBe(IDLE);
    expect(await send(port, infer, agent)).toMatchObject({ status: 200 });
    const perConnection = (toRssBytes(child.pid!) - before) / IDLE;
    process.stdout.write(`${IDLE} idle connections: ${(perConnection / 1024).toFixed(1)} KiB each\n`);
    expect(perConnection).toBeLessThan(64 * 1024);
    expect(readdirSync(`/proc/${child.pid!}/fd`).length).toBeGreaterThan(IDLE);
    await until('all are put out', () => isOpen === 0, 3 * IDLE_MS);
    expect(readdirSync(`/proc/${child.pid!}/fd`).length).toBeLessThan(BESIDE);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    place.remove();
  },
);

/** Of a process, by what Linux tells of it. */
function toRssBytes(pid: number): number {
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}

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
  // For as long as it takes the others: a fast machine has made its thousands before they are in.
  for (let round = 0; round < 20 || (good <= 5 && round < 500); round++) {
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
