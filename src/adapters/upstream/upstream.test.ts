/** The line of HTTP/1.1 against a server that misbehaves in every way that is named. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  failureOf,
  openFaultServer,
  streamOf,
  textOf,
  toHttp,
  toUpstreamRequest,
  useLines,
} from '../../../test/upstream/kit.ts';
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { ReadInto } from './connect.ts';
import { type Carried, Lane } from './lane.ts';
import { AnswerStream } from './stream.ts';

const { line, server, behind, ends } = useLines();
const noop = (): void => undefined;
const MALFORMED = 'GATEWAY_UPSTREAM_MALFORMED';
const UNREACHABLE = 'GATEWAY_UPSTREAM_UNREACHABLE';
const TIMEOUT = 'GATEWAY_UPSTREAM_TIMEOUT';
const QUICK = { headersTimeoutMs: 120, idleTimeoutMs: 120, answerTimeoutMs: 400, waitTimeoutMs: 120 };

describe('an answer', () => {
  test('comes whole, with its headers in lower case and without those of the connection and the server', async () => {
    const { upstream, server } = await behind(
      (socket) =>
        socket.write(toHttp('{"a":1}', 'X-Model: m\r\nServer: secret/1.0\r\nDate: now\r\nKeep-Alive: timeout=5\r\n')),
      { headers: [['authorization', 'Bearer inside']] },
    );
    const answer = await upstream.send(toUpstreamRequest());
    expect(answer.status).toBe(200);
    expect(answer.headers).toEqual([
      ['content-type', 'application/json'],
      ['x-model', 'm'],
    ]);
    expect(textOf(answer)).toBe('{"a":1}');
    expect(server.requests[0]).toBe(
      `POST /v2/models/m/infer HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nconnection: keep-alive\r\n` +
        'content-type: application/json\r\naccept-encoding: identity\r\nauthorization: Bearer inside\r\n' +
        'content-length: 13\r\n\r\n{"inputs":[]}',
    );
  });

  test('in chunks, in many pieces, and of a megabyte, is one block', async () => {
    const body = Array.from({ length: 1024 * 1024 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('');
    const { upstream } = await behind((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      for (let at = 0; at < body.length; at += 50_000) {
        const piece = body.slice(at, at + 50_000);
        socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      }
      socket.write('0\r\n\r\n');
    });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe(body);
    const whole = await behind((socket) => socket.write(toHttp(body)));
    expect(textOf(await whole.upstream.send(toUpstreamRequest()))).toBe(body);
  });

  test('comes over the same connection as the one before, and under the path of the address', async () => {
    const faulty = await server((socket) => socket.write(toHttp('ok')));
    const upstream = await line(`${faulty.url}/team/a/`);
    for (let i = 0; i < 5; i++) expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('ok');
    expect(upstream.stats).toMatchObject({ connections: 1, connectionsNow: 1, requests: 5, requestsNow: 0 });
    expect(faulty.requests[4]).toMatch(/^POST \/team\/a\/v2\/models\/m\/infer HTTP/);
  });

  test('without a body is empty: 204, and a length of 0', async () => {
    const { upstream } = await behind((socket, request) =>
      socket.write(request.startsWith('GET') ? 'HTTP/1.1 204 No Content\r\n\r\n' : toHttp('')),
    );
    const none = await upstream.send(toUpstreamRequest({ method: 'GET', body: new Uint8Array() }));
    expect([none.status, textOf(none)]).toEqual([204, '']);
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('');
  });

  test('that is an error is handed on, also where a stream was asked for', async () => {
    const { upstream } = await behind((socket) => socket.write(toHttp('no', '', '503 Busy')));
    const answer = await upstream.send(toUpstreamRequest({ isStreamed: true }));
    expect([answer.status, textOf(answer)]).toEqual([503, 'no']);
  });

  test('of 102 and 103 is left out; a storm of them is refused', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n';
    const few = await behind((socket) => socket.write(early.repeat(3) + toHttp('ok')));
    expect(textOf(await few.upstream.send(toUpstreamRequest()))).toBe('ok');
    const many = await behind((socket) =>
      socket.write(early.repeat(UPSTREAM_LIMITS.informationalMax + 1) + toHttp('ok')),
    );
    expect(await failureOf(many.upstream.send(toUpstreamRequest()))).toMatchObject({ code: MALFORMED });
    await many.server.idle();
  });
});

describe('is refused, and the connection ended', () => {
  const chunked = 'transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n';
  test.each([
    ['a length that is too small', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nok', 'reused'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok', ''],
    ['a list of lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok', ''],
    ['a signed length', 'HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok', ''],
    ['a length and chunks', `HTTP/1.1 200 OK\r\ncontent-length: 2\r\n${chunked}`, ''],
    ['chunks in another coding', `HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`, ''],
    ['chunks twice', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${chunked}`, ''],
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n', ''],
    ['no length at all', 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok', ''],
    ['a compressed body', 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok', ''],
    ['a redirect', 'HTTP/1.1 307 Elsewhere\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n', ''],
    ['a switch of protocols', 'HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n', ''],
    ['a folded header', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 2\r\n\r\nok', ''],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: b\r\ncontent-length: 2\r\n\r\nok', ''],
    ['a header with a zero byte', 'HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 2\r\n\r\nok', ''],
    ['a body of 204', 'HTTP/1.1 204 None\r\ncontent-length: 2\r\n\r\nok', ''],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', ''],
    ['a bomb of one header', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(17_000)}\r\ncontent-length: 2\r\n\r\nok`, ''],
    ['a bomb of many headers', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(70)}content-length: 2\r\n\r\nok`, ''],
    ['an answer that is too large', `HTTP/1.1 200 OK\r\ncontent-length: 4097\r\n\r\n`, 'large'],
    [
      'an answer that becomes too large',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${`800\r\n${'x'.repeat(2048)}\r\n`.repeat(3)}`,
      'large',
    ],
  ])('%s', async (_name, bytes, kind) => {
    const { upstream, server } = await behind((socket) => socket.write(bytes, 'latin1'), {
      limits: { answerBytesMax: 4096, idleTimeoutMs: 2000 },
    });
    if (kind === 'reused') {
      // What is too much comes before the next request: its connection is not used again.
      expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('o');
    } else {
      const code = kind === 'large' ? 'GATEWAY_ANSWER_TOO_LARGE' : MALFORMED;
      expect(await failureOf(upstream.send(toUpstreamRequest()))).toMatchObject({ code });
    }
    await server.idle();
    expect(upstream.stats.requestsNow).toBe(0);
  });

  test('an answer that nobody asked for: the next one gets its own', async () => {
    let asked = 0;
    const { upstream, server } = await behind((socket) => {
      asked++;
      socket.write(toHttp(`right ${asked}`) + (asked === 1 ? toHttp('poison') : ''));
    });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('right 1');
    const second = await upstream.send(toUpstreamRequest()).then(textOf, () => 'refused');
    expect(['right 2', 'refused']).toContain(second);
    expect(server.requests.length).toBeLessThanOrEqual(2);
  });
});

describe('on a connection', () => {
  /** One to a server that says nothing itself: what it "says" is handed over by `take`. */
  const openLane = async (take: { now: ReadInto['take'] }, early = ''): Promise<Lane> => {
    const { port } = await server(noop);
    return new Lane({
      connect: async (readInto) => {
        const socket = connect(port, '127.0.0.1');
        await once(socket, 'connect');
        take.now = readInto.take;
        if (early !== '') readInto.take(Buffer.from(early));
        return socket;
      },
      onEnd: noop,
    });
  };
  /** What a request is told, by its name, until it is over. */
  const toCarried = (told: string[], name: string, onTold: (what: string) => void): Carried => {
    const tell = (what: string) => (): void => {
      told.push(`${name} ${what}`);
      onTold(what);
    };
    return {
      ...{ isOver: false, isPaused: false, write: tell('write'), takeHead: tell('head'), takeData: noop },
      ...{ takeEnd: tell('end'), refuse: tell('refuse'), fail: tell('fail') },
    };
  };

  test('bytes that came before anything was sent are no answer', async () => {
    const told: string[] = [];
    const lane = await openLane({ now: () => true }, toHttp('poison'));
    await new Promise<unknown>((done) => {
      lane.carry(toCarried(told, 'first', done));
    });
    expect(told).toEqual(['first fail']);
  });

  test('bytes that were read with an answer are not that of the next request', async () => {
    const told: string[] = [];
    const take: { now: ReadInto['take'] } = { now: () => true };
    const lane = await openLane(take);
    await new Promise<void>((done) => {
      const second = toCarried(told, 'second', (what) => {
        if (what === 'fail') done();
      });
      const onFirst = (what: string): void => {
        if (what === 'write') {
          take.now(Buffer.from(toHttp('right')));
          take.now(Buffer.from(toHttp('poison')));
        }
        if (what !== 'end') return;
        lane.release();
        lane.carry(second);
      };
      lane.carry(toCarried(told, 'first', onFirst));
    });
    expect(told).toEqual(['first write', 'first head', 'first end', 'second fail']);
  });
});

