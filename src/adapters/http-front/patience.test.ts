/** Who is slow, silent, gone, or wants too much, holds up nobody else. Times are limits that are reached, never asserted. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { openRaw, sendRaw, toRefusal, useFronts } from '../../../test/http-front/kit.ts';
import type { GatewayAnswer, GatewayRequest } from '../../gateway/ports.ts';

const open = useFronts();
const ASK = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';
const never = (): Promise<GatewayAnswer> => new Promise(() => undefined);

/** Writes `piece` again and again until the other side has had enough. */
function drip(client: ReturnType<typeof openRaw>, piece: string): Promise<string> {
  const timer = setInterval(() => client.socket.write(piece), 30);
  return client.closed().finally(() => {
    clearInterval(timer);
  });
}

describe('slow requests', () => {
  test('headers that come byte by byte: 408', async () => {
    const { front } = await open({ limits: { headersTimeoutMs: 250 } });
    const client = openRaw(front.port);
    client.socket.write('GET /a HTTP/1.1\r\nHost: x\r\n');
    expect(toRefusal(await drip(client, 'x: y\r\n'))).toEqual({ status: 408, code: 'GATEWAY_REQUEST_TIMEOUT' });
  });

  test('the second request of a connection, likewise', async () => {
    const { front } = await open({ limits: { headersTimeoutMs: 250 } });
    const client = openRaw(front.port);
    client.socket.write(ASK);
    await client.until(/200 OK/);
    client.socket.write('GET /');
    expect(await drip(client, 'x')).toMatch(/HTTP\/1\.1 408 /);
  });

  test('a body below the least rate: 408, and its memory is given back', async () => {
    const { front, seen } = await open({ limits: { headersTimeoutMs: 250, bodyBytesPerSecondMin: 1_000_000 } });
    const client = openRaw(front.port);
    client.socket.write('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbegin');
    expect(toRefusal(await drip(client, 'x'))).toEqual({ status: 408, code: 'GATEWAY_REQUEST_TIMEOUT' });
    expect([seen.length, front.stats.bodiesBytesNow, front.stats.requestsNow]).toEqual([0, 0, 0]);
  });

  test('a body that takes too long as a whole: 408', async () => {
    const { front } = await open({ limits: { requestTimeoutMs: 250, bodyBytesPerSecondMin: 0 } });
    const client = openRaw(front.port);
    client.socket.write('POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    expect(await drip(client, '1\r\nx\r\n')).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('a connection that says nothing, at first or after an answer, is closed without a word', async () => {
    const { front } = await open({ limits: { headersTimeoutMs: 2000, idleTimeoutMs: 250 } });
    const [silent, later] = [openRaw(front.port), openRaw(front.port)];
    later.socket.write(ASK);
    expect(await silent.closed()).toBe('');
    expect(await later.closed()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
  });

  test.each([
    ['a plain request', 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'],
    ['another one', ASK],
  ])('%s that came while everything was held up is answered, for however long its connection was quiet', async (_, ask) => {
    const { front } = await open({ limits: { idleTimeoutMs: 400 } });
    const client = openRaw(front.port);
    client.socket.write(ask);
    await client.until(/200 OK/);
    // Node looks at timers next, and then at what can be read.
    await new Promise(setImmediate);
    client.socket.write(ask);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    const both = /200 OK[^]*200 OK/;
    expect(await client.until(both)).toMatch(both);
  });
});

describe('slow answers', () => {
  test('a handler that does not answer: 503, and it is told by its signal', async () => {
    const { front, seen } = await open({ limits: { answerTimeoutMs: 250 }, handler: never });
    const client = openRaw(front.port);
    client.socket.write(ASK);
    expect(toRefusal(await client.until(/\}\}$/))).toEqual({ status: 503, code: 'GATEWAY_OVERLOADED' });
    expect(seen[0].signal.aborted).toBe(true);
  });

  test.each([
    ['small', 2],
    ['large', 600_000],
  ])('a handler that is still at work when patience ends has the %s body that it was given, as long as it works', async (_, bytes) => {
    const { front, seen } = await open({ limits: { answerTimeoutMs: 250 }, handler: never });
    const client = openRaw(front.port);
    const body = 'x'.repeat(bytes);
    client.socket.write(`POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n${body}`);
    expect(await client.until(/\}\}$/)).toMatch(/^HTTP\/1\.1 503 /);
    await expect.poll(() => front.stats.requestsNow).toBe(0);
    expect(Buffer.from(seen[0].body).equals(Buffer.from(body))).toBe(true);
  });

  test('a client that does not read its answer is cut off, and the answer is told so', async () => {
    const sent: boolean[] = [];
    const body = Buffer.alloc(32 * 1024 * 1024);
    const { front } = await open({
      limits: { writeTimeoutMs: 250, answerBytesPerSecondMin: 1e9 },
      handler: () => Promise.resolve({ status: 200, headers: [], body, onSent: (isWhole) => sent.push(isWhole) }),
    });
    const client = openRaw(front.port);
    client.socket.pause();
    client.socket.write(ASK);
    await expect.poll(() => sent).toEqual([false]);
    expect([front.stats.answersCut, front.stats.requestsNow]).toEqual([1, 0]);
    client.socket.destroy();
  });
});

