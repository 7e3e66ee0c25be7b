/** The line of gRPC against servers of HTTP/2 that misbehave. */
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { failureOf, toUpstreamRequest } from '../../../test/upstream/kit.ts';
import type { UpstreamRequest } from '../../gateway/ports.ts';
import { openGrpcUpstream } from './index.ts';
import type { OpenedUpstream, UpstreamOptions } from './types.ts';

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer) => void;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

interface Behind {
  readonly upstream: OpenedUpstream;
  readonly sessions: Set<ServerHttp2Session>;
  readonly seen: number[];
}

async function behind(answer: Answer, options: Partial<UpstreamOptions> = {}): Promise<Behind> {
  const sessions = new Set<ServerHttp2Session>();
  const seen: number[] = [];
  const server: Http2Server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      seen.push(stream.id ?? 0);
      answer(stream, headers, Buffer.concat(chunks));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const upstream = await openGrpcUpstream({ name: 'behind', url, onTrouble: () => undefined, ...options });
  ends.push(async () => {
    await upstream.close();
    for (const session of sessions) session.destroy();
    await new Promise((done) => server.close(done));
  });
  return { upstream, sessions, seen };
}

const METHOD = '/inference.GRPCInferenceService/ModelInfer';

function toCall(changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
  const headers = [['content-type', 'application/grpc'] as const, ['te', 'trailers'] as const];
  return toUpstreamRequest({ path: METHOD, headers, body: Buffer.from([0, 0, 0, 0, 2, 8, 1]), ...changes });
}

function answerWell(stream: ServerHttp2Stream, frame: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', server: 'secret' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': '0', 'x-more': 'a' });
  });
  stream.end(frame);
}

describe('a call', () => {
  test('goes through as it is: frames both ways, headers, trailers; all over one connection', async () => {
    let given: IncomingHttpHeaders = {};
    const { upstream } = await behind((stream, headers, body) => {
      given = headers;
      answerWell(stream, body);
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => upstream.send(toCall())));
    for (const { status, headers, body, trailers } of answers) {
      expect([status, headers]).toEqual([200, [['content-type', 'application/grpc']]]);
      expect(Buffer.from(body as Uint8Array)).toEqual(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
      expect(trailers?.()).toEqual([
        ['grpc-status', '0'],
        ['x-more', 'a'],
      ]);
    }
    expect(given).toMatchObject({
      ':method': 'POST',
      ':path': METHOD,
      te: 'trailers',
      'content-type': 'application/grpc',
    });
    expect(upstream.stats).toMatchObject({ requests: 20, requestsNow: 0, connections: 1 });
  });

  test('of a megabyte each way comes whole', async () => {
    const { upstream } = await behind((stream, _headers, body) => {
      answerWell(stream, body);
    });
    const body = Buffer.alloc(1024 * 1024, 7);
    expect(Buffer.from((await upstream.send(toCall({ body }))).body as Uint8Array).equals(body)).toBe(true);
  });

  test('whose answer is headers alone has them', async () => {
    const { upstream } = await behind((stream) => {
      stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true });
    });
    const { headers, body, trailers } = await upstream.send(toCall());
    expect([headers, body.constructor === Uint8Array, trailers?.()]).toEqual([[['grpc-status', '5']], true, []]);
  });
});

describe('a server that', () => {
  test.each<readonly [string, Answer, string]>([
    [
      'resets the call',
      (stream) => {
        stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      },
      'GATEWAY_UPSTREAM_UNREACHABLE',
    ],
    [
      'resets it in the middle of the answer',
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.write('abc', () => {
          stream.destroy(new Error('of the test'));
        });
      },
      'GATEWAY_UPSTREAM_MALFORMED',
    ],
    [
      'ends the connection',
      (stream) => {
        stream.session?.destroy();
      },
      'GATEWAY_UPSTREAM_UNREACHABLE',
    ],
    ['is silent', () => undefined, 'GATEWAY_UPSTREAM_TIMEOUT'],
    [
      'answers too much',
      (stream) => {
        answerWell(stream, Buffer.alloc(8192));
      },
      'GATEWAY_ANSWER_TOO_LARGE',
    ],
    [
      'leads elsewhere',
      (stream) => {
        stream.respond({ ':status': 302, location: 'http://169.254.169.254' }, { endStream: true });
      },
      'GATEWAY_UPSTREAM_MALFORMED',
    ],
    [
      'sends a bomb of headers',
      (stream) => {
        stream.respond({ ':status': 200, 'x-bomb': 'b'.repeat(60_000) }, { endStream: true });
      },
      '',
    ],
  ])('%s', async (_name, answer, code) => {
    const patience = code === 'GATEWAY_UPSTREAM_TIMEOUT' ? { headersTimeoutMs: 200 } : {};
    const { upstream } = await behind(answer, { limits: { ...patience, answerBytesMax: 4096 } });
    const failed = await failureOf(upstream.send(toCall()));
    if (code === '') expect(failed.code).toMatch(/^GATEWAY_UPSTREAM_/);
    else expect(failed.code).toBe(code);
    expect(upstream.stats.requestsNow).toBe(0);
  });

  test('refuses a stream unseen is asked once more', async () => {
    let asked = 0;
    const { upstream } = await behind((stream, _headers, body) => {
      asked++;
      if (asked === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else answerWell(stream, body);
    });
    expect((await upstream.send(toCall())).status).toBe(200);
    expect([asked, upstream.stats.retries]).toEqual([2, 1]);
  });

  test('says that it goes away is asked over a new connection', async () => {
    const { upstream } = await behind((stream, _headers, body) => {
      answerWell(stream, body);
      stream.session?.goaway();
    });
    for (let i = 0; i < 3; i++) expect((await upstream.send(toCall())).status).toBe(200);
    expect(upstream.stats.connections).toBeGreaterThan(1);
  });
});

test('a caller that is gone ends his call, and that of nobody else', async () => {
  const cancelled: number[] = [];
  const { upstream, seen } = await behind((stream, headers, body) => {
    stream.on('aborted', () => cancelled.push(stream.rstCode));
    if (headers['x-wait'] === undefined) answerWell(stream, body);
  });
  const abort = new AbortController();
  const headers = [['content-type', 'application/grpc'] as const, ['x-wait', '1'] as const];
  const pending = failureOf(upstream.send(toCall({ headers, signal: abort.signal })));
  while (seen.length === 0) await new Promise(setImmediate);
  abort.abort();
  expect((await pending).code).toBe('GATEWAY_STREAM_CUT');
  expect((await upstream.send(toCall())).status).toBe(200);
  expect([cancelled, upstream.stats.connections]).toEqual([[constants.NGHTTP2_CANCEL], 1]);
});

test('a server that is not there is tried once more', async () => {
  const upstream = await openGrpcUpstream({
    ...{ name: 'gone', url: 'http://127.0.0.1:1', onTrouble: () => undefined },
    limits: { refusedPauseMs: 10 },
  });
  expect(await failureOf(upstream.send(toCall()))).toMatchObject({ fields: { reason: 'refused' } });
  expect(upstream.stats.retries).toBe(1);
  await upstream.close();
});
