/** The HTTP client of key services against servers that misbehave: a code for each, in bounded time and memory. */
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Handler, serve, serveRaw } from '../../../test/endpoint-server.ts';
import { utf8 } from '../../core/bytes.ts';
import { SEAL_LIMITS } from '../../core/limits/seal.ts';
import { type KeyService, openKeyService, parseReply, type ServiceReply } from './service.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function connect(origin: string, timeoutMs = 3000): KeyService {
  const service = openKeyService({ origin, timeoutMs });
  open.push(service);
  return service;
}

async function against(handler: Handler): Promise<KeyService> {
  const server = await serve(handler);
  open.push(server);
  return connect(server.url);
}

async function rawAgainst(speak: (socket: Socket) => void, timeoutMs?: number): Promise<KeyService> {
  const server = await serveRaw(speak);
  open.push(server);
  return connect(server.url, timeoutMs);
}

function post(service: KeyService, body = utf8('{"a":1}')): Promise<ServiceReply> {
  return service.send({ method: 'POST', path: '/v1/key:use?x=1', headers: { 'x-token': 'CANARY' }, body });
}

describe('a good service', () => {
  test('gets method, path, headers and body; its reply comes back whole', async () => {
    const seen: unknown[] = [];
    const service = await against(({ method, path, headers, body }) => {
      seen.push(method, path, headers['x-token'], headers['content-length'], body);
      return { fine: true };
    });
    const reply = await post(service);
    expect(seen).toEqual(['POST', '/v1/key:use?x=1', 'CANARY', '7', { a: 1 }]);
    expect(parseReply(reply, z.object({ fine: z.boolean() }), service.host)).toEqual({ fine: true });
    expect(() => parseReply(reply, z.object({ other: z.string() }), service.host)).toThrow(
      expect.objectContaining({ code: 'KEY_SERVICE_MALFORMED' }),
    );
  });

  test('the body is wiped when the request is over, however it ended', async () => {
    const server = await serve(() => ({}));
    const service = connect(server.url);
    const [first, second] = [utf8('"SECRET1"'), utf8('"SECRET2"')];
    await post(service, first);
    await server.close();
    await expect(post(service, second)).rejects.toMatchObject({ code: 'KEY_PROVIDER_UNAVAILABLE' });
    for (const body of [first, second]) expect(body.every((byte) => byte === 0)).toBe(true);
  });

  test('is the only one that is asked: a path that looks like an address of another is a path', async () => {
    const asked: string[] = [];
    const other = await serve(() => ({}));
    open.push(other);
    const service = await against(({ path }) => {
      asked.push(path);
      return {};
    });
    const { host } = new URL(other.url);
    const paths = [`//${host}/a`, `/\\${host}/b`, '/../c'];
    for (const path of paths) await service.send({ method: 'GET', path, headers: {} });
    expect(asked).toEqual(paths);
    expect(other.asked).toEqual([]);
  });

  test('refusals of the service are replies: what they mean is told elsewhere', async () => {
    const service = await against((_asked, response) => {
      response.statusCode = 403;
      return { error: 1 };
    });
    expect(await post(service)).toMatchObject({ status: 403 });
  });
});

describe('services that misbehave', () => {
  test('a redirect is refused, and the place that it names is not asked', async () => {
    const other = await serve(() => ({}));
    open.push(other);
    const service = await against((_asked, response) => {
      response.writeHead(307, { location: `${other.url}/elsewhere` }).end();
      return undefined;
    });
    await expect(post(service)).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED', fields: { status: 307 } });
    expect(other.asked).toHaveLength(0);
  });

  test('an endless body is cut off at the cap', async () => {
    const service = await rawAgainst((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n');
      socket.write(Buffer.alloc(SEAL_LIMITS.keyServiceReplyBytesMax + 1, '1'));
    });
    await expect(post(service)).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED', fields: { at: 'size' } });
  });

  test('endless headers are cut off', async () => {
    const service = await rawAgainst((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      for (let i = 0; i < 4000; i++) socket.write(`x-${i}: ${'a'.repeat(100)}\r\n`);
    });
    await expect(post(service)).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED', fields: { at: 'headers' } });
  });

  test('what is no HTTP is malformed', async () => {
    const service = await rawAgainst((socket) => {
      socket.end('SSH-2.0-OpenSSH_9.6\r\n');
    });
    await expect(post(service)).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED' });
  });

  test.each([
    ['never answers', () => undefined],
    [
      'drips byte by byte',
      (socket: Socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n');
        const timer = setInterval(() => socket.write('1'), 20);
        socket.on('close', () => {
          clearInterval(timer);
        });
      },
    ],
  ])('one that %s ends with the time', async (_name, speak) => {
    const service = await rawAgainst(speak, 300);
    await expect(post(service)).rejects.toMatchObject({ code: 'KEY_PROVIDER_UNAVAILABLE', fields: { timeoutMs: 300 } });
  });

  test.each([
    'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"a"',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{"a"',
    '',
  ])('a connection that is reset after %j is an outage', async (text) => {
    const service = await rawAgainst((socket) => {
      socket.write(text, () => socket.resetAndDestroy());
    });
    await expect(post(service)).rejects.toMatchObject({ code: 'KEY_PROVIDER_UNAVAILABLE' });
  });

  test.each([
    [429, '7', 7000],
    [503, 'Fri, 20 Nov 2026 00:00:05 GMT', null],
    [500, undefined, null],
  ])('status %i with "Retry-After: %s" is an outage that tells how long', async (status, retryAfter, retryAfterMs) => {
    const service = await against((_asked, response) => {
      response.statusCode = status;
      if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
      return {};
    });
    const outage = { code: 'KEY_PROVIDER_UNAVAILABLE', fields: { status, retryAfterMs } };
    await expect(post(service)).rejects.toMatchObject(outage);
  });
});
