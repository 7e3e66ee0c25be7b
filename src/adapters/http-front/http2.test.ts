/** HTTP/2: streams, trailers, what nghttp2 leaves to the front, and floods; frames are written byte by byte where needed. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { afterEach, describe, expect, test } from 'vitest';
import { openRaw, useFronts } from '../../../test/http-front/kit.ts';
import type { GatewayAnswer, GatewayRequest } from '../../gateway/ports.ts';

const open = useFronts();
const sessions: ClientHttp2Session[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

function dial(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  sessions.push(session);
  return session;
}

interface Got {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly rstCode: number;
}

function collect(stream: ClientHttp2Stream): Promise<Got> {
  return new Promise((done) => {
    let [status, headers, text, trailers] = [undefined as number | undefined, {}, '', {}];
    stream.on('response', (all) => {
      status = all[':status'];
      headers = all;
    });
    stream.on('trailers', (all) => {
      trailers = all;
    });
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    stream.on('error', () => undefined);
    stream.on('close', () => {
      done({ status, headers, text, trailers, rstCode: stream.rstCode });
    });
  });
}

function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string | Buffer): Promise<Got> {
  const stream = session.request({ ':method': 'POST', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return collect(stream);
}

/** Frames written by hand (RFC 9113, section 4.1), headers as literals without an index (RFC 7541, section 6.2.2). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const;

function toFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function toBlock(headers: readonly (readonly [string, string])[]): Buffer {
  const literal = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]);
  return Buffer.concat(headers.map(([name, value]) => Buffer.concat([Buffer.of(0), literal(name), literal(value)])));
}

const BEGIN = Buffer.concat([PREFACE, toFrame(FRAME.settings, 0, 0, Buffer.alloc(0))]);
const GET = [
  [':method', 'GET'],
  [':path', '/a'],
  [':scheme', 'http'],
  [':authority', 'x'],
] as const;

describe('streams', () => {
  test('are answered at the same time, each with its body, over plaintext with prior knowledge', async () => {
    const { front, seen } = await open();
    const session = dial(front.port);
    const bodies = ['one', 'two', 'x'.repeat(300_000)];
    const got = await Promise.all(bodies.map((body, n) => ask(session, { ':path': `/${n}?q=${n}` }, body)));
    expect(got.map(({ status, text }) => [status, text])).toEqual(bodies.map((body) => [200, body]));
    expect(got[0].headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    expect(seen[0]).toMatchObject({ httpVersion: '2.0', path: '/0', query: 'q=0', method: 'POST' });
    expect(seen[0].headers.host).toBe(`127.0.0.1:${front.port}`);
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(0);
  });

  test('end with trailers, also without a body, as gRPC has it', async () => {
    const trailers = (): [string, string][] => [
      ['grpc-status', '0'],
      ['grpc-message', 'fine'],
    ];
    const sent: boolean[] = [];
    const onSent = (isWhole: boolean): void => void sent.push(isWhole);
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a');
      await Promise.resolve();
      yield Buffer.from('b');
    }
    const bodies: GatewayAnswer['body'][] = [Buffer.from('known'), new Uint8Array(), pieces()];
    const { front } = await open({
      handler: () => Promise.resolve({ status: 200, headers: [], body: bodies.shift() ?? pieces(), trailers, onSent }),
    });
    const session = dial(front.port);
    for (const text of ['known', '', 'ab']) {
      const got = await ask(session, { ':path': '/' }, 'in');
      expect(got).toMatchObject({ status: 200, text, trailers: { 'grpc-status': '0', 'grpc-message': 'fine' } });
    }
    await expect.poll(() => sent).toEqual([true, true, true]);
  });

  test('of one name more than once: values are joined, cookies by ";"; lists come back as lists', async () => {
    const { front, seen } = await open({
      handler: () =>
        Promise.resolve({
          status: 200,
          headers: [
            ['set-cookie', 'a'],
            ['set-cookie', 'b'],
          ],
          body: new Uint8Array(),
        }),
    });
    const got = await ask(dial(front.port), {
      ':path': '/',
      x: ['1', '2'],
      cookie: ['a=1', 'b=2'],
      authorization: 'k',
    });
    expect(seen[0].headers).toMatchObject({ x: '1, 2', cookie: 'a=1; b=2', authorization: 'k' });
    expect(got.headers['set-cookie']).toEqual(['a', 'b']);
  });

  test('of HEAD have no body', async () => {
    const { front } = await open({
      handler: () => Promise.resolve({ status: 200, headers: [], body: Buffer.from('body') }),
    });
    const got = await ask(dial(front.port), { ':method': 'HEAD', ':path': '/' });
    expect([got.status, got.text, got.headers['content-length']]).toEqual([200, '', '4']);
  });
});

describe('refusals', () => {
  test.each([
    ['a Host of another name', { ':path': '/', ':authority': 'x', host: 'other' }, 400, 'GATEWAY_FRAMING'],
    ['a fragment', { ':path': '/a#b' }, 400, 'GATEWAY_FRAMING'],
    ['a foreign scheme', { ':path': '/', ':scheme': 'ftp' }, 400, 'GATEWAY_FRAMING'],
    ['an expectation that is not known', { ':path': '/', expect: 'x' }, 400, 'GATEWAY_FRAMING'],
    ['TRACE', { ':path': '/', ':method': 'TRACE' }, 405, 'GATEWAY_METHOD_NOT_ALLOWED'],
    ['a compressed body', { ':path': '/', 'content-encoding': 'gzip' }, 415, 'GATEWAY_CONTENT_TYPE'],
    ['a body above the cap', { ':path': '/', 'content-length': '1001' }, 413, 'GATEWAY_BODY_TOO_LARGE'],
  ])('%s', async (_name, headers, status, code) => {
    const { front, seen } = await open({ limits: { bodyBytesMax: 1000 } });
    const session = dial(front.port);
    const stream = session.request({ ':method': 'POST', ...headers }, { endStream: false });
    const got = await collect(stream);
    expect([got.status, JSON.parse(got.text)]).toEqual([status, { error: { code, message: expect.any(String) } }]);
    expect(seen).toEqual([]);
    // The connection goes on.
    expect((await ask(session, { ':path': '/' }, 'x')).status).toBe(200);
  });

  test('a body above the cap that was not announced: 413, and the rest is not read', async () => {
    const { front, seen } = await open({ limits: { bodyBytesMax: 1000 } });
    const got = await ask(dial(front.port), { ':path': '/' }, Buffer.alloc(400_000));
    expect([got.status, seen.length, front.stats.bodiesBytesNow]).toEqual([413, 0, 0]);
  });

  test.each([
    ['Transfer-Encoding', [...GET, ['transfer-encoding', 'chunked']]],
    ['Connection', [...GET, ['connection', 'close']]],
    ['TE other than trailers', [...GET, ['te', 'gzip']]],
    ['a name in upper case', [...GET, ['X-A', 'b']]],
    ['a path without its slash', [...GET.filter(([name]) => name !== ':path'), [':path', 'a']]],
    ['a whole address as path', [...GET.filter(([name]) => name !== ':path'), [':path', 'http://x/a']]],
    ['a path twice', [...GET, [':path', '/b']]],
    // From Node 22 on, Node itself refuses it.
    ['an authority with a user', [...GET.filter(([name]) => name !== ':authority'), [':authority', 'u@x']]],
    ['a pseudo-header that is not known', [...GET, [':x', 'y']]],
    ['a pseudo-header after others', [['x', 'y'], ...GET]],
    ['no path', GET.filter(([name]) => name !== ':path')],
    ['an empty path', [...GET.filter(([name]) => name !== ':path'), [':path', '']]],
    ['no method', GET.filter(([name]) => name !== ':method')],
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'x:443'],
      ],
    ],
    [
      'CONNECT for a WebSocket',
      [...GET.filter(([n]) => n !== ':method'), [':method', 'CONNECT'], [':protocol', 'websocket']],
    ],
  ] as [string, (readonly [string, string])[]][])('%s never reaches the handler', async (_name, headers) => {
    const { front, seen } = await open({ limits: { headersTimeoutMs: 400, idleTimeoutMs: 400 } });
    const client = openRaw(front.port);
    const frames = [BEGIN, toFrame(FRAME.headers, 5, 1, toBlock(headers))];
    client.socket.write(Buffer.concat([...frames, toFrame(FRAME.headers, 5, 3, toBlock(GET))]));
    await client.closed();
    expect(seen.filter(({ headers: { host }, path }) => path !== '/a' || host !== 'x')).toEqual([]);
    // The good one behind it may be answered or not, as the fault was one of the stream or of the connection.
    expect(seen.length).toBeLessThanOrEqual(1);
  });

  test.each([
    ['CR and LF in a value', 'x', 'a\r\nb: c'],
    ['NUL in a value', 'x', 'a\0b'],
    ['a colon in a name', 'x:y', 'a'],
  ])('a header with %s is not handed on', async (_name, name, value) => {
    const { front, seen } = await open({ limits: { headersTimeoutMs: 5000, idleTimeoutMs: 400 } });
    const client = openRaw(front.port);
    client.socket.write(
      Buffer.concat([BEGIN, toFrame(FRAME.headers, 5, 1, toBlock([...GET, [name, value], ['y', 'z']]))]),
    );
    await client.closed();
    expect(seen.map(({ headers }) => headers)).toEqual([{ host: 'x', y: 'z' }]);
  });

  test('a body longer or shorter than announced never reaches the handler', async () => {
    const { front, seen } = await open({ limits: { headersTimeoutMs: 400, idleTimeoutMs: 400 } });
    for (const body of ['ab', 'abcd']) {
      const client = openRaw(front.port);
      const head = toFrame(FRAME.headers, 4, 1, toBlock([...GET, ['content-length', '3']]));
      client.socket.write(Buffer.concat([BEGIN, head, toFrame(FRAME.data, 1, 1, Buffer.from(body))]));
      await client.closed();
    }
    expect(seen).toEqual([]);
  });
});

describe('a request that its client takes back before its body has come whole', () => {
  const POST = [[':method', 'POST'], ...GET.slice(1)] as const;
  const part = (id: number): Buffer =>
    Buffer.concat([toFrame(FRAME.headers, 4, id, toBlock(POST)), toFrame(FRAME.data, 0, id, Buffer.from('half of '))]);
  const reset = (id: number, code: number): Buffer => toFrame(FRAME.reset, 0, id, Buffer.of(0, 0, 0, code));

  test.each([
    ['NO_ERROR', constants.NGHTTP2_NO_ERROR],
    ['CANCEL', constants.NGHTTP2_CANCEL],
    ['STREAM_CLOSED', constants.NGHTTP2_STREAM_CLOSED],
  ])('never reaches the handler: %s, behind its part or with it', async (_, code) => {
    const { front, seen } = await open();
    const client = openRaw(front.port);
    client.socket.write(Buffer.concat([BEGIN, part(1)]));
    await expect.poll(() => front.stats.bodiesBytesNow).toBeGreaterThan(0);
    client.socket.write(reset(1, code));
    await expect.poll(() => front.stats.requestsNow).toBe(0);
    client.socket.write(Buffer.concat([part(3), reset(3, code), toFrame(FRAME.headers, 5, 5, toBlock(GET))]));
    await expect.poll(() => seen.map(({ method }) => method)).toEqual(['GET']);
    await expect.poll(() => [front.stats.requests, front.stats.requestsNow]).toEqual([3, 0]);
    expect(front.stats.bodiesBytesNow).toBe(0);
    expect(seen).toHaveLength(1);
    client.socket.destroy();
  });

  test('again and again: the connection ends', async () => {
    const { front, seen } = await open({ limits: { resetsMax: 20 } });
    const client = openRaw(front.port);
    client.socket.write(BEGIN);
    for (let id = 1; !client.socket.destroyed && id < 2000; id += 2) {
      client.socket.write(Buffer.concat([part(id), reset(id, constants.NGHTTP2_CANCEL)]));
      await new Promise(setImmediate);
    }
    await client.closed();
    expect([front.stats.floods, seen.length]).toEqual([1, 0]);
  });
});

describe('floods', () => {
  const never = (): Promise<GatewayAnswer> => new Promise(() => undefined);

  /** Writes `make(n)` until the other side has had enough; false when it took all of them. */
  async function flood(port: number, make: (n: number) => Buffer, rounds = 200, each = 100): Promise<boolean> {
    const client = openRaw(port);
    client.socket.write(BEGIN);
    for (let round = 0; round < rounds && !client.socket.destroyed; round++) {
      const frames = Array.from({ length: each }, (_, n) => make(round * each + n));
      await new Promise<void>((go) =>
        client.socket.write(Buffer.concat(frames), () => {
          setImmediate(go);
        }),
      );
    }
    const isCut = client.socket.destroyed;
    client.socket.destroy();
    return isCut;
  }

  test('requests that are taken back at once (CVE-2023-44487) end the connection, and none stays at work', async () => {
    const { front } = await open({ handler: never, limits: { resetsMax: 20 } });
    const cancel = Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]);
    const isCut = await flood(front.port, (n) =>
      Buffer.concat([toFrame(FRAME.headers, 5, 2 * n + 1, toBlock(GET)), toFrame(FRAME.reset, 0, 2 * n + 1, cancel)]),
    );
    expect(isCut).toBe(true);
    await expect.poll(() => front.stats.requestsNow).toBe(0);
    expect(front.stats.floods).toBeGreaterThan(0);
  });

  test.each([
    ['PING', () => toFrame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', () => toFrame(FRAME.settings, 0, 0, Buffer.alloc(0))],
  ])('%s frames end the connection', async (_name, make) => {
    const { front } = await open({ limits: { controlFramesMax: 20 } });
    expect(await flood(front.port, make)).toBe(true);
  });

  test.each([
    ['PRIORITY', () => toFrame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1]))],
    ['WINDOW_UPDATE', () => toFrame(FRAME.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1]))],
    ['frames of unknown kinds', () => toFrame(0xfe, 0, 0, Buffer.alloc(64))],
  ])('%s end the connection once they are more than the requests', async (_name, make) => {
    const { front } = await open({ limits: { chatterBytesMax: 2000, headersTimeoutMs: 400 } });
    expect(await flood(front.port, make, 10_000)).toBe(true);
  });

  test('headers without an end (CVE-2024-27983) are no request, and end the connection', async () => {
    const { front, seen } = await open({ limits: { headersTimeoutMs: 400 } });
    const piece = toBlock([['x', 'y'.repeat(100)]]);
    const isCut = await flood(
      front.port,
      (n) => toFrame(n === 0 ? FRAME.headers : FRAME.continuation, 0, 1, piece),
      10_000,
    );
    expect([isCut, seen.length]).toEqual([true, 0]);
  });

  test('more streams than are granted are refused, the others go on', async () => {
    const gates: ((answer: GatewayAnswer) => void)[] = [];
    const { front } = await open({ limits: { streamsMax: 4 }, handler: () => new Promise((go) => gates.push(go)) });
    const client = openRaw(front.port);
    const frames = Array.from({ length: 8 }, (_, n) => toFrame(FRAME.headers, 5, 2 * n + 1, toBlock(GET)));
    client.socket.write(Buffer.concat([BEGIN, ...frames]));
    await expect.poll(() => gates.length).toBe(4);
    expect(front.stats.requestsNow).toBe(4);
  });

  test('a stream whose body does not come on: 408, its window was not the handler’s to wait for', async () => {
    const { front } = await open({
      limits: { requestTimeoutMs: 300, bodyBytesPerSecondMin: 1e6 },
    });
    const stream = dial(front.port).request({ ':method': 'POST', ':path': '/' }, { endStream: false });
    stream.write('begin');
    expect((await collect(stream)).status).toBe(408);
  });

  test('a client that takes nothing is cut off', async () => {
    const sent: boolean[] = [];
    const { front } = await open({
      limits: { writeTimeoutMs: 250, answerBytesPerSecondMin: 1e9 },
      handler: () =>
        Promise.resolve({ status: 200, headers: [], body: Buffer.alloc(8e6), onSent: (isWhole) => sent.push(isWhole) }),
    });
    const stream = dial(front.port).request({ ':path': '/' });
    stream.on('error', () => undefined);
    await expect.poll(() => sent).toEqual([false]);
  });
});

