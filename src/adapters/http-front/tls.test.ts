/** TLS 1.3 alone, before and after each change of files; client certificates and their revocation. */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectH2 } from 'node:http2';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeDer, issue, type Issued, issueCrl, makeP256, seq, toPem } from '../../../test/fakes/attest/x509.ts';
import { toRawClient, toRefusal, useFronts } from '../../../test/http-front/kit.ts';
import { utf8 } from '../../core/bytes.ts';
import type { HttpFrontTls } from './index.ts';
import { parseAltNames } from './peer.ts';

const open = useFronts();
const toDigest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const NOT_AFTER = '2049-01-01T00:00:00Z';
let root: string;
let folder: string;
let count = 0;

const ca = issue({ commonName: 'test authority', key: makeP256(), isAuthority: true, notAfter: NOT_AFTER });
const clientsCa = issue({ commonName: 'clients', key: makeP256(), isAuthority: true, notAfter: NOT_AFTER });
const altNames = (...names: readonly [number, Uint8Array][]) => ({
  oid: '2.5.29.17',
  value: seq(...names.map(([tag, value]) => encodeDer(tag, value))),
});
const LOCAL = altNames([0x82, utf8('localhost')], [0x87, Uint8Array.of(127, 0, 0, 1)]);

const makeServer = (serial: number, change: object = {}): Issued =>
  issue({
    commonName: 'server',
    key: makeP256(),
    issuer: ca,
    serial,
    extensions: [LOCAL],
    notAfter: NOT_AFTER,
    ...change,
  });
const makeClient = (serial: number, change: object = {}): Issued => {
  const extensions = [altNames([0x86, utf8(`spiffe://example.com/client/${serial}`)], [0x82, utf8('a.example')])];
  return issue({
    commonName: 'client',
    key: makeP256(),
    issuer: clientsCa,
    serial,
    extensions,
    notAfter: NOT_AFTER,
    ...change,
  });
};
const toKeyPem = ({ key }: Issued): string => key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const revoke = (...revoked: number[]): string =>
  toPem('X509 CRL', issueCrl({ issuer: clientsCa, revoked, nextUpdate: NOT_AFTER }));

const paths = (): HttpFrontTls & { clientAuthoritiesPath: string; revocationsPath: string } => ({
  certificatePath: join(folder, 'server.pem'),
  privateKeyPath: join(folder, 'server.key'),
  clientCertificates: 'none',
  clientAuthoritiesPath: join(folder, 'clients.pem'),
  revocationsPath: join(folder, 'clients.crl'),
});

