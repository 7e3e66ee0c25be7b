/** TLS and HTTP/2 are read into memory that is used again: in the order in which it came, however records, frames and requests lie. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectH2, createServer as createH2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { issue, makeP256 } from '../../../test/fakes/attest/x509.ts';
import { toRawClient, useFronts } from '../../../test/http-front/kit.ts';
import type { Inlet } from './inlet.ts';
import { toHttp2Inlet, toTlsInlet } from './stream-inlet.ts';

const open = useFronts();
const folder = mkdtempSync(join(tmpdir(), 'modelward-inlet-'));
const server = issue({ commonName: 'server', key: makeP256(), isAuthority: true, notAfter: '2049-01-01T00:00:00Z' });
const cert = server.pem;
const key = server.key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const tls = {
  certificatePath: join(folder, 'server.pem'),
  privateKeyPath: join(folder, 'server.key'),
  clientCertificates: 'none',
} as const;
writeFileSync(tls.certificatePath, cert);
writeFileSync(tls.privateKeyPath, key, { mode: 0o600 });
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const dial = (port: number) => toRawClient(connect({ port, host: '127.0.0.1', rejectUnauthorized: false }));
const toDigest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('an inlet of TLS', () => {
  test('is there on this Node: connections are read into one block, and as a stream where nobody reads', async () => {
    const blocks = new Set<unknown>();
    const opened: (Inlet | null)[] = [];
    const listener = createServer({ cert, key }, (socket) => {
      const inlet = toTlsInlet(socket);
      opened.push(inlet, toTlsInlet(socket));
      socket.on('data', (piece: Buffer) => socket.write(`stream ${piece.toString()}`));
      if (inlet === null) return;
      const take = (bytes: Buffer): boolean => {
        blocks.add(bytes.buffer);
        inlet.reader = null;
        return socket.write(`inlet ${bytes.toString()}`);
      };
      inlet.reader = { take, room: null };
    });
    await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
    const { port } = listener.address() as AddressInfo;
    const clients = [dial(port), dial(port)];
    for (const client of clients) {
      client.socket.write('one');
      expect(await client.until(/one$/)).toBe('inlet one');
      client.socket.write('two');
      expect(await client.until(/two$/)).toBe('inlet onestream two');
      client.socket.destroy();
    }
    expect(blocks.size).toBe(1);
    // Whose memory was given already is left as it is.
    expect(opened.map((inlet) => inlet !== null)).toEqual([true, false, true, false]);
    await new Promise((done) => listener.close(done));
  });

  test('is none of a socket that is closed', () => {
    const socket = new TLSSocket(new Socket());
    socket.destroy();
    expect(toTlsInlet(socket)).toBeNull();
  });

  test('has requests in the order in which they came, also those that came before the answer', async () => {
    const { front } = await open({
      tls,
      handler: async ({ body }) => {
        if (body.length % 2 === 0) await new Promise(setImmediate);
        return { status: 200, headers: [], body: Buffer.from(`<${toDigest(body)}>`) };
      },
    });
    const bodies = fc.array(fc.oneof(fc.nat({ max: 2000 }), fc.nat({ max: 150_000 })), { minLength: 1, maxLength: 5 });
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(bodies, cuts, async (lengths, parts) => {
        const sent = lengths.map((length) => randomBytes(length + 1));
        const toHead = (length: number): string => `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
        const bytes = Buffer.concat(sent.flatMap((body) => [Buffer.from(toHead(body.length)), body]));
        const ends = [...parts.map((at) => Math.floor(at * bytes.length)), bytes.length].sort((a, b) => a - b);
        const client = dial(front.port);
        for (const [n, end] of ends.entries()) client.socket.write(bytes.subarray(ends[n - 1] ?? 0, end));
        const text = await client.until(new RegExp(`(?:<\\w+>[^]*){${sent.length}}$`));
        client.socket.destroy();
        expect(text.match(/<\w+>/g)).toEqual(sent.map((body) => `<${toDigest(body)}>`));
      }),
      { numRuns: 40 },
    );
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(0);
  });
});

describe('an inlet of HTTP/2', () => {
  /** The answer's body; bodies go out in pieces, those of several streams by turns. */
  const ask = (session: ReturnType<typeof connectH2>, pieces: readonly Buffer[]): Promise<string> =>
    new Promise((done) => {
      const stream = session.request({ ':method': 'POST', ':path': '/a' });
      let text = '';
      stream.on('data', (piece: Buffer) => (text += piece.toString()));
      stream.on('error', () => undefined);
      stream.on('close', () => {
        done(text);
      });
      for (const piece of pieces) stream.write(piece);
      stream.end();
    });

  test('is there on this Node: streams are read into one block, and none of which something came already', async () => {
    const blocks = new Set<unknown>();
    const listener = createH2();
    const found: boolean[] = [];
    listener.on('stream', (stream: ServerHttp2Stream) => {
      if (found.length === 2) stream.unshift(Buffer.from('before '));
      const inlet = toHttp2Inlet(stream);
      found.push(inlet !== null);
      stream.respond();
      if (inlet === null) stream.on('data', (piece: Buffer) => stream.write(piece));
      else {
        const take = (bytes: Buffer): boolean => {
          blocks.add(bytes.buffer);
          return stream.write(Buffer.from(bytes));
        };
        inlet.reader = { take, room: null };
      }
      stream.on('end', () => stream.end());
    });
    await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
    const session = connectH2(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`);
    for (const text of ['one', 'two']) expect(await ask(session, [Buffer.from(text)])).toBe(text);
    expect(await ask(session, [Buffer.from('three')])).toBe('before three');
    expect([blocks.size, found]).toEqual([1, [true, true, false]]);
    session.close();
    await new Promise((done) => listener.close(done));
  });

  test.each([['in plaintext'], ['over TLS']])('%s has each body of many streams as it was sent', async (way) => {
    const isTls = way === 'over TLS';
    const { front } = await open({
      ...(isTls ? { tls } : {}),
      limits: { bodyBytesMax: 400_000 },
      handler: ({ body }) => Promise.resolve({ status: 200, headers: [], body: Buffer.from(`<${toDigest(body)}>`) }),
    });
    const session = connectH2(`${isTls ? 'https' : 'http'}://127.0.0.1:${front.port}`, { rejectUnauthorized: false });
    const bodies = fc.array(fc.array(fc.nat({ max: 60_000 }), { minLength: 1, maxLength: 6 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(bodies, async (all) => {
        const sent = all.map((lengths) => lengths.map((length) => randomBytes(length + 1)));
        // Among them one that is refused in its midst.
        const [refused, ...answers] = await Promise.all([
          ask(session, [Buffer.alloc(500_000, 'x')]),
          ...sent.map((pieces) => ask(session, pieces)),
        ]);
        expect(refused).toContain('GATEWAY_BODY_TOO_LARGE');
        expect(answers).toEqual(sent.map((pieces) => `<${toDigest(Buffer.concat(pieces))}>`));
      }),
      { numRuns: 20 },
    );
    session.close();
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(0);
  });
});