describe('a connection that is lost', () => {
  test('before the head: unreachable, and the request is not sent again', async () => {
    for (const end of ['reset', 'close'] as const) {
      const { upstream, server } = await behind((socket) => {
        if (end === 'reset') socket.resetAndDestroy();
        else socket.end();
      });
      expect(await failureOf(upstream.send(toUpstreamRequest()))).toEqual({
        ...{ code: UNREACHABLE, fields: { reason: 'reset' } },
      });
      expect(server.requests).toHaveLength(1);
    }
  });

  test.each([
    'reset',
    'close',
    'chunk',
  ])('in the middle of the answer (%s): an answer that was cut off', async (end) => {
    const { upstream, server } = await behind((socket) => {
      socket.write(
        end === 'chunk'
          ? 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nabc'
          : 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc',
        () => {
          if (end === 'reset') socket.resetAndDestroy();
          else socket.end();
        },
      );
    });
    expect(await failureOf(upstream.send(toUpstreamRequest()))).toMatchObject({ code: MALFORMED });
    expect(server.requests).toHaveLength(1);
    expect(upstream.stats.requestsNow).toBe(0);
  });

  test('while it was idle: the next request has a new one', async () => {
    let isFirst = true;
    const { upstream, server } = await behind((socket) => {
      socket.write(toHttp('ok'), () => {
        if (isFirst) socket.end();
        isFirst = false;
      });
    });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('ok');
    await server.idle();
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('ok');
    expect(upstream.stats.connections).toBe(2);
  });

  test('that was refused is tried once more, since no byte was sent', async () => {
    const gone = await openFaultServer(() => undefined);
    await gone.close();
    const upstream = await line(gone.url, { limits: { refusedPauseMs: 20 } });
    expect(await failureOf(upstream.send(toUpstreamRequest()))).toEqual({
      ...{ code: UNREACHABLE, fields: { reason: 'refused' } },
    });
    expect(upstream.stats.retries).toBe(1);
    const pending = (await line(gone.url, { limits: { refusedPauseMs: 300 } })).send(toUpstreamRequest());
    const back = await openFaultServer((socket) => socket.write(toHttp('back')), gone.port);
    ends.push(() => back.close());
    expect(textOf(await pending)).toBe('back');
  });
});

