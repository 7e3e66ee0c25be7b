/** Clients that go away, over each transport: what is done for them ends, and nothing of theirs stays. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectH2 } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HttpFrontTls } from '../../../src/adapters/http-front/index.ts';
import { useFronts } from '../../http-front/kit.ts';
import { makeServerFiles } from './certificates.ts';

const open = useFronts();
let folder: string;
let tls: HttpFrontTls;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-gone-'));
  tls = makeServerFiles(folder);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Begins a request, with its end or without it; gives the socket below. */
type Begin = (port: number, isWhole: boolean) => Socket;

function dial(port: number, isTls: boolean, protocol: string): Socket {
  const at = { port, host: '127.0.0.1' };
  const socket = isTls ? connectTls({ ...at, rejectUnauthorized: false, ALPNProtocols: [protocol] }) : connectTcp(at);
  socket.on('error', () => undefined);
  return socket;
}

const beginHttp1 =
  (isTls: boolean): Begin =>
  (port, isWhole) => {
    const socket = dial(port, isTls, 'http/1.1');
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${isWhole ? 3 : 9}\r\n\r\nabc`);
    return socket;
  };

const beginHttp2 =
  (isTls: boolean): Begin =>
  (port, isWhole) => {
    const socket = dial(port, isTls, 'h2');
    const session = connectH2(`http://127.0.0.1:${port}`, { createConnection: () => socket });
    session.on('error', () => undefined);
    const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false });
    stream.on('error', () => undefined);
    stream.write('abc');
    if (isWhole) stream.end();
    return socket;
  };

describe.each([
  ['HTTP/1.1', false, beginHttp1(false)],
  ['HTTP/1.1 over TLS', true, beginHttp1(true)],
  ['HTTP/2', false, beginHttp2(false)],
  ['HTTP/2 over TLS', true, beginHttp2(true)],
] as const)('%s', (_name, isTls, begin) => {
  test.each([
    ['at work', true],
    ['in its body', false],
  ])(
    'a client that goes away while its request is %s',
    async (_where, isWhole) => {
      let hasAborted = false;
      const { front, seen } = await open({
        ...(isTls && { tls }),
        handler: ({ signal }) =>
          new Promise((done) => {
            signal.addEventListener('abort', () => {
              hasAborted = true;
              done({ status: 200, headers: [], body: new Uint8Array() });
            });
          }),
      });
      const socket = begin(front.port, isWhole);
      while (front.stats.requestsNow === 0) await new Promise((done) => setTimeout(done, 1));
      if (isWhole) while (seen.length === 0) await new Promise((done) => setTimeout(done, 1));
      socket.destroy();
      // Without this the front's patience would end it, minutes later: the test would run out of time.
      while (front.stats.requestsNow + front.stats.connectionsNow + front.stats.bodiesBytesNow > 0) {
        await new Promise((done) => setTimeout(done, 5));
      }
      expect([hasAborted, seen.length]).toEqual([isWhole, Number(isWhole)]);
    },
    20_000,
  );
});