function write(
  server: Issued,
  change: Partial<Record<'server.pem' | 'server.key' | 'clients.pem' | 'clients.crl', string>> = {},
): void {
  const files = {
    'server.pem': server.pem + ca.pem,
    'server.key': toKeyPem(server),
    'clients.pem': clientsCa.pem,
    'clients.crl': revoke(),
    ...change,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'modelward-front-'));
});
beforeEach(() => {
  folder = join(root, String(count++));
  mkdirSync(folder);
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

interface Dialled {
  readonly said: string;
  readonly serial: string;
  readonly socket: TLSSocket;
}

/** One handshake: "TLSv1.3" and such, or why there was none. */
function dial(port: number, options: ConnectionOptions = {}): Promise<Dialled> {
  return new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1', ca: ca.pem, ...options });
    socket.on('secureConnect', () => {
      done({ said: socket.getProtocol() ?? '', serial: socket.getPeerX509Certificate()?.serialNumber ?? '', socket });
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      done({ said: error.code ?? 'error', serial: '', socket });
    });
  });
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<string> {
  const { said, serial, socket } = await dial(port, options);
  socket.destroy();
  return serial === '' ? said : `${said} ${serial}`;
}

/** Status of one request, or why there was none. */
function get(port: number, client?: Issued): Promise<string> {
  return new Promise((done) => {
    const identity = client === undefined ? {} : { cert: client.pem, key: toKeyPem(client) };
    const sent = request({ port, host: '127.0.0.1', ca: ca.pem, agent: false, ...identity }, (response) => {
      response.resume();
      done(String(response.statusCode));
    });
    sent.on('error', () => {
      done('refused');
    });
    sent.end();
  });
}

const OLD = { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' } as const;
const REFUSED = 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION';

describe('TLS', () => {
  test('one port speaks HTTP/2 and HTTP/1.1, by ALPN; answers ask for transport security', async () => {
    write(makeServer(16));
    const { front, seen } = await open({ tls: paths() });
    const session = connectH2(`https://127.0.0.1:${front.port}`, { ca: ca.pem });
    const headers = await new Promise<Record<string, unknown>>((done, fail) => {
      session.on('error', fail);
      session.request({ ':path': '/two' }).on('response', done);
    });
    session.close();
    expect(headers).toMatchObject({ ':status': 200, 'strict-transport-security': 'max-age=31536000' });
    expect(await get(front.port)).toBe('200');
    expect(seen.map(({ httpVersion }) => httpVersion)).toEqual(['2.0', '1.1']);
    expect(await handshake(front.port, { ALPNProtocols: ['spdy/3'] })).toMatch(/NO_APPLICATION_PROTOCOL/);
  });

  test('large bodies are the ones that were sent, in pieces and with what is behind them; half of one is refused', async () => {
    write(makeServer(16));
    const { front, seen } = await open({
      tls: paths(),
      handler: ({ body }) => Promise.resolve({ status: 200, headers: [], body: Buffer.from(`<${toDigest(body)}>`) }),
    });
    const client = toRawClient((await dial(front.port)).socket);
    const bodies = [200_000, 70_000, 300_000, 5].map((length) => randomBytes(length));
    const toHead = (length: number): string => `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
    client.socket.write(toHead(bodies[0].length));
    client.socket.write(bodies[0]);
    await client.until(/>$/);
    for (const body of bodies.slice(1)) client.socket.write(Buffer.concat([Buffer.from(toHead(body.length)), body]));
    const text = await client.until(/(?:<\w+>[^]*){4}$/);
    expect(text.match(/<\w+>/g)).toEqual(bodies.map((body) => `<${toDigest(body)}>`));
    client.socket.destroy();
    const half = toRawClient((await dial(front.port)).socket);
    half.socket.end(`${toHead(100_000)}${'x'.repeat(50_000)}`);
    expect(toRefusal(await half.closed())).toEqual({ status: 400, code: 'GATEWAY_FRAMING' });
    expect(seen).toHaveLength(4);
    await expect.poll(() => front.stats.bodiesBytesNow).toBe(0);
  });

  test('TLS 1.2 is refused before and after each change of certificates', async () => {
    write(makeServer(16));
    const { front, troubles } = await open({ tls: paths() });
    for (const serial of [17, 18, 19]) {
      expect(await handshake(front.port, OLD)).toBe(REFUSED);
      write(makeServer(serial));
      expect(await front.reloadTls()).toBe(true);
      expect(await handshake(front.port)).toBe(`TLSv1.3 ${serial.toString(16)}`);
      expect(await handshake(front.port, OLD)).toBe(REFUSED);
      expect(await front.reloadTls()).toBe(false);
    }
    expect(front.stats.tls).toMatchObject({ reloads: 3, reloadsRefused: 0, notAfterMs: Date.parse(NOT_AFTER) });
    expect(troubles).toEqual([]);
  });

  test('connections that are open survive the change', async () => {
    write(makeServer(16));
    const { front } = await open({ tls: paths() });
    const { socket } = await dial(front.port);
    const client = toRawClient(socket);
    const ask = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';
    socket.write(ask);
    await client.until(/200 OK/);
    write(makeServer(17));
    await front.reloadTls();
    socket.write(ask);
    expect(await client.until(/200 OK[^]*200 OK/)).toMatch(/200 OK[^]*200 OK/);
    socket.destroy();
  });

  test('files that are swapped as Kubernetes does it are taken without being told', async () => {
    const [first, second] = [16, 17].map((serial) => {
      folder = join(root, `secret-${serial}`);
      mkdirSync(folder);
      write(makeServer(serial));
      return folder;
    });
    const data = join(root, '..data');
    symlinkSync(first, data);
    folder = data;
    const { front } = await open({ tls: paths(), limits: { tlsPollMs: 30 } });
    expect(await handshake(front.port)).toBe('TLSv1.3 10');
    symlinkSync(second, `${data}.next`);
    renameSync(`${data}.next`, data);
    await expect.poll(() => handshake(front.port)).toBe('TLSv1.3 11');
    expect(await handshake(front.port, OLD)).toBe(REFUSED);
  });

  test('who says nothing, or something else, is put out, and makes room', async () => {
    write(makeServer(16));
    const { front } = await open({ tls: paths(), limits: { handshakeTimeoutMs: 1000 } });
    const silent = toRawClient(connectTcp(front.port, '127.0.0.1'));
    const foreign = toRawClient(connectTcp(front.port, '127.0.0.1'));
    foreign.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await Promise.all([silent.closed(), foreign.closed()]);
    expect(front.stats.handshakesFailed).toBe(2);
    // A slow machine may take longer for a handshake than is given here.
    await expect.poll(() => get(front.port)).toBe('200');
  });
});

describe('files that cannot be taken', () => {
  const other = makeServer(20);
  const below = (() => {
    const middle = issue({
      commonName: 'middle',
      key: makeP256(),
      issuer: ca,
      serial: 3,
      isAuthority: true,
      notAfter: NOT_AFTER,
    });
    return makeServer(21, { issuer: middle }).pem;
  })();
  const past = makeServer(22, { notAfter: '2025-01-01T00:00:00Z' });
  const future = makeServer(23, { notBefore: '2048-01-01T00:00:00Z' });
  const cases: readonly (readonly [string, Parameters<typeof write>[1], string])[] = [
    ['no PEM', { 'server.pem': 'no PEM' }, 'TLS_CERTIFICATE_MALFORMED'],
    [
      'a damaged certificate',
      { 'server.pem': other.pem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA') },
      'TLS_CERTIFICATE_MALFORMED',
    ],
    ['the key of another certificate', { 'server.key': toKeyPem(other) }, 'TLS_KEY_MISMATCH'],
    ['no key', { 'server.key': 'no key' }, 'TLS_KEY_MALFORMED'],
    ['a chain with a gap', { 'server.pem': below + ca.pem }, 'TLS_CHAIN_BROKEN'],
    ['a certificate that is over', { 'server.pem': past.pem, 'server.key': toKeyPem(past) }, 'TLS_CERTIFICATE_EXPIRED'],
    [
      'one that is not valid yet',
      { 'server.pem': future.pem, 'server.key': toKeyPem(future) },
      'TLS_CERTIFICATE_EXPIRED',
    ],
    ['clients’ authorities that are none', { 'clients.pem': other.pem }, 'TLS_AUTHORITIES_MALFORMED'],
    ['no authorities', { 'clients.pem': '' }, 'TLS_AUTHORITIES_MALFORMED'],
    ['no revocation lists', { 'clients.crl': 'no PEM' }, 'TLS_REVOCATIONS_MALFORMED'],
    ['a file above the cap', { 'server.pem': 'x'.repeat(1024 * 1024 + 1) }, 'TLS_FILE_UNREADABLE'],
  ];

  test.each(cases)('%s: not at the start, nor in place of good ones, which stay', async (_name, change, code) => {
    write(makeServer(16));
    const tls = { ...paths(), clientCertificates: 'optional' } as const;
    const { front } = await open({ tls });
    write(makeServer(17), change);
    await expect(front.reloadTls()).rejects.toMatchObject({ code });
    expect(await handshake(front.port)).toBe('TLSv1.3 10');
    expect(await handshake(front.port, OLD)).toBe(REFUSED);
    await expect(open({ tls })).rejects.toMatchObject({ code });
    // The next good ones are taken.
    write(makeServer(18));
    expect(await front.reloadTls()).toBe(true);
    expect(await handshake(front.port)).toBe('TLSv1.3 12');
  });

  test('a key that others may read, before or after it was taken', async () => {
    write(makeServer(16));
    const { front } = await open({ tls: paths() });
    chmodSync(paths().privateKeyPath, 0o644);
    await expect(front.reloadTls()).rejects.toMatchObject({ code: 'TLS_KEY_EXPOSED' });
    await expect(open({ tls: paths() })).rejects.toMatchObject({ code: 'TLS_KEY_EXPOSED' });
    expect(await handshake(front.port)).toBe('TLSv1.3 10');
    chmodSync(paths().privateKeyPath, 0o400);
    expect(await front.reloadTls()).toBe(false);
  });

  test('the operator is told once for each content, not at each look, and not of what is good again', async () => {
    write(makeServer(16));
    const { front, troubles } = await open({ tls: paths(), limits: { tlsPollMs: 20 } });
    write(makeServer(17), { 'server.key': 'no key' });
    await expect.poll(() => front.stats.tls?.reloadsRefused).toBeGreaterThan(2);
    expect(troubles.map((error) => (error as { code?: string }).code)).toContain('TLS_KEY_MALFORMED');
    expect(troubles.length).toBeLessThanOrEqual(4);
    const key = JSON.stringify(troubles) + String(troubles);
    expect(key).not.toMatch(/PRIVATE|no key/);
    write(makeServer(18));
    await expect.poll(() => handshake(front.port)).toBe('TLSv1.3 12');
  });

  test('a missing file', async () => {
    write(makeServer(16));
    rmSync(join(folder, 'server.key'));
    await expect(open({ tls: paths() })).rejects.toMatchObject({
      code: 'TLS_FILE_UNREADABLE',
      fields: { part: 'private key' },
    });
  });
});

/** Hands on what comes, but of the client no more than its first piece until it is let go. */
async function openHeldLine(to: number) {
  let letGo = (): void => undefined;
  let tell = (): void => undefined;
  const isHeld = new Promise<void>((done) => (tell = done));
  const line = createServer((client) => {
    const server = connectTcp(to, '127.0.0.1');
    for (const socket of [client, server]) socket.on('error', () => undefined);
    server.pipe(client);
    client.once('data', (first: Buffer) => {
      server.write(first);
      client.pause();
      client.once('readable', tell);
    });
    letGo = () => client.pipe(server);
  });
  await new Promise<void>((done) => line.listen(0, '127.0.0.1', done));
  const { port } = line.address() as AddressInfo;
  const close = (): void => {
    line.close();
  };
  return {
    ...{ port, isHeld, close },
    letGo: (): void => {
      letGo();
    },
  };
}

describe('client certificates', () => {
  const foreignCa = issue({ commonName: 'foreign', key: makeP256(), isAuthority: true, notAfter: NOT_AFTER });
  const good = makeClient(5);
  const foreign = makeClient(6, { issuer: foreignCa });
  const past = makeClient(7, { notAfter: '2025-01-01T00:00:00Z' });

  test.each([
    ['required', 'refused', '200', 'refused', 'refused'],
    ['optional', '200', '200', 'refused', 'refused'],
    ['none', '200', '200', '200', '200'],
  ] as const)('%s: without one %s, with a good one %s, a foreign one %s, one that is over %s', async (mode, ...expected) => {
    write(makeServer(16));
    const { front, seen } = await open({ tls: { ...paths(), clientCertificates: mode } });
    const got = [];
    for (const client of [undefined, good, foreign, past]) got.push(await get(front.port, client));
    expect(got).toEqual(expected);
    const certificates = seen.map(({ peer }) => peer.certificate).filter((certificate) => certificate !== null);
    expect(certificates).toEqual(
      mode === 'none'
        ? []
        : [
            {
              subjectAltNames: ['URI:spiffe://example.com/client/5', 'DNS:a.example'],
              sha256Hex: expect.stringMatching(/^[0-9a-f]{64}$/),
              endsMs: Date.parse(NOT_AFTER),
            },
          ],
    );
  });

  test('one that was revoked is refused once the list is there, also with a session from before, and its connections end', async () => {
    write(makeServer(16));
    const { front } = await open({ tls: { ...paths(), clientCertificates: 'required' } });
    const identity = { cert: good.pem, key: toKeyPem(good) };
    const { socket } = await dial(front.port, identity);
    let session: Buffer | undefined;
    socket.on('session', (ticket) => {
      session = ticket;
    });
    const client = toRawClient(socket);
    socket.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until(/200 OK/);
    write(makeServer(16), { 'clients.crl': revoke(5) });
    expect(await front.reloadTls()).toBe(true);
    await client.closed();
    expect(await get(front.port, good)).toBe('refused');
    const again = await dial(front.port, { ...identity, session });
    const resumed = toRawClient(again.socket);
    again.socket.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await resumed.closed()).toBe('');
    expect(await get(front.port, makeClient(8))).toBe('200');
    expect(await handshake(front.port, { ...identity, ...OLD })).toBe(REFUSED);
  });

  test('one that was revoked while its handshake was under way does not come in by it', async () => {
    write(makeServer(16));
    const { front } = await open({ tls: { ...paths(), clientCertificates: 'required' } });
    const line = await openHeldLine(front.port);
    const identity = { cert: good.pem, key: toKeyPem(good) };
    const late = dial(line.port, identity).then(({ socket }) => socket);
    await line.isHeld;
    write(makeServer(16), { 'clients.crl': revoke(5) });
    expect(await front.reloadTls()).toBe(true);
    line.letGo();
    const client = toRawClient(await late);
    client.socket.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await client.closed()).toBe('');
    expect([front.stats.requests, front.stats.connectionsNow, front.stats.handshakesFailed]).toEqual([0, 0, 1]);
    line.close();
    expect(await get(front.port, makeClient(8))).toBe('200');
  });

  test('a list that is over lets nobody in', async () => {
    const stale = toPem('X509 CRL', issueCrl({ issuer: clientsCa, nextUpdate: '2025-07-01T00:00:00Z' }));
    write(makeServer(16), { 'clients.crl': stale });
    const { front } = await open({ tls: { ...paths(), clientCertificates: 'required' } });
    expect(await get(front.port, good)).toBe('refused');
  });

  test.each([
    [
      'DNS:a, URI:spiffe://b/c, IP Address:127.0.0.1, email:d@e',
      ['DNS:a', 'URI:spiffe://b/c', 'IP:127.0.0.1', 'email:d@e'],
    ],
    ['DNS:"a, DNS:evil"', ['DNS:a, DNS:evil']],
    ['DNS:"a\\u0000b", othername:<unsupported>', ['DNS:a\0b']],
    ['DirName:"CN = x", DNS:a', ['DNS:a']],
    ['DNS:"a', []],
    ['', []],
  ])('names of %s', (text, names) => {
    expect(parseAltNames(text)).toEqual(names);
  });
});