test('a server that is away refuses those with a seat and those that wait for one', async () => {
  const gone = await server(() => undefined);
  await gone.close();
  const upstream = await line(gone.url, { limits: { refusedPauseMs: 5, seatsMax: 2 } });
  const answers = await Promise.all(Array.from({ length: 9 }, () => failureOf(upstream.send(toUpstreamRequest()))));
  expect(answers).toEqual(Array(9).fill({ code: UNREACHABLE, fields: { reason: 'refused' } }));
  expect(upstream.stats).toMatchObject({ requestsNow: 0, waitingNow: 0 });
});

describe('patience', () => {
  test.each([
    ['silent', ''],
    ['silent in the head', 'HTTP/1.1 200 OK\r\ncontent-le'],
    ['silent in the body', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'],
  ])('ends with a server that is %s', async (_name, bytes) => {
    const { upstream, server } = await behind((socket) => socket.write(bytes), { limits: QUICK });
    expect(await failureOf(upstream.send(toUpstreamRequest()))).toMatchObject({ code: TIMEOUT });
    await server.idle();
  });

  test('ends with a server that drips, though each drop comes in time', async () => {
    const { upstream, server } = await behind(
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n');
        const timer = setInterval(() => socket.write('x'), 20);
        socket.on('close', () => {
          clearInterval(timer);
        });
      },
      { limits: QUICK },
    );
    expect(await failureOf(upstream.send(toUpstreamRequest()))).toMatchObject({ code: TIMEOUT });
    await server.idle();
  });

  test('ends with a server that does not read the body', async () => {
    const faulty = await server(() => undefined);
    const upstream = await line(faulty.url, { limits: QUICK });
    const pending = failureOf(upstream.send(toUpstreamRequest({ body: Buffer.alloc(32 * 1024 * 1024, 'x') })));
    const paused = setInterval(() => {
      for (const socket of faulty.open) socket.pause();
    }, 1);
    expect(await pending).toMatchObject({ code: TIMEOUT });
    clearInterval(paused);
    for (const socket of faulty.open) socket.resume();
    await faulty.idle();
  });

  test('ends with a name that is not resolved', async () => {
    const upstream = await line('http://behind.test', {
      allowPlaintext: true,
      limits: { connectTimeoutMs: 60 },
      resolve: () => new Promise(() => undefined),
    });
    expect(await failureOf(upstream.send(toUpstreamRequest()))).toEqual({
      code: TIMEOUT,
      fields: { reason: 'connect' },
    });
  });

  test('of those that wait for a seat ends, too, and there is room for so many', async () => {
    const { upstream, server } = await behind(() => undefined, {
      limits: { seatsMax: 1, waitingMax: 1, waitTimeoutMs: 120, headersTimeoutMs: 5000 },
    });
    const abort = new AbortController();
    const seated = failureOf(upstream.send(toUpstreamRequest({ signal: abort.signal })));
    const waiting = failureOf(upstream.send(toUpstreamRequest()));
    expect(upstream.stats).toMatchObject({ requestsNow: 1, waitingNow: 1 });
    expect(await failureOf(upstream.send(toUpstreamRequest()))).toMatchObject({ code: 'GATEWAY_OVERLOADED' });
    expect(await waiting).toMatchObject({ code: 'GATEWAY_OVERLOADED' });
    while (server.requests.length === 0) await new Promise(setImmediate);
    abort.abort();
    expect(await seated).toMatchObject({ code: 'GATEWAY_STREAM_CUT' });
    await server.idle();
    expect(server.requests).toHaveLength(1);
  });
});