describe('answers that come in pieces', () => {
  test('are chunked, each as it comes, with trailers at the end', async () => {
    const gates: (() => void)[] = [];
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('one');
      await new Promise<void>((go) => gates.push(go));
      yield Buffer.from('two');
    }
    const answer = (): Promise<GatewayAnswer> =>
      Promise.resolve({ status: 200, headers: [], body: pieces(), trailers: () => [['x-sum', '6']] });
    const { front } = await open({ handler: answer });
    const client = openRaw(front.port);
    client.socket.write(ASK);
    expect(await client.until(/one/)).not.toMatch(/two/);
    gates[0]();
    expect(await client.until(/\r\n\r\n$/)).toMatch(/3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\n\r\n$/);
  });

  test('are not made faster than they are taken, nor after the client has gone', async () => {
    let made = 0;
    let isReturned = false;
    async function* pieces(): AsyncGenerator<Uint8Array> {
      try {
        while (true) {
          await Promise.resolve();
          made += 1024 * 1024;
          yield Buffer.alloc(1024 * 1024);
        }
      } finally {
        isReturned = true;
      }
    }
    const sent: boolean[] = [];
    const { front } = await open({
      handler: () =>
        Promise.resolve({ status: 200, headers: [], body: pieces(), onSent: (isWhole) => sent.push(isWhole) }),
    });
    const client = openRaw(front.port);
    client.socket.pause();
    client.socket.write(ASK);
    // What the two sockets hold is some megabytes; then it stands still.
    await expect.poll(() => (made === 0 ? -1 : made)).toBeGreaterThan(0);
    const settled = await untilStill(() => made);
    expect(settled).toBeLessThan(64 * 1024 * 1024);
    client.socket.destroy();
    await expect.poll(() => [isReturned, ...sent]).toEqual([true, false]);
  });

  test('that fail half-way end without their end, and the operator is told', async () => {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('one');
      await Promise.resolve();
      throw new Error('inner secret');
    }
    const { front, troubles } = await open({
      handler: () => Promise.resolve({ status: 200, headers: [], body: pieces() }),
    });
    const text = await sendRaw(front.port, ASK);
    expect(text).not.toMatch(/0\r\n\r\n$|secret/);
    expect(troubles).toHaveLength(1);
  });
});

/** The value once it was the same for a while. */
async function untilStill(read: () => number): Promise<number> {
  let [before, same] = [-1, 0];
  while (same < 10) {
    await new Promise((go) => setTimeout(go, 20));
    same = read() === before ? same + 1 : 0;
    before = read();
  }
  return before;
}

describe('clients that go away', () => {
  test('while their answer is made: the signal says so, and the answer is not sent', async () => {
    const asked: GatewayRequest[] = [];
    const sent: boolean[] = [];
    let answer: (made: GatewayAnswer) => void = () => undefined;
    const { front } = await open({
      handler: (request) => {
        asked.push(request);
        return new Promise((done) => {
          answer = done;
        });
      },
    });
    const client = openRaw(front.port);
    client.socket.write('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc');
    await expect.poll(() => asked.length).toBe(1);
    const aborted = new Promise<void>((done) => {
      asked[0].signal.addEventListener('abort', done);
    });
    client.socket.destroy();
    await aborted;
    // A handler that is still at work has its input.
    expect(Buffer.from(asked[0].body).toString()).toBe('abc');
    answer({ status: 200, headers: [], body: new Uint8Array(), onSent: (isWhole) => sent.push(isWhole) });
    await expect.poll(() => sent).toEqual([false]);
    expect([front.stats.requestsNow, front.stats.bodiesBytesNow]).toEqual([0, 0]);
  });

  test('in the middle of their body: nobody is asked, and its memory is given back', async () => {
    const { front, seen } = await open();
    const client = openRaw(front.port);
    client.socket.write('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbegin');
    await expect.poll(() => front.stats.bodiesBytesNow).toBeGreaterThan(0);
    client.socket.destroy();
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(0);
    expect(seen).toEqual([]);
  });
});

