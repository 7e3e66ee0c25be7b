import { once } from 'node:events';
import { request } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../../../test/broker/tls.ts';
import { codeOfAsync } from '../../../test/error-code.ts';
import type { HttpHandler, HttpRequest } from '../../core/http-handler.ts';
import { BROKER_LIMITS } from '../../core/limits/broker.ts';
import { type HttpsServer, type HttpsServerLimits, openHttpsServer, openLoopbackServer } from './index.ts';
import { PIPELINED_MAX } from './pipelines.ts';

const identity = makeServerIdentity();
const opened: HttpsServer[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

async function open(
  handler: HttpHandler,
  troubles: unknown[] = [],
  change: Partial<HttpsServerLimits> = {},
): Promise<number> {
  const limits = { ...BROKER_LIMITS, bodyBytesMax: 1000, idleTimeoutMs: 100, ...change };
  const at = { host: '127.0.0.1', port: 0, ...identity, limits };
  const server = await openHttpsServer({ ...at, handler, onTrouble: (error) => troubles.push(error) });
  opened.push(server);
  return server.port;
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: Uint8Array;
  readonly isChunked?: boolean;
}

function ask(
  port: number,
  { body, isChunked = false, ...options }: Ask,
): Promise<{ status: number; headers: object; text: string }> {
  return new Promise((done, fail) => {
    const ca = Buffer.from(identity.caPem);
    const sent = request({ host: '127.0.0.1', port, ca, agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        done({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() });
      });
    });
    sent.on('error', fail);
    if (isChunked) sent.setHeader('transfer-encoding', 'chunked');
    sent.end(body);
  });
}