describe('a caller that is gone', () => {
  test('ends the request to the server: while the model works, and in the middle of the body', async () => {
    for (const bytes of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc']) {
      const abort = new AbortController();
      const { upstream, server } = await behind((socket) => {
        socket.write(bytes, () =>
          setImmediate(() => {
            abort.abort();
          }),
        );
        if (bytes === '') abort.abort();
      });
      expect(await failureOf(upstream.send(toUpstreamRequest({ signal: abort.signal })))).toMatchObject({
        code: 'GATEWAY_STREAM_CUT',
      });
      await server.idle();
      expect(upstream.stats).toMatchObject({ requestsNow: 0, connectionsNow: 0 });
    }
  });

  test('who was gone before is not sent, and costs no connection', async () => {
    const { upstream, server } = await behind((socket) => socket.write(toHttp('ok')));
    expect(await failureOf(upstream.send(toUpstreamRequest({ signal: AbortSignal.abort() })))).toMatchObject({
      code: 'GATEWAY_STREAM_CUT',
    });
    expect(server.open.size).toBe(0);
  });

  test('2,000 times leaves no socket, no seat and nobody waiting', async () => {
    const { upstream, server } = await behind(() => undefined, { limits: { seatsMax: 32, waitingMax: 4000 } });
    let cut = 0;
    for (let round = 0; round < 20; round++) {
      const aborts = Array.from({ length: 100 }, () => new AbortController());
      const pending = aborts.map(({ signal }) =>
        failureOf(upstream.send(toUpstreamRequest({ signal, isStreamed: round % 2 === 0 }))),
      );
      await new Promise(setImmediate);
      for (const abort of aborts) abort.abort();
      cut += (await Promise.all(pending)).filter(({ code }) => code === 'GATEWAY_STREAM_CUT').length;
    }
    expect(cut).toBe(2000);
    expect(upstream.stats).toMatchObject({ requests: 2000, requestsNow: 0, waitingNow: 0 });
    await upstream.close();
    await server.idle();
    expect(upstream.stats.connectionsNow).toBe(0);
  });
});

