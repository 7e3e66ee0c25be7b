/** The client against servers that misbehave: each is refused with its own code, in bounded time and memory. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import type { Endpoint } from '../../watermark/ports.ts';
import { type Handler, serve, serveRaw } from '../../../test/endpoint-server.ts';
import { codeOfAsync } from '../../../test/error-code.ts';
import { hasProgram } from '../../../test/shared-data.ts';
import { findRetryAfterMs, openEndpoint } from './endpoint.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const defaults = { headers: new Map<string, string>(), cacert: null, isInsecureAllowed: false };

function connect(url: string, more: Partial<Parameters<typeof openEndpoint>[0]> = {}): Endpoint {
  const endpoint = openEndpoint({ ...defaults, url, ...more });
  open.push(endpoint);
  return endpoint;
}

async function against(handler: Handler): Promise<Endpoint> {
  const server = await serve(handler);
  open.push(server);
  return connect(`${server.url}/predict?key=canary`);
}

async function rawAgainst(speak: (socket: Socket) => void): Promise<Endpoint> {
  const server = await serveRaw(speak);
  open.push(server);
  return connect(`${server.url}/`);
}

const request = { body: Buffer.from('{"inputs":[1]}'), contentType: 'application/json', timeoutMs: 3000 };

describe('a good server', () => {
  test('gets the body with its headers, and its reply comes back whole, whatever its status', async () => {
    const seen: unknown[] = [];
    const server = await serve(({ body, headers, path }, response) => {
      seen.push(body, headers['x-team'], headers['accept-encoding'], path);
      response.statusCode = 422;
      response.setHeader('retry-after', '7');
      return { error: 'no' };
    });
    open.push(server);
    const endpoint = connect(`${server.url}/v1/m?x=1`, { headers: new Map([['x-team', 'blue']]) });
    const reply = await endpoint.post(request);
    expect(reply).toMatchObject({ status: 422, retryAfterMs: 7000 });
    expect(Buffer.from(reply.body).toString()).toBe('{"error":"no"}');
    expect(seen).toEqual([{ inputs: [1] }, 'blue', 'identity', '/v1/m?x=1']);
  });
});

describe('servers that misbehave', () => {
  test('redirects are refused, and the place that they name is not asked', async () => {
    const other = await serve(() => ({}));
    open.push(other);
    const endpoint = await against((_asked, response) => {
      response.writeHead(307, { location: `${other.url}/elsewhere` }).end();
      return undefined;
    });
    expect(await codeOfAsync(endpoint.post(request))).toBe('REMOTE_REDIRECTED');
    expect(other.asked).toHaveLength(0);
  });

  test('an endless body is cut off at the cap', async () => {
    let isOpen = true;
    const endpoint = await against((_asked, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const chunk = Buffer.alloc(1024 * 1024, '1');
      const pour = (): void => {
        while (isOpen && response.write(chunk));
      };
      response.on('drain', pour);
      response.on('close', () => {
        isOpen = false;
      });
      pour();
      return undefined;
    });
    const failure = endpoint.post({ ...request, timeoutMs: 30_000 });
    await expect(failure).rejects.toMatchObject({ fields: { bytesMax: REMOTE_LIMITS.replyBytesMax } });
    expect(await codeOfAsync(failure)).toBe('REMOTE_REPLY_TOO_LARGE');
  });

  test('endless headers are cut off', async () => {
    const endpoint = await rawAgainst((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      for (let i = 0; i < 4000; i++) socket.write(`x-${i}: ${'a'.repeat(100)}\r\n`);
    });
    expect(await codeOfAsync(endpoint.post(request))).toBe('REMOTE_REPLY_TOO_LARGE');
  });

  test('a reply that drips, byte by byte, ends with the time for the whole request', async () => {
    const endpoint = await rawAgainst((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n');
      const timer = setInterval(() => socket.write('1'), 20);
      socket.on('close', () => {
        clearInterval(timer);
      });
    });
    expect(await codeOfAsync(endpoint.post({ ...request, timeoutMs: 300 }))).toBe('REMOTE_TIMEOUT');
  });

  test('a server that never answers ends with the time', async () => {
    const endpoint = await rawAgainst(() => undefined);
    expect(await codeOfAsync(endpoint.post({ ...request, timeoutMs: 200 }))).toBe('REMOTE_TIMEOUT');
  });

  test.each([
    ['in the middle of a body of known length', 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"outputs"'],
    ['in the middle of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{"outputs"'],
    ['before any status', ''],
    ['after what is no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ])('a connection that is reset %s counts as no answer', async (_name, text) => {
    const endpoint = await rawAgainst((socket) => {
      socket.write(text, () => socket.resetAndDestroy());
    });
    expect(await codeOfAsync(endpoint.post(request))).toBe('REMOTE_UNREACHABLE');
  });

  test('a port where nobody listens counts as no answer; the error names host and reason, never the path', async () => {
    const server = await serve(() => ({}));
    await server.close();
    const failure = connect(`${server.url}/secret-path?key=canary`).post(request);
    const error: unknown = await failure.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'REMOTE_UNREACHABLE', fields: { reason: 'ECONNREFUSED' } });
    expect(JSON.stringify(error) + String(error)).not.toContain('canary');
  });
});

describe.skipIf(!hasProgram('openssl', ['version']))('TLS [needs openssl]', () => {
  test('https is verified: an unknown authority is refused, a named one is not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', [...made, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    const server = await serve(() => ({ outputs: [] }), { key: readFileSync(key), cert: readFileSync(cert) });
    open.push(server);
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      expect(await codeOfAsync(connect(server.url).post(request))).toBe('REMOTE_TLS_REFUSED');
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
    const trusted = connect(server.url, { cacert: readFileSync(cert) });
    expect((await trusted.post(request)).status).toBe(200);
    const byName = connect(server.url.replace('127.0.0.1', 'localhost'), { cacert: readFileSync(cert) });
    expect(await codeOfAsync(byName.post(request))).toBe('REMOTE_TLS_REFUSED');
    rmSync(folder, { recursive: true });
  });
});

describe('addresses', () => {
  const open =
    (url: string, isInsecureAllowed = false) =>
    () =>
      openEndpoint({ ...defaults, url, isInsecureAllowed });

  test.each([
    'ftp://host/',
    'file:///etc/passwd',
    'http://user:pw@localhost/',
    'not a url',
    'http://localhost/#x',
  ])('%s is refused', (url) => {
    expect(open(url)).toThrow(expect.objectContaining({ code: 'REMOTE_URL_REFUSED' }));
  });

  test.each([
    'http://example.org/',
    'http://10.0.0.1/',
    'http://127.0.0.1.example.org/',
    'http://[::2]/',
  ])('%s needs --insecure-http', (url) => {
    expect(open(url)).toThrow(expect.objectContaining({ code: 'REMOTE_INSECURE' }));
    expect(open(url, true)).not.toThrow();
  });

  test.each([
    'http://127.0.0.1:1/',
    'http://127.9.9.9/',
    'http://[::1]:8000/',
    'http://localhost/',
    'https://example.org/',
  ])('%s is asked as it is', (url) => {
    expect(open(url)).not.toThrow();
  });
});

describe('Retry-After', () => {
  test('seconds, dates, nonsense, and waits longer than anybody would', () => {
    const now = Date.parse('2026-11-20T00:00:00Z');
    expect(findRetryAfterMs('2', now)).toBe(2000);
    expect(findRetryAfterMs('Fri, 20 Nov 2026 00:00:05 GMT', now)).toBe(5000);
    expect(findRetryAfterMs('Thu, 19 Nov 2026 00:00:05 GMT', now)).toBe(0);
    expect(findRetryAfterMs('soon', now)).toBeNull();
    expect(findRetryAfterMs(undefined, now)).toBeNull();
    expect(findRetryAfterMs('999999999', now)).toBe(REMOTE_LIMITS.retryAfterMsMax);
  });
});
