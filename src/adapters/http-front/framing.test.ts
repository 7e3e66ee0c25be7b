/** What could be read in two ways never reaches the handler (RFC 9112, section 11.2). */
import { describe, expect, test } from 'vitest';
import { openRaw, sendRaw, toRefusal, useFronts } from '../../../test/http-front/kit.ts';

const open = useFronts();
const POST = 'POST /a HTTP/1.1\r\nHost: x\r\n';

/** The payloads of desync attacks: name, bytes. */
const DESYNC: readonly (readonly [string, string])[] = [
  ['content-length and transfer-encoding', `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['transfer-encoding and content-length', `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`],
  ['two content-lengths', `${POST}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde`],
  ['two equal content-lengths', `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
  ['a list of content-lengths', `${POST}Content-Length: 3, 3\r\n\r\nabc`],
  ['a signed content-length', `${POST}Content-Length: +3\r\n\r\nabc`],
  ['a negative content-length', `${POST}Content-Length: -3\r\n\r\nabc`],
  ['a hexadecimal content-length', `${POST}Content-Length: 0x3\r\n\r\nabc`],
  ['an empty content-length', `${POST}Content-Length: \r\n\r\nabc`],
  ['a content-length beyond 64 bits', `${POST}Content-Length: 99999999999999999999999\r\n\r\nabc`],
  ['a space before the colon', `${POST}Content-Length : 3\r\n\r\nabc`],
  ['a bare LF after a header', `${POST}X: y\nContent-Length: 3\r\n\r\nabc`],
  ['a bare LF after the request line', 'POST /a HTTP/1.1\nHost: x\r\n\r\n'],
  ['a bare CR in a header', `${POST}X: y\rContent-Length: 3\r\n\r\nabc`],
  ['NUL in a header', `${POST}X: y\0z\r\n\r\n`],
  ['a folded header', `${POST}X: y\r\n z\r\n\r\n`],
  ['a folded transfer-encoding', `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
  ['a header without a colon', `${POST}Content-Length\r\n\r\n`],
  ['a header without a name', `${POST}: x\r\n\r\n`],
  ['an unknown transfer-encoding', `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ['a transfer-encoding that does not end in chunked', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ['two transfer-encodings', `${POST}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['chunked twice', `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
  ['a compressed transfer', `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['a vertical tab before chunked', `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
  ['a quoted transfer-encoding', `${POST}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`],
  ['chunked in HTTP/1.0', 'POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['LF in a chunk extension', `${POST}Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n`],
  ['LF alone after a chunk size', `${POST}Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n`],
  ['a signed chunk size', `${POST}Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n`],
  ['a chunk size with 0x', `${POST}Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n`],
  ['a chunk size beyond 64 bits', `${POST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff3\r\nabc\r\n0\r\n\r\n`],
  ['a chunk longer than it says', `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n`],
  ['two Host headers', 'GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n'],
  ['two equal Host headers', 'GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n'],
  ['no Host header', 'GET /a HTTP/1.1\r\n\r\n'],
  ['no Host header in HTTP/1.0', 'GET /a HTTP/1.0\r\n\r\n'],
  ['an empty Host', 'GET /a HTTP/1.1\r\nHost: \r\n\r\n'],
  ['a Host with a user', 'GET /a HTTP/1.1\r\nHost: a@x\r\n\r\n'],
  ['a Host with a path', 'GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n'],
  ['absolute form, of another host', 'GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['absolute form, of the same host', 'GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['asterisk form', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a fragment', 'GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['bytes beyond ASCII in the path', 'GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['CONNECT', 'CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['an upgrade to HTTP/2', 'GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'],
  ['an upgrade to WebSocket', 'GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ['an expectation that is not known', `${POST}Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc`],
  ['two expectations', `${POST}Expect: 100-continue, x\r\nContent-Length: 3\r\n\r\nabc`],
  ['HTTP/0.9', 'GET /a\r\n\r\n'],
  ['HTTP/1.2', 'GET /a HTTP/1.2\r\nHost: x\r\n\r\n'],
  ['HTTP/2.0 as text', 'GET /a HTTP/2.0\r\nHost: x\r\n\r\n'],
  ['no HTTP at all', '\x16\x03\x01\x00\x05hello\r\n\r\n'],
];

describe('a request that could be read in two ways', () => {
  test.each(DESYNC)('%s: 400, and nothing after it is read', async (_name, bytes) => {
    const { front, seen, troubles } = await open();
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
    const text = await sendRaw(front.port, Buffer.from(bytes + smuggled, 'latin1'));
    expect(toRefusal(text)).toEqual({ status: 400, code: 'GATEWAY_FRAMING' });
    expect(seen).toEqual([]);
    expect(troubles).toEqual([]);
  });
});

describe('what is refused in other words', () => {
  test.each([
    ['TRACE', 'TRACE /a HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'GATEWAY_METHOD_NOT_ALLOWED'],
    ['a method of WebDAV', 'PROPFIND /a HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'GATEWAY_METHOD_NOT_ALLOWED'],
    ['a compressed body', `${POST}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc`, 415, 'GATEWAY_CONTENT_TYPE'],
    ['headers above the cap', `${POST}X: ${'y'.repeat(20_000)}\r\n\r\n`, 431, 'GATEWAY_HEADERS_TOO_LARGE'],
    ['a body above the cap', `${POST}Content-Length: 1001\r\n\r\n`, 413, 'GATEWAY_BODY_TOO_LARGE'],
    [
      'a body above the cap, in pieces',
      `${POST}Transfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`,
      413,
      'GATEWAY_BODY_TOO_LARGE',
    ],
    [
      'a body above the cap, before it is asked to come',
      `${POST}Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n`,
      413,
      'GATEWAY_BODY_TOO_LARGE',
    ],
  ])('%s', async (_name, bytes, status, code) => {
    const { front, seen } = await open({ limits: { bodyBytesMax: 1000 } });
    const client = openRaw(front.port);
    client.socket.write(bytes);
    expect(toRefusal(await client.until(/\}\}$/))).toEqual({ status, code });
    expect(seen).toEqual([]);
    expect(front.stats.bodiesBytesNow).toBe(0);
  });

  test('an answer of the front has its headers, and no body where HEAD asked', async () => {
    const { front } = await open();
    const text = await sendRaw(front.port, 'HEAD /a HTTP/1.1\r\nHost: x\r\nUpgrade: y\r\n\r\n');
    expect(text).toMatch(/\r\ncontent-length: \d+\r\n/);
    expect(text).toMatch(/\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n/);
    expect(text.endsWith('\r\n\r\n')).toBe(true);
  });
});

describe('what is taken', () => {
  test('a body in pieces, with extensions, and trailers that are left out', async () => {
    const { front, seen } = await open();
    const client = openRaw(front.port);
    client.socket.write(
      `${POST}Transfer-Encoding: Chunked\r\nX: 1\r\nX: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nAuthorization: late\r\n\r\n`,
    );
    expect(await client.until(/abcde/)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(seen[0]).toMatchObject({ method: 'POST', path: '/a', query: '', httpVersion: '1.1' });
    expect(seen[0].headers).toMatchObject({ x: '1, 2', cookie: 'a=1; b=2' });
    expect(seen[0].headers.authorization).toBeUndefined();
    expect(seen[0].peer).toEqual({ address: '127.0.0.1', certificate: null });
  });

  test('HTTP/1.0 with a length, and its connection ends', async () => {
    const { front } = await open();
    const text = await sendRaw(front.port, 'POST /a HTTP/1.0\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\nConnection: close\r\n\r\nabc$/i);
  });

  test('100-continue is said before the body, then the answer', async () => {
    const { front } = await open();
    const client = openRaw(front.port);
    client.socket.write(`${POST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`);
    expect(await client.until(/100 Continue\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    client.socket.write('abc');
    expect(await client.until(/abc$/)).toMatch(/HTTP\/1\.1 200 OK/);
  });

  test('path and query as they were sent; header values of Latin-1; names of Object as headers do no harm', async () => {
    const { front, seen } = await open();
    const client = openRaw(front.port);
    client.socket.write('GET /%2e%2e//b?c=%0d&d HTTP/1.1\r\nHost: [::1]:80\r\n__proto__: x\r\nconstructor: y\r\n\r\n');
    await client.until(/200 OK/);
    expect([seen[0].path, seen[0].query]).toEqual(['/%2e%2e//b', 'c=%0d&d']);
    expect(seen[0].headers.constructor).toBe('y');
  });

  test('requests that follow at once are answered in order, up to a cap', async () => {
    const { front } = await open({ limits: { pipelinedMax: 3 } });
    const ask = (n: number): string => `POST /${n} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n${n}`;
    const client = openRaw(front.port);
    client.socket.write(ask(1) + ask(2) + ask(3));
    const text = await client.until(/\r\n\r\n3/);
    expect([...text.matchAll(/\r\n\r\n(\d)/g)].map(([, n]) => n)).toEqual(['1', '2', '3']);
    const { front: slow, seen } = await open({
      limits: { pipelinedMax: 3 },
      handler: () => new Promise(() => undefined),
    });
    const eager = openRaw(slow.port);
    eager.socket.write(ask(1) + ask(2) + ask(3));
    await expect.poll(() => seen.map(({ path }) => path)).toEqual(['/1', '/2', '/3']);
    eager.socket.write(ask(4));
    expect(await eager.closed()).toBe('');
    expect(seen).toHaveLength(3);
    expect(slow.stats.requestsNow).toBe(0);
  });
});