describe('a stream', () => {
  const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
  const toChunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

  test('is handed on as it comes, to its end', async () => {
    let next: () => void = () => undefined;
    const { upstream } = await behind((socket) => {
      socket.write(HEAD + toChunk('one'));
      next = () => socket.write(`${toChunk('two')}0\r\n\r\n`);
    });
    const pieces = streamOf(await upstream.send(toUpstreamRequest({ isStreamed: true })));
    expect(Buffer.from((await pieces.next()).value as Uint8Array).toString()).toBe('one');
    next();
    expect(Buffer.from((await pieces.next()).value as Uint8Array).toString()).toBe('two');
    expect(await pieces.next()).toEqual({ done: true, value: undefined });
    expect(await pieces.next()).toEqual({ done: true, value: undefined });
    expect(upstream.stats.requestsNow).toBe(0);
  });

  test('is read no faster than its reader, and goes on when he does', async () => {
    const piece = toChunk('x'.repeat(16 * 1024));
    const total = 2048;
    let written = 0;
    const { upstream } = await behind((socket) => {
      socket.write(HEAD);
      const write = (): void => {
        while (written < total) {
          written++;
          if (!socket.write(piece)) {
            socket.once('drain', write);
            return;
          }
        }
        socket.write('0\r\n\r\n');
      };
      write();
    });
    const pieces = streamOf(await upstream.send(toUpstreamRequest({ isStreamed: true })));
    await new Promise((done) => setTimeout(done, 200));
    // What the sockets' own buffers take is some megabytes at most; all would be 32.
    expect(written).toBeLessThan(total);
    let bytes = 0;
    for (let step = await pieces.next(); step.done !== true; step = await pieces.next()) bytes += step.value.length;
    expect(bytes).toBe(total * 16 * 1024);
  });

  test.each([
    ['is silent', '', TIMEOUT],
    ['is cut off', 'end', MALFORMED],
    ['is no HTTP any more', 'zz\r\n', MALFORMED],
    ['is too large', toChunk('y'.repeat(3000)), 'GATEWAY_ANSWER_TOO_LARGE'],
  ])('that %s fails after what came before', async (_name, bytes, code) => {
    const { upstream, server } = await behind(
      (socket) => {
        socket.write(HEAD + toChunk('one'), () =>
          setImmediate(() => {
            if (bytes === 'end') socket.end();
            else socket.write(bytes);
          }),
        );
      },
      // Patience alone is short where it is what ends: a slow machine may take its time for the others.
      { limits: { streamBytesMax: 2048, ...(code === TIMEOUT && { idleTimeoutMs: 120 }) } },
    );
    const pieces = streamOf(await upstream.send(toUpstreamRequest({ isStreamed: true })));
    expect(Buffer.from((await pieces.next()).value as Uint8Array).toString()).toBe('one');
    expect(await failureOf(pieces.next())).toMatchObject({ code });
    await server.idle();
    expect(upstream.stats.requestsNow).toBe(0);
  });

  test('of single bytes is kept for its reader no further than what they take of memory', async () => {
    const source = { expectData: noop, expectReader: noop, readOn: noop, fail: noop };
    const stream = new AnswerStream(source, UPSTREAM_LIMITS);
    let pieces = 1;
    while (stream.push(Buffer.from('x'))) pieces++;
    expect(pieces).toBeLessThan(1000);
    for (; pieces > 0; pieces--) expect((await stream.next()).done).toBe(false);
    expect(stream.push(Buffer.from('x'))).toBe(true);
  });

  test('that its reader gives up, or never reads, ends the request to the server', async () => {
    const given = await behind((socket) => socket.write(HEAD + toChunk('one')));
    const pieces = streamOf(await given.upstream.send(toUpstreamRequest({ isStreamed: true })));
    await pieces.next();
    await pieces.return?.();
    await given.server.idle();
    const unread = await behind((socket) => socket.write(HEAD + toChunk('one')), { limits: { stallTimeoutMs: 120 } });
    await unread.upstream.send(toUpstreamRequest({ isStreamed: true }));
    await unread.server.idle();
    expect(unread.upstream.stats.requestsNow).toBe(0);
  });

  test('of a caller that is gone ends, though its reader waits', async () => {
    const abort = new AbortController();
    const { upstream, server } = await behind((socket) => socket.write(HEAD));
    const pieces = streamOf(await upstream.send(toUpstreamRequest({ isStreamed: true, signal: abort.signal })));
    const pending = failureOf(pieces.next());
    abort.abort();
    expect(await pending).toMatchObject({ code: 'GATEWAY_STREAM_CUT' });
    await server.idle();
  });
});

test('a line that is closed fails what is under way, and takes no more', async () => {
  const { upstream, server } = await behind(() => undefined);
  const pending = failureOf(upstream.send(toUpstreamRequest()));
  while (server.requests.length === 0) await new Promise(setImmediate);
  await upstream.close();
  expect(await pending).toEqual({ code: UNREACHABLE, fields: { reason: 'closing' } });
  expect(await failureOf(upstream.send(toUpstreamRequest()))).toMatchObject({ code: UNREACHABLE });
  await server.idle();
});