describe('shares', () => {
  test('all bodies together have a cap: 503 with retry-after, and room again when they end', async () => {
    const gates: ((answer: GatewayAnswer) => void)[] = [];
    const { front } = await open({
      limits: { bodiesBytesMax: 1000 },
      handler: () => new Promise((done) => gates.push(done)),
    });
    const post = (length: number): string =>
      `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;
    const first = openRaw(front.port);
    first.socket.write(post(900));
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(900);
    const second = openRaw(front.port);
    second.socket.write(post(200));
    const refused = await second.until(/\}\}$/);
    expect(toRefusal(refused)).toEqual({ status: 503, code: 'GATEWAY_OVERLOADED' });
    expect(refused).toMatch(/\r\nretry-after: 1\r\n/);
    gates[0]({ status: 200, headers: [], body: new Uint8Array() });
    await first.until(/200 OK/);
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(0);
    const third = openRaw(front.port);
    third.socket.write(post(200));
    await expect.poll(() => gates.length).toBe(2);
  });

  test('a body in very small pieces takes no more memory than one in large ones', async () => {
    const { front, seen } = await open({ handler: never });
    const client = openRaw(front.port);
    const pieces = '1\r\nx\r\n'.repeat(20_000);
    client.socket.write(`POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${pieces}0\r\n\r\n`);
    await expect.poll(() => seen.length).toBe(1);
    expect(seen[0].body.length).toBe(20_000);
    expect(front.stats.bodiesBytesNow).toBeLessThanOrEqual(2 * 20_000);
  });

  test('one peer holds a quarter of the connections, not one more; others get in', async () => {
    const { front } = await open({ limits: { connectionsMax: 16 } });
    const held = Array.from({ length: 4 }, () => openRaw(front.port));
    await Promise.all(held.map(({ socket }) => once(socket, 'connect')));
    expect(await openRaw(front.port).closed()).toBe('');
    expect(front.stats.connectionsRefused).toBe(1);
    const other = openRaw(front.port, '127.0.0.2');
    other.socket.write(ASK);
    expect(await other.until(/200 OK/)).toMatch(/200 OK/);
    for (const { socket } of held) socket.destroy();
  });

  test('a connection ends in good order after so many requests', async () => {
    const { front } = await open({ limits: { requestsPerConnectionMax: 2 } });
    const client = openRaw(front.port);
    client.socket.write(ASK);
    expect(await client.until(/200 OK/)).not.toMatch(/connection: close/);
    client.socket.write(ASK);
    expect(await client.closed()).toMatch(/\r\nconnection: close\r\n/);
  });
});

describe('handlers', () => {
  test('that fail: 500 without a word of it, the operator is told, and the connection goes on', async () => {
    const { front, troubles } = await open({ handler: () => Promise.reject(new Error('inner secret')) });
    const client = openRaw(front.port);
    client.socket.write(ASK);
    const text = await client.until(/\}\}$/);
    expect(toRefusal(text)).toEqual({ status: 500, code: 'GATEWAY_INTERNAL' });
    expect(text).not.toMatch(/secret|connection: close/);
    expect(troubles).toHaveLength(1);
  });

  test('whose answer holds CR or LF in a header: 500, and nothing of it is sent', async () => {
    const sent: boolean[] = [];
    const { front } = await open({
      handler: () =>
        Promise.resolve({
          status: 200,
          headers: [['x-a', 'b\r\nset-cookie: c']],
          body: Buffer.from('body'),
          onSent: (isWhole) => sent.push(isWhole),
        }),
    });
    const client = openRaw(front.port);
    client.socket.write(ASK);
    const text = await client.until(/\}\}$/);
    expect(toRefusal(text)).toEqual({ status: 500, code: 'GATEWAY_INTERNAL' });
    expect(text).not.toMatch(/set-cookie/);
    expect(sent).toEqual([false]);
  });

  test('do not choose what is the front’s: length, connection, coding', async () => {
    const headers = ['content-length', 'connection', 'transfer-encoding', 'date', 'upgrade'].map(
      (name) => [name, '1'] as const,
    );
    const { front } = await open({
      handler: () =>
        Promise.resolve({ status: 200, headers: [...headers, ['cache-control', 'x']], body: Buffer.from('abc') }),
    });
    const client = openRaw(front.port);
    client.socket.write(ASK);
    const text = await client.until(/abc$/);
    expect(text).toMatch(/\r\ncontent-length: 3\r\n/);
    expect(text).not.toMatch(/: 1\r\n/);
    expect(text.match(/cache-control: /g)).toHaveLength(1);
  });

  test.each([204, 304])('an answer of %i has no body and no length', async (status) => {
    const { front } = await open({ handler: () => Promise.resolve({ status, headers: [], body: new Uint8Array() }) });
    const client = openRaw(front.port);
    client.socket.write(ASK + ASK);
    const text = await client.until(/HTTP[^]*HTTP[^]*\r\n\r\n$/);
    expect(text).not.toMatch(/content-length|transfer-encoding/i);
  });
});