describe('ends', () => {
  test('a stream that the client takes back aborts the signal', async () => {
    const asked: GatewayRequest[] = [];
    const { front } = await open({
      handler: (request) => {
        asked.push(request);
        return new Promise(() => undefined);
      },
    });
    const stream = dial(front.port).request({ ':path': '/' });
    stream.on('error', () => undefined);
    await expect.poll(() => asked.length).toBe(1);
    const { signal } = asked[0];
    stream.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => signal.aborted).toBe(true);
    expect(front.stats.requestsNow).toBe(0);
  });

  test('drain: GOAWAY, and what is under way is answered', async () => {
    let answer: (made: GatewayAnswer) => void = () => undefined;
    const { front, seen } = await open({
      handler: () =>
        new Promise((done) => {
          answer = done;
        }),
    });
    const session = dial(front.port);
    const got = ask(session, { ':path': '/' });
    await expect.poll(() => seen.length).toBe(1);
    const goaway = new Promise((done) => session.once('goaway', done));
    const drained = front.drain(10_000);
    await goaway;
    answer({ status: 200, headers: [], body: Buffer.from('last') });
    expect(await drained).toBe(true);
    expect((await got).text).toBe('last');
  });

  test('a handler that fails: 500 without a word of it', async () => {
    const { front, troubles } = await open({ handler: () => Promise.reject(new Error('inner secret')) });
    const got = await ask(dial(front.port), { ':path': '/' }, 'x');
    expect([got.status, troubles.length]).toEqual([500, 1]);
    expect(got.text).toMatch(/GATEWAY_INTERNAL/);
    expect(got.text).not.toMatch(/secret/);
  });
});