describe('the HTTPS server', () => {
  test('hands path, query, headers and body on as they came, and sends what the handler says', async () => {
    const seen: HttpRequest[] = [];
    const port = await open((one) => {
      seen.push(one);
      return Promise.resolve({ status: 201, headers: { 'x-own': 'yes' }, body: utf8('hello') });
    });
    const answer = await ask(port, {
      method: 'POST',
      path: '/a/%2e%2e/b?c=1',
      headers: { cookie: ['x=1', 'y=2'] },
      body: utf8('in'),
    });
    expect(answer).toMatchObject({
      status: 201,
      text: 'hello',
      headers: { 'x-own': 'yes', 'x-content-type-options': 'nosniff' },
    });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: 'POST', path: '/a/%2e%2e/b', query: 'c=1', body: utf8('in') });
    expect(seen[0].headers.cookie).toBe('x=1; y=2');
    expect(seen[0].remoteAddress).toBe('127.0.0.1');
  });

  test.each([false, true])('a body above the cap never reaches the handler (chunked: %s)', async (isChunked) => {
    let calls = 0;
    const port = await open(() => {
      calls++;
      return Promise.resolve({ status: 200, headers: {}, body: new Uint8Array() });
    });
    const sent = ask(port, { method: 'POST', path: '/', body: new Uint8Array(1001), isChunked });
    expect((await sent).status).toBe(413);
    expect(calls).toBe(0);
  });

  test('a handler that fails: 500 without a word, and the operator is told', async () => {
    const troubles: unknown[] = [];
    const port = await open(() => Promise.reject(new Error('inner secret')), troubles);
    const { status, text } = await ask(port, { path: '/' });
    expect([status, text]).toEqual([500, '']);
    expect(troubles).toHaveLength(1);
  });

  test('TLS 1.2 is refused', async () => {
    const port = await open(() => Promise.resolve({ status: 200, headers: {}, body: new Uint8Array() }));
    const refused = new Promise<string>((done) => {
      const socket = connect({ host: '127.0.0.1', port, ca: Buffer.from(identity.caPem), maxVersion: 'TLSv1.2' });
      socket.on('secureConnect', () => {
        done('connected');
      });
      socket.on('error', (error: NodeJS.ErrnoException) => {
        done(error.code ?? 'error');
      });
    });
    expect(await refused).toMatch(/^ERR_SSL_/);
  });

  // Below the times that Node has of its own (120 s, 30 s): who is not put out before is a failure.
  const PATIENCE_MS = 20_000;
  const answerOk: HttpHandler = () => Promise.resolve({ status: 200, headers: {}, body: new Uint8Array() });

  /** Settles when the server has closed it. */
  function whenClosed(socket: Socket): Promise<unknown> {
    socket.on('error', () => undefined);
    socket.resume();
    return once(socket, 'close');
  }

  test(
    'who says nothing is put out, before the handshake and after it, and makes room',
    async () => {
      const port = await open(answerOk, [], { connectionsMax: 8, headersTimeoutMs: 2000 });
      const silent = connectTcp(port, '127.0.0.1');
      const shaken = connect({ host: '127.0.0.1', port, ca: Buffer.from(identity.caPem) });
      const closed = [whenClosed(silent), whenClosed(shaken)];
      await once(shaken, 'secureConnect');
      await Promise.all(closed);
      expect((await ask(port, { path: '/' })).status).toBe(200);
    },
    PATIENCE_MS,
  );

  test(
    'one peer holds a quarter of the connections, not one more, and has them back when they end',
    async () => {
      const port = await open(answerOk, [], { connectionsMax: 16 });
      const held = Array.from({ length: 4 }, () => connectTcp(port, '127.0.0.1'));
      await Promise.all(held.map((socket) => once(socket, 'connect')));
      const above = connectTcp(port, '127.0.0.1');
      await whenClosed(above);
      expect(held.map((socket) => socket.readyState)).toEqual(Array(4).fill('open'));
      const other = await new Promise<number>((done, fail) => {
        const ca = Buffer.from(identity.caPem);
        const at = { host: '127.0.0.1', port, localAddress: '127.0.0.2', ca, agent: false };
        request(at, (response) => {
          response.resume();
          done(response.statusCode ?? 0);
        })
          .on('error', fail)
          .end();
      });
      expect(other).toBe(200);
      const closed = held.map(whenClosed);
      for (const socket of held) socket.end();
      await Promise.all(closed);
      for (let n = 0; n < 12; n++) expect((await ask(port, { path: '/' })).status).toBe(200);
    },
    PATIENCE_MS,
  );

  test(
    'a connection has few requests under way: one that sends more without reading is closed',
    async () => {
      let calls = 0;
      const port = await open(() => {
        calls++;
        return new Promise(() => undefined);
      });
      const socket = connect({ host: '127.0.0.1', port, ca: Buffer.from(identity.caPem) });
      await once(socket, 'secureConnect');
      // Put out while it sends, which the client may learn as an error.
      const closed = new Promise((done) => socket.on('error', () => undefined).on('close', done));
      socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx'.repeat(2000));
      await closed;
      expect(calls).toBeGreaterThan(0);
      expect(calls).toBeLessThanOrEqual(PIPELINED_MAX);
    },
    PATIENCE_MS,
  );

  test(
    'and as many as it likes one after the other',
    async () => {
      const port = await open(answerOk);
      const socket = connect({ host: '127.0.0.1', port, ca: Buffer.from(identity.caPem) });
      await once(socket, 'secureConnect');
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
      const toAnswers = () => text.split('HTTP/1.1 200').length - 1;
      for (let sent = 0; sent < 3 * PIPELINED_MAX; sent += 2) {
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2));
        while (toAnswers() < sent + 2) await once(socket, 'data');
      }
      expect(socket.closed).toBe(false);
      socket.destroy();
    },
    PATIENCE_MS,
  );

  test('without TLS it listens inside this machine alone, with the same caps', async () => {
    const limits = { ...BROKER_LIMITS, bodyBytesMax: 10 };
    const handler: HttpHandler = ({ body }) => Promise.resolve({ status: 200, headers: {}, body });
    const at = { port: 0, limits, handler, onTrouble: () => undefined };
    const server = await openLoopbackServer({ ...at, host: '127.0.0.1' });
    opened.push(server);
    const send = (body: string) => fetch(`http://127.0.0.1:${server.port}/`, { method: 'POST', body });
    expect(await (await send('hello')).text()).toBe('hello');
    expect((await send('x'.repeat(11))).status).toBe(413);
    for (const host of ['0.0.0.0', '::', 'localhost', '192.0.2.1', '']) {
      await expect(openLoopbackServer({ ...at, host })).rejects.toMatchObject({ code: 'SERVER_NOT_LOOPBACK' });
    }
  });

  test('files that are no key and certificate, and ports that are taken, have codes', async () => {
    const handler: HttpHandler = () => Promise.resolve({ status: 200, headers: {}, body: new Uint8Array() });
    const port = await open(handler);
    const base = {
      host: '127.0.0.1',
      port: 0,
      ...identity,
      limits: BROKER_LIMITS,
      handler,
      onTrouble: () => undefined,
    };
    const codeOf = (change: object) => codeOfAsync(openHttpsServer({ ...base, ...change }));
    expect(await codeOf({ certificatePem: utf8('no PEM') })).toBe('SERVER_TLS_FILE');
    expect(await codeOf({ privateKeyPem: makeServerIdentity().privateKeyPem })).toBe('SERVER_TLS_FILE');
    expect(await codeOf({ port })).toBe('SERVER_LISTEN_FAILED');
  });
});
