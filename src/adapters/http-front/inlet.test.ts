/** What comes is read into memory that is used again: nobody sees what is another's, and all else is as with node:http. */
import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openRaw, type RawClient, toRawClient, toRefusal, useFronts } from '../../../test/http-front/kit.ts';
import type { FrontSetting } from '../../../test/http-front/kit.ts';
import type { GatewayGreeter } from '../../gateway/ports.ts';

const open = useFronts();
/** A name twice makes it node:http's. */
const WAYS = { ours: '', node: 'X: 1\r\nX: 2\r\n' } as const;
const toHead = (bytes: number, more = ''): string =>
  `POST /a HTTP/1.1\r\nHost: x\r\n${more}Content-Length: ${bytes}\r\n\r\n`;
const toDigest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const digest: FrontSetting['handler'] = ({ body }) =>
  Promise.resolve({ status: 200, headers: [], body: Buffer.from(`<${toDigest(body)}>`) });
const MUCH = 200_000;
const greet: GatewayGreeter = () => 'GATEWAY_CREDENTIAL_INVALID';

interface Scenario {
  readonly name: string;
  readonly setting?: FrontSetting;
  /** Behind the head of a request with a body of `MUCH` bytes. */
  readonly send: (client: RawClient) => void;
  readonly want: ReturnType<typeof toRefusal>;
}

const part = (client: RawClient): void => {
  client.socket.write(Buffer.alloc(MUCH / 2, 'x'));
};
const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a body whose end does not come',
    send: (client) => client.socket.end(Buffer.alloc(MUCH / 2, 'x')),
    want: { status: 400, code: 'GATEWAY_FRAMING' },
  },
  {
    name: 'a body that stands still',
    setting: { limits: { headersTimeoutMs: 200, bodyBytesPerSecondMin: 10_000_000 } },
    send: part,
    want: { status: 408, code: 'GATEWAY_REQUEST_TIMEOUT' },
  },
  {
    name: 'a body that takes too long as a whole',
    setting: { limits: { requestTimeoutMs: 200 } },
    send: part,
    want: { status: 408, code: 'GATEWAY_REQUEST_TIMEOUT' },
  },
  {
    name: 'a body of too many bytes',
    setting: { limits: { bodyBytesMax: MUCH - 1 } },
    send: part,
    want: { status: 413, code: 'GATEWAY_BODY_TOO_LARGE' },
  },
  {
    name: 'a body for which there is no memory',
    setting: { limits: { bodiesBytesMax: MUCH - 1 } },
    send: part,
    want: { status: 503, code: 'GATEWAY_OVERLOADED' },
  },
  {
    name: 'a body of a stranger',
    setting: { greet },
    send: part,
    want: { status: 401, code: 'GATEWAY_CREDENTIAL_INVALID' },
  },
];

describe.each(Object.entries(WAYS))('a large body, read by %s', (_name, more) => {
  test.each(SCENARIOS)('$name: refused, and its memory is given back', async ({ setting, send, want }) => {
    const { front, seen } = await open(setting);
    const client = openRaw(front.port);
    client.socket.write(toHead(MUCH, more));
    send(client);
    const text = await client.until(/\}\}$/);
    expect(toRefusal(text)).toEqual(want);
    expect(text).toMatch(/\r\nconnection: close\r\n/);
    client.socket.destroy();
    await expect.poll(() => front.stats.connectionsNow).toBe(0);
    expect([seen.length, front.stats.bodiesBytesNow, front.stats.requestsNow]).toEqual([0, 0, 0]);
  });

  test('whose sender leaves in the middle: nobody is asked, and its memory is given back', async () => {
    const { front, seen } = await open();
    const client = openRaw(front.port);
    client.socket.write(toHead(MUCH, more));
    part(client);
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(MUCH);
    client.socket.destroy();
    await expect.poll(() => front.stats.requestsNow).toBe(0);
    expect([seen.length, front.stats.bodiesBytesNow]).toEqual([0, 0]);
  });

  test('is the one that was sent, wherever its pieces end, with what is behind it', async () => {
    const { front } = await open({ handler: digest });
    const bodies = fc.array(fc.nat({ max: 300_000 }), { minLength: 1, maxLength: 3 });
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(bodies, cuts, async (lengths, parts) => {
        const sent = lengths.map((length) => randomBytes(length + 1));
        const bytes = Buffer.concat(sent.flatMap((body) => [Buffer.from(toHead(body.length, more)), body]));
        const ends = [...parts.map((at) => Math.floor(at * bytes.length)), bytes.length].sort((a, b) => a - b);
        const client = openRaw(front.port);
        for (const [n, end] of ends.entries()) {
          client.socket.write(bytes.subarray(ends[n - 1] ?? 0, end));
          await new Promise(setImmediate);
        }
        const text = await client.until(new RegExp(`(?:<\\w+>[^]*){${sent.length}}$`));
        client.socket.destroy();
        expect(text.match(/<\w+>/g)).toEqual(sent.map((body) => `<${toDigest(body)}>`));
      }),
      { numRuns: 40 },
    );
  });
});

