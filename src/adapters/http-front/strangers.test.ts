/** Bodies of callers who are not known hold no memory that others need: it is asked who they are before much is read. */
import { connect } from 'node:http2';
import { describe, expect, test } from 'vitest';
import { openRaw, toRefusal, useFronts } from '../../../test/http-front/kit.ts';
import type { GatewayGreeter } from '../../gateway/ports.ts';

const open = useFronts();
/** Whoever has the header is known. */
const greet: GatewayGreeter = ({ headers }) =>
  headers['x-key'] === undefined ? 'GATEWAY_CREDENTIAL_INVALID' : { id: headers['x-key'] };
const toHead = (bytes: number, more = ''): string =>
  `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n${more}\r\n`;
const GOOD = 'x-key: good\r\n';

describe('bodies of strangers', () => {
  test('large ones are refused at their first bytes, and keep nothing', async () => {
    const { front, seen } = await open({ greet });
    const client = openRaw(front.port);
    client.socket.write(`${toHead(16 * 1024 * 1024)}x`);
    const text = await client.until(/\}\}$/);
    expect(toRefusal(text)).toEqual({ status: 401, code: 'GATEWAY_CREDENTIAL_INVALID' });
    expect(text).toMatch(/\r\nwww-authenticate: Bearer\r\n[^]*connection: close/);
    expect([seen.length, front.stats.bodiesBytesNow, front.stats.requestsNow]).toEqual([0, 0, 0]);
    expect(front.stats.refusals.GATEWAY_CREDENTIAL_INVALID).toBe(1);
  });

  test('those without a length, once they are large', async () => {
    const { front, seen } = await open({ greet, limits: { strangerBytesMax: 10 } });
    const client = openRaw(front.port);
    client.socket.write('POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n');
    client.socket.write('8\r\n12345678\r\n');
    expect(toRefusal(await client.until(/\}\}$/))).toEqual({ status: 401, code: 'GATEWAY_CREDENTIAL_INVALID' });
    expect([seen.length, front.stats.bodiesBytesNow]).toEqual([0, 0]);
  });

  test('small ones are the handler’s to judge, and large ones of callers who are known are read', async () => {
    let asked = 0;
    const count: GatewayGreeter = (request) => {
      asked += 1;
      return greet(request);
    };
    const { front, seen } = await open({ greet: count, limits: { strangerBytesMax: 4 } });
    const [small, large] = [openRaw(front.port), openRaw(front.port)];
    small.socket.write(`${toHead(3)}abc`);
    await small.until(/abc$/);
    large.socket.write(`${toHead(6, GOOD)}abc`);
    large.socket.write('def');
    await large.until(/abcdef$/);
    expect([seen.length, asked]).toEqual([2, 1]);
  });

  test('while memory is short, everybody is asked at the first byte', async () => {
    const { front, seen } = await open({ greet, limits: { bodiesBytesMax: 40_000 } });
    const holders = [1, 2, 3].map(() => openRaw(front.port));
    for (const { socket } of holders) socket.write(`${toHead(4096)}x`);
    const late = openRaw(front.port);
    while (front.stats.bodiesBytesNow < 3 * 4096) await new Promise(setImmediate);
    late.socket.write(`${toHead(3)}abc`);
    expect(toRefusal(await late.until(/\}\}$/))).toEqual({ status: 401, code: 'GATEWAY_CREDENTIAL_INVALID' });
    const known = openRaw(front.port);
    known.socket.write(`${toHead(3, GOOD)}abc`);
    await known.until(/abc$/);
    expect(seen).toHaveLength(1);
  });

  test('who is found out later is refused then; one whose judge fails gets 500', async () => {
    let judge: (code: 'GATEWAY_CREDENTIAL_EXPIRED') => void = () => undefined;
    const later = await open({ greet: () => new Promise((done) => (judge = done)), limits: { strangerBytesMax: 4 } });
    const client = openRaw(later.front.port);
    client.socket.write(`${toHead(100)}abcdef`);
    while (later.front.stats.bodiesBytesNow === 0) await new Promise(setImmediate);
    judge('GATEWAY_CREDENTIAL_EXPIRED');
    expect(toRefusal(await client.until(/\}\}$/))).toEqual({ status: 401, code: 'GATEWAY_CREDENTIAL_EXPIRED' });
    expect(later.front.stats.bodiesBytesNow).toBe(0);
    const failing = await open({ greet: () => Promise.reject(new Error('x')), limits: { strangerBytesMax: 4 } });
    const other = openRaw(failing.front.port);
    other.socket.write(`${toHead(100)}abcdef`);
    expect(toRefusal(await other.until(/\}\}$/))).toEqual({ status: 500, code: 'GATEWAY_INTERNAL' });
    expect(failing.troubles).toHaveLength(1);
  });

  test('one caller holds no more than his part while memory is short, and gives it back', async () => {
    const { front, seen } = await open({ greet, limits: { bodiesBytesMax: 64_000, strangerBytesMax: 4 } });
    const begin = async (key: string): Promise<ReturnType<typeof openRaw>> => {
      const client = openRaw(front.port);
      const before = front.stats.bodiesBytesNow;
      client.socket.write(`${toHead(8000, `x-key: ${key}\r\n`)}${'x'.repeat(500)}`);
      while (front.stats.bodiesBytesNow === before && client.text() === '') await new Promise(setImmediate);
      return client;
    };
    const holders = [await begin('a'), await begin('a'), await begin('a'), await begin('a')];
    expect(front.stats.bodiesBytesNow).toBe(32_000);
    expect(toRefusal(await (await begin('a')).until(/\}\}$/))).toEqual({ status: 503, code: 'GATEWAY_OVERLOADED' });
    const other = await begin('b');
    other.socket.write('x'.repeat(7500));
    await other.until(/x{8000}$/);
    expect(seen).toHaveLength(1);
    for (const { socket } of holders) socket.destroy();
    while (front.stats.bodiesBytesNow > 0) await new Promise(setImmediate);
    expect((await begin('a')).text()).toBe('');
  });

  test('of HTTP/2: the stream is refused, and others of its connection go on', async () => {
    const { front, seen } = await open({ greet, limits: { strangerBytesMax: 4 } });
    const session = connect(`http://127.0.0.1:${front.port}`);
    const ask = (headers: Record<string, string>): Promise<unknown> =>
      new Promise((done) => {
        const stream = session.request({ ':method': 'POST', ':path': '/a', ...headers });
        stream.on('error', () => undefined);
        stream.on('response', ({ ':status': status }) => {
          done(status);
        });
        stream.resume().end(Buffer.alloc(100_000));
      });
    expect(await Promise.all([ask({}), ask({ 'x-key': 'good' })])).toEqual([401, 200]);
    expect(seen).toHaveLength(1);
    session.destroy();
  });
});
