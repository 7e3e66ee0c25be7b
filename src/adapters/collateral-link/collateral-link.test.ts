/** The way to vendors against a server on this machine that misbehaves in every way that is named. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../../../test/broker/tls.ts';
import { serveTls } from '../../../test/endpoint-server.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { openCollateralLink } from './index.ts';

const identity = makeServerIdentity();
const REQUEST = { part: 'crl', address: 'https://kdsintf.amd.com/x', cachePath: '/vcek/v1/Milan/crl?a=1' } as const;
let server: Awaited<ReturnType<typeof serveTls>> | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function open(answer: Answer, { caPem = identity.caPem, path = '', timeoutMs = 60_000 } = {}) {
  server = await serveTls(identity, answer);
  const from = `${server.url}${path}`;
  return openCollateralLink({ from, caPem, timeoutMs });
}

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => ({ code: 'none', fields: {} }),
    (error: unknown) => {
      if (error instanceof AttestError) return { code: error.code, fields: error.fields };
      throw error;
    },
  );

describe('an answer', () => {
  test('comes whole, with its headers, from path and query below the address', async () => {
    let asked = '';
    const link = await open(
      ({ url = '' }, response) => {
        asked = url;
        response.writeHead(200, { 'TCB-Info-Issuer-Chain': 'a%20b' }).end('body');
      },
      { path: '/cache/' },
    );
    const answer = await link.get(REQUEST);
    expect(asked).toBe('/cache/vcek/v1/Milan/crl?a=1');
    expect([Buffer.from(answer?.body ?? []).toString(), answer?.headers['tcb-info-issuer-chain']]).toEqual([
      'body',
      'a%20b',
    ]);
  });

  test('of 404 is nothing there', async () => {
    const link = await open((_request, response) => response.writeHead(404).end());
    expect(await link.get(REQUEST)).toBeNull();
  });

  const bad: readonly [string, Answer, string, object][] = [
    ['a redirect', (_, r) => r.writeHead(302, { location: '/' }).end(), 'ATTEST_SERVICE_MALFORMED', { status: 302 }],
    ['no permission', (_, r) => r.writeHead(401).end(), 'ATTEST_SERVICE_MALFORMED', { status: 401 }],
    [
      'too many requests',
      (_, r) => r.writeHead(429, { 'retry-after': '7' }).end(),
      'ATTEST_SERVICE_UNAVAILABLE',
      { status: 429, retryAfterMs: 7000 },
    ],
    ['a failure', (_, r) => r.writeHead(503).end(), 'ATTEST_SERVICE_UNAVAILABLE', { status: 503, retryAfterMs: null }],
    [
      'too many bytes',
      (_, r) => r.end(Buffer.alloc(ATTEST_LIMITS.serviceAnswerBytesMax + 1)),
      'ATTEST_SERVICE_MALFORMED',
      { at: 'size' },
    ],
    [
      'headers beyond the cap',
      (_, r) => r.writeHead(200, { big: 'x'.repeat(ATTEST_LIMITS.serviceHeaderBytesMax) }).end(),
      'ATTEST_SERVICE_MALFORMED',
      { at: 'HPE_HEADER_OVERFLOW' },
    ],
    [
      'less than it announced',
      (_, r) => {
        r.writeHead(200, { 'content-length': '100' }).write('half');
        setTimeout(() => r.destroy(), 20);
      },
      'ATTEST_SERVICE_UNAVAILABLE',
      {},
    ],
    ['one byte and then silence', (_, r) => r.writeHead(200).write('a'), 'ATTEST_SERVICE_UNAVAILABLE', { at: 'time' }],
    ['silence', () => undefined, 'ATTEST_SERVICE_UNAVAILABLE', { at: 'time' }],
  ];
  test.each(bad)('with %s is refused', async (_name, answer, code, fields) => {
    const isSilent = 'at' in fields && fields.at === 'time';
    const link = await open(answer, isSilent ? { timeoutMs: 1500 } : {});
    expect(await failureOf(link.get(REQUEST))).toMatchObject({ code, fields });
  });

  test('of a server under another authority is none, whatever the environment says', async () => {
    const link = await open((_request, response) => response.end('x'), { caPem: makeServerIdentity().caPem });
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      expect(await failureOf(link.get(REQUEST))).toMatchObject({ code: 'ATTEST_SERVICE_UNAVAILABLE' });
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
  });

  test.each([
    'http://127.0.0.1:1',
    'https://user:pass@host',
    'https://host?x',
    'ftp://host',
    '',
    'host',
  ])('is not asked for at %j', (from) => {
    expect(() => openCollateralLink({ from })).toThrow(
      expect.objectContaining({ code: 'ATTEST_SERVICE_UNAVAILABLE' }) as Error,
    );
  });
});