describe('memory that connections share', () => {
  test('shows nobody what others send: large bodies that come by turns are each the one that was sent', async () => {
    const { front } = await open({ handler: digest });
    const senders = Array.from({ length: 6 }, () => ({ client: openRaw(front.port), body: randomBytes(MUCH) }));
    for (const { client } of senders) client.socket.write(toHead(MUCH));
    for (let at = 0; at < MUCH; at += 10_000) {
      for (const { client, body } of senders) client.socket.write(body.subarray(at, at + 10_000));
      await new Promise(setImmediate);
    }
    for (const { client, body } of senders) expect(await client.until(/>$/)).toContain(`<${toDigest(body)}>`);
  });

  test('is nothing that a body lies in while it is worked on', async () => {
    const waiting: (() => void)[] = [];
    const { front, seen } = await open({
      handler: async ({ body }) => {
        await new Promise<void>((done) => waiting.push(done));
        return { status: 200, headers: [], body: Buffer.from(`<${toDigest(body)}>`) };
      },
    });
    const sizes = [10, 3000, 50_000, 65_000];
    const senders = sizes.map((size) => ({ client: openRaw(front.port), body: randomBytes(size) }));
    for (const [n, { client, body }] of senders.entries()) {
      client.socket.write(Buffer.concat([Buffer.from(toHead(body.length)), body]));
      await expect.poll(() => seen.length).toBe(n + 1);
    }
    for (const go of waiting) go();
    for (const { client, body } of senders) expect(await client.until(/>$/)).toContain(`<${toDigest(body)}>`);
  });

  test('takes nothing of a body that was refused, however much of it still comes', async () => {
    let judge: (code: 'GATEWAY_CREDENTIAL_EXPIRED') => void = () => undefined;
    const greet: GatewayGreeter = ({ headers }) =>
      headers.good === undefined ? new Promise((done) => (judge = done)) : { id: 'good' };
    const { front } = await open({ handler: digest, greet });
    const bad = toRawClient(connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: true }));
    const good = openRaw(front.port);
    bad.socket.write(toHead(MUCH));
    bad.socket.write(Buffer.alloc(MUCH / 4, 'x'));
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(MUCH);
    judge('GATEWAY_CREDENTIAL_EXPIRED');
    expect(toRefusal(await bad.until(/\}\}$/))).toMatchObject({ status: 401 });
    const body = randomBytes(MUCH);
    /** What was sent before was read. */
    const untilRead = async (): Promise<void> => {
      const other = openRaw(front.port);
      for (let round = 1; round <= 5; round++) {
        other.socket.write(`${toHead(1)}x`);
        await other.until(new RegExp(`(?:<\\w+>[^]*){${round}}$`));
      }
      other.socket.destroy();
    };
    good.socket.write(toHead(MUCH, 'Good: 1\r\n'));
    good.socket.write(body.subarray(0, -1));
    await untilRead();
    bad.socket.write(Buffer.alloc(MUCH / 4, 'x'));
    await untilRead();
    good.socket.write(body.subarray(-1));
    expect(await good.until(/>$/)).toContain(`<${toDigest(body)}>`);
  });
});
