/** Plain requests are read without Node's parser: never otherwise than it would, and whatever is not plain goes to it. */
import { createServer, type IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openRaw, toRefusal, useFronts } from '../../../test/http-front/kit.ts';
import { KnownHeads } from './known-heads.ts';
import { findPlainHead } from './plain-head.ts';

const open = useFronts();
const ask = (path: string, body: string, more = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;

/** What Node's parser reads of the same bytes; null where it reads no request. */
function readByNode(bytes: string): Promise<Pick<IncomingMessage, 'method' | 'url' | 'headers'> | null> {
  const server = createServer({ joinDuplicateHeaders: true, requireHostHeader: false });
  const socket = new PassThrough();
  return new Promise((done) => {
    server.on('request', ({ method, url, headers }) => {
      done({ method, url, headers });
    });
    server.on('clientError', () => {
      done(null);
    });
    server.emit('connection', socket);
    socket.end(Buffer.from(bytes, 'latin1'));
  });
}

describe('a head that is taken for plain', () => {
  test('is read as Node reads it', async () => {
    const odd = fc.constantFrom('\r', '\n', '\0', '\t', ' ', ':', ';', ',', '\x7f', '\xe4', '\x0b', '_', '"', '(');
    const text = fc.string({
      unit: fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...['a', 'B', '3', '-', '/', '.', '=']) }, odd),
      maxLength: 6,
    });
    const name = fc.oneof(
      fc.constantFrom('Host', 'host', 'X', 'Content-Length', 'content-length', 'Connection', 'TE'),
      text,
    );
    const value = fc.oneof(fc.constantFrom('3', '03', '+3', 'x', 'keep-alive', 'Keep-Alive', 'close', 'chunked'), text);
    const gap = fc.oneof({ weight: 5, arbitrary: fc.constant(': ') }, fc.constantFrom(':', ' : ', ':  ', ':\t'));
    const line = fc.tuple(name, gap, value).map((parts) => parts.join(''));
    const first = fc.oneof(
      { weight: 5, arbitrary: text.map((path) => `POST /${path} HTTP/1.1`) },
      fc.constantFrom(
        'POST /a HTTP/1.0',
        'GET /a HTTP/1.1',
        'POST  /a HTTP/1.1',
        'POST /a HTTP/1.1 ',
        ' POST /a HTTP/1.1',
      ),
    );
    const head = fc
      .tuple(first, fc.array(line, { maxLength: 4 }), fc.boolean())
      .map(([start, lines, isWhole]) =>
        [start, ...(isWhole ? ['Host: x', 'Content-Length: 3'] : []), ...lines].join('\r\n'),
      );
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(head, async (one) => {
        const found = findPlainHead(one);
        if (found === null) return;
        plain += 1;
        const { method, target: url, headers } = found;
        expect(await readByNode(`${one}\r\n\r\n${'b'.repeat(found.bodyBytes)}`)).toEqual({ method, url, headers });
      }),
      { numRuns: 3000 },
    );
    expect(plain).toBeGreaterThan(50);
  });

  test.each([
    ['a request without a body', 'GET /a HTTP/1.1\r\nHost: x'],
    ['no length', 'POST /a HTTP/1.1\r\nHost: x'],
    ['two lengths', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\ncontent-length: 3'],
    ['another form of the body', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked'],
    ['an expectation', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue'],
    ['the last of a connection', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close'],
    ['a name twice', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX: 1\r\nX: 2'],
    ['a folded line', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX: 1\r\n 2'],
    ['names of Object', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n__proto__: 1'],
    ['a compressed body', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Encoding: gzip'],
  ])('is none: %s', (_name, head) => {
    expect(findPlainHead(head)).toBeNull();
  });
});

describe('heads that are kept', () => {
  const toHead = (path: string, bytes: number): Buffer => {
    const start = `POST /${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-Fill: `;
    return Buffer.from(`${start.padEnd(bytes - 4, 'x')}\r\n\r\n`);
  };
  const keep = (known: KnownHeads, head: Buffer): void => {
    known.keep(head, findPlainHead(head.toString('latin1', 0, head.length - 4))!);
  };
  const find = (known: KnownHeads, head: Buffer) => known.find(Buffer.concat([head, Buffer.from('abc')]))?.target;

  test('are found again with a body of their length alone, and are no view of what came', () => {
    const known = new KnownHeads();
    const head = toHead('a', 200);
    keep(known, head);
    expect(find(known, Buffer.from(head))).toBe('/a');
    expect(known.find(head)).toBeNull();
    expect(find(known, toHead('b', 200))).toBeUndefined();
    const copy = Buffer.from(head);
    head.fill(0);
    expect(find(known, copy)).toBe('/a');
  });

  test('are told apart wherever they differ', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.uniqueArray(text, { minLength: 1, maxLength: 4 }), text, (kept, asked) => {
        const known = new KnownHeads();
        for (const path of kept) keep(known, toHead(path, 100));
        expect(find(known, toHead(asked, 100))).toBe(kept.includes(asked) ? `/${asked}` : undefined);
      }),
      { numRuns: 300 },
    );
  });

  test('take so much memory of a connection and no more, however long and many they are', () => {
    const known = new KnownHeads();
    for (const path of ['a', 'b', 'c']) keep(known, toHead(path, 3000));
    expect(['a', 'b', 'c'].map((path) => find(known, toHead(path, 3000)))).toEqual([undefined, '/b', '/c']);
    keep(known, toHead('long', 16_000));
    expect(find(known, toHead('long', 16_000))).toBeUndefined();
    for (let n = 0; n < 100; n++) keep(known, toHead(String(n), 100 * (n % 80) + 100));
    expect(known.bytes).toBeGreaterThan(0);
    expect(known.bytes).toBeLessThanOrEqual(8192);
  });
});

describe('a connection of plain requests', () => {
  test('answers them one by one, the same head or another, and has them all counted', async () => {
    const { front, seen } = await open();
    const client = openRaw(front.port);
    for (const [path, body] of [
      ['/a?b=1', 'one'],
      ['/a?b=1', 'two'],
      ['/a?b=1', 'six'],
      ['/c', 'four'],
    ] as const) {
      client.socket.write(ask(path, body, 'X-Some: y\r\n'));
      await client.until(new RegExp(`\r\n\r\n${body}$`));
    }
    expect(seen.map(({ path, query }) => `${path} ${query}`)).toEqual(['/a b=1', '/a b=1', '/a b=1', '/c ']);
    const [first, second, third, other] = seen.map(({ knownHead }) => knownHead);
    expect([first, other]).toEqual([null, null]);
    expect(second).toMatchObject({ target: '/a?b=1' });
    expect(third).toBe(second);
    expect(seen[3].headers).toEqual({ host: 'x', 'x-some': 'y', 'content-length': '4' });
    expect(client.text()).toMatch(
      /^HTTP\/1\.1 200 OK\r\n[^]*\r\ncontent-length: 3\r\ndate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\nconnection: keep-alive\r\n\r\none/,
    );
    expect([front.stats.requests, front.stats.requestsNow, front.stats.bodiesBytesNow]).toEqual([4, 0, 0]);
  });

  test.each([
    [
      'two forms of a length',
      'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde'],
    ['a space before the colon', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc'],
    ['a bare LF', 'POST /a HTTP/1.1\r\nHost: x\r\nX: y\nContent-Length: 3\r\n\r\nabc'],
    ['two Host headers', 'POST /a HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 3\r\n\r\nabc'],
    ['no HTTP at all', '\x16\x03\x01\x00\x05hello\r\n\r\n'],
  ])('%s behind a good one: 400, and nothing after it is read', async (_name, bytes) => {
    const { front, seen } = await open();
    const client = openRaw(front.port);
    client.socket.write(ask('/good', 'good'));
    const before = await client.until(/good$/);
    client.socket.write(Buffer.from(`${bytes}${ask('/smuggled', 'x')}`, 'latin1'));
    const text = await client.closed();
    expect(toRefusal(text.slice(before.length))).toEqual({ status: 400, code: 'GATEWAY_FRAMING' });
    expect(seen.map(({ path }) => path)).toEqual(['/good']);
  });

  test('one that is sent before the answer waits, also in pieces, and is answered behind it', async () => {
    const waiting: (() => void)[] = [];
    const { front, seen } = await open({
      handler: ({ path, body }) =>
        new Promise((done) => {
          waiting.push(() => {
            done({ status: 200, headers: [], body: Buffer.from(`${path}=${body.length}.`) });
          });
        }),
    });
    const client = openRaw(front.port);
    client.socket.write(ask('/1', 'a'));
    await expect.poll(() => seen.length).toBe(1);
    const second = ask('/2', 'bb');
    client.socket.write(second.slice(0, 20));
    client.socket.write(second.slice(20) + ask('/3', 'ccc'));
    waiting[0]();
    await expect.poll(() => waiting.length).toBe(3);
    for (const go of waiting.slice(1)) go();
    const text = await client.until(/\/3=3\./);
    expect(text.match(/\/\d=\d\./g)).toEqual(['/1=1.', '/2=2.', '/3=3.']);
  });

  test('and of others among them is read as it was sent, wherever its pieces end', async () => {
    const { front, seen } = await open({
      handler: async ({ path, body }) => {
        if (path.endsWith('late')) await new Promise(setImmediate);
        return { status: 200, headers: [], body: Buffer.from(`[${path} ${Buffer.from(body).toString()}]`) };
      },
    });
    const path = fc.tuple(fc.nat(99), fc.constantFrom('', 'late')).map((parts) => `/${parts.join('')}`);
    // Bodies that look like what follows them.
    const body = fc.constantFrom('a', '\r\n', 'POST / HTTP/1.1\r\n\r\n', '0\r\n\r\n', 'x'.repeat(3000));
    const wire = {
      plain: ask,
      odd: (to: string, text: string): string => ask(to, text, 'X: 1\r\nX: 2\r\n'),
      chunks: (to: string, text: string): string =>
        `POST ${to} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`,
    };
    const kind = fc.constantFrom('plain' as const, 'plain' as const, 'odd' as const, 'chunks' as const);
    const requests = fc.array(fc.tuple(kind, path, body), { minLength: 1, maxLength: 6 });
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(requests, cuts, async (sent, parts) => {
        const bytes = sent.map(([form, to, text]) => wire[form](to, text)).join('');
        const ends = [...parts.map((part) => Math.floor(part * bytes.length)), bytes.length].sort((a, b) => a - b);
        const client = openRaw(front.port);
        for (const [n, end] of ends.entries()) {
          client.socket.write(bytes.slice(ends[n - 1] ?? 0, end));
          await new Promise(setImmediate);
        }
        const want = sent.map(([, to, text]) => `[${to} ${text}]`);
        const answers = new RegExp(`^(?:HTTP/1\\.1 200 OK[^]*?\\r\\n\\r\\n\\[[^]*?\\]){${sent.length}}$`);
        const text = await client.until(answers);
        client.socket.destroy();
        expect(text.match(/\[\/[^\]]*\]/g)).toEqual(want);
      }),
      { numRuns: 150 },
    );
    expect(seen.length).toBeGreaterThan(150);
  });

  test('a stream goes in chunks, a long body as it is, 204 without one, each with its connection kept', async () => {
    const long = Buffer.alloc(10_000, 'x');
    const { front } = await open({
      handler: ({ path }) => {
        if (path === '/none') return Promise.resolve({ status: 204, headers: [], body: new Uint8Array() });
        if (path === '/long') return Promise.resolve({ status: 200, headers: [], body: long });
        const body = (async function* () {
          yield Buffer.from('first');
          yield Buffer.alloc(0);
          yield await Promise.resolve(Buffer.from('last'));
        })();
        return Promise.resolve({ status: 200, headers: [], body });
      },
    });
    const client = openRaw(front.port);
    client.socket.write(ask('/stream', 'a'));
    expect(await client.until(/\r\n0\r\n\r\n$/)).toMatch(
      /transfer-encoding: chunked\r\n[^]*\r\n\r\n5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n$/,
    );
    client.socket.write(ask('/long', 'a'));
    expect(await client.until(/x{10000}$/)).toMatch(/\r\ncontent-length: 10000\r\n/);
    client.socket.write(ask('/none', 'a'));
    const none = await client.until(/HTTP\/1\.1 204 No Content[^]*\r\n\r\n$/);
    expect(none.slice(none.lastIndexOf('HTTP/1.1 204'))).not.toMatch(/content-length|transfer-encoding/);
    expect(front.stats.connections).toBe(1);
  });

  test('a client who leaves a stream is no trouble, however soon its source hears of it', async () => {
    const { front, troubles } = await open({
      handler: ({ signal }) => {
        const body = {
          [Symbol.asyncIterator]: () => ({
            next: () =>
              new Promise<IteratorResult<Uint8Array>>((_done, fail) => {
                signal.addEventListener('abort', () => {
                  fail(new Error('gone'));
                });
              }),
          }),
        };
        return Promise.resolve({ status: 200, headers: [], body });
      },
    });
    const client = openRaw(front.port);
    client.socket.write(ask('/stream', 'a'));
    await client.until(/\r\n\r\n$/);
    client.socket.destroy();
    await expect.poll(() => front.stats.answersCut).toBe(1);
    await new Promise(setImmediate);
    expect(troubles).toEqual([]);
  });

  test('a header that would be two lines is not sent: 500', async () => {
    for (const header of [
      ['x-a', 'b\r\nset-cookie: c'],
      ['x-a\r\nset-cookie', 'c'],
    ] as const) {
      const { front, troubles } = await open({
        handler: () => Promise.resolve({ status: 200, headers: [header], body: Buffer.from('secret') }),
      });
      const client = openRaw(front.port);
      client.socket.write(ask('/a', 'a'));
      expect(toRefusal(await client.until(/\}\}$/))).toEqual({ status: 500, code: 'GATEWAY_INTERNAL' });
      expect(client.text()).not.toMatch(/set-cookie|secret/);
      expect(troubles).toHaveLength(1);
    }
  });

  test('the last answer of a connection says so, and ends it', async () => {
    const { front } = await open({ limits: { requestsPerConnectionMax: 2 } });
    const client = openRaw(front.port);
    client.socket.write(ask('/a', 'one'));
    await client.until(/one$/);
    client.socket.write(ask('/a', 'two'));
    expect(await client.closed()).toMatch(/\r\nconnection: close\r\n\r\ntwo$/);
  });
});
