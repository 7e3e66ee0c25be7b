/** TLS to inference servers: who they are, who the gateway is, and files that change. */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureServer } from 'node:http2';
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../../../test/broker/tls.ts';
import { failureOf, textOf, toHttp, toUpstreamRequest, useLines } from '../../../test/upstream/kit.ts';
import { openGrpcUpstream } from './index.ts';
import type { UpstreamTls } from './types.ts';

const { line, ends } = useLines();
const folder = mkdtempSync(join(tmpdir(), 'modelward-upstream-'));
const [server, client, other] = [makeServerIdentity(), makeServerIdentity(), makeServerIdentity()];

afterAll(() => {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

function toFile(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes, { mode: name.includes('exposed') ? 0o644 : 0o600 });
  return path;
}

const pem = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

/** A server that answers with the name of the client's certificate, and what it was asked by. */
async function openTls(options: TlsOptions = {}): Promise<{ url: string; open: Set<TLSSocket>; names: unknown[] }> {
  const open = new Set<TLSSocket>();
  const names: unknown[] = [];
  const made = createServer(
    { cert: pem(server.certificatePem), key: pem(server.privateKeyPem), minVersion: 'TLSv1.3', ...options },
    (socket) => {
      open.add(socket);
      names.push(socket.servername);
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(toHttp(socket.getPeerX509Certificate()?.fingerprint256 ?? 'nobody')));
    },
  );
  await new Promise<void>((done) => made.listen(0, '127.0.0.1', done));
  ends.push(() => {
    for (const socket of open) socket.destroy();
    return new Promise<void>((done) => {
      made.close(() => {
        done();
      });
    });
  });
  return { url: `https://127.0.0.1:${(made.address() as AddressInfo).port}`, open, names };
}

const trusted: UpstreamTls = { authoritiesPath: toFile('authorities.pem', server.caPem) };
const mutual: UpstreamTls = {
  ...trusted,
  certificatePath: toFile('client.pem', client.certificatePem),
  privateKeyPath: toFile('client.key', client.privateKeyPem),
};
const toPin = (certificate: Uint8Array): string =>
  createHash('sha256')
    .update(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
const fingerprint = (certificate: Uint8Array): string => new X509Certificate(certificate).fingerprint256;

describe('a server', () => {
  test('under the authority is asked, by its address or by another name of its certificate', async () => {
    const { url, names } = await openTls();
    expect(textOf(await (await line(url, { tls: trusted })).send(toUpstreamRequest()))).toBe('nobody');
    const named = await line(url, { tls: { ...trusted, servername: 'localhost' } });
    expect(textOf(await named.send(toUpstreamRequest()))).toBe('nobody');
    expect(names).toEqual([false, 'localhost']);
  });

  test('is asked with a key that is pinned', async () => {
    const { url } = await openTls();
    const pins = [toPin(other.certificatePem), toPin(server.certificatePem)];
    expect(textOf(await (await line(url, { tls: { ...trusted, pins } })).send(toUpstreamRequest()))).toBe('nobody');
  });

  test.each<readonly [string, UpstreamTls, TlsOptions, string]>([
    ['under another authority', { authoritiesPath: toFile('other.pem', other.caPem) }, {}, 'tls'],
    ['under none that Node knows', {}, {}, 'tls'],
    ['of another name', { ...trusted, servername: 'model.example' }, {}, 'tls'],
    ['with another key than is pinned', { ...trusted, pins: [toPin(other.certificatePem)] }, {}, 'pin'],
    ['that speaks TLS 1.2 alone', trusted, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }, 'tls'],
  ])('%s is not asked', async (_name, tls, options, reason) => {
    const { url } = await openTls(options);
    const upstream = await line(url, { tls });
    expect(await failureOf(upstream.send(toUpstreamRequest()))).toEqual({
      ...{ code: 'GATEWAY_UPSTREAM_UNREACHABLE', fields: { reason } },
    });
  });

  test('of TLS 1.2 is asked where it is said', async () => {
    const { url } = await openTls({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
    const upstream = await line(url, { tls: { ...trusted, minVersion: 'TLSv1.2' } });
    expect((await upstream.send(toUpstreamRequest())).status).toBe(200);
  });

  test('that is no server of TLS, or says nothing, is given up', async () => {
    const { url } = await openTls();
    const plain = await line(url.replace('https', 'http'), { limits: { headersTimeoutMs: 200 } });
    expect((await failureOf(plain.send(toUpstreamRequest()))).code).toMatch(/^GATEWAY_UPSTREAM_/);
  });
});

describe('the gateway', () => {
  const asking: TlsOptions = { requestCert: true, rejectUnauthorized: true, ca: pem(client.caPem) };

  test('shows its certificate', async () => {
    const { url } = await openTls(asking);
    const upstream = await line(url, { tls: mutual });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe(fingerprint(client.certificatePem));
  });

  test('without one is refused by a server that wants one', async () => {
    const { url } = await openTls(asking);
    const failed = await failureOf((await line(url, { tls: trusted })).send(toUpstreamRequest()));
    expect(failed.code).toBe('GATEWAY_UPSTREAM_UNREACHABLE');
  });

  test('takes over new files; what is under way ends on its connection, and bad files change nothing', async () => {
    const { url, open } = await openTls({ requestCert: true, rejectUnauthorized: false });
    const tls = {
      ...trusted,
      certificatePath: toFile('turning.pem', client.certificatePem),
      privateKeyPath: toFile('turning.key', client.privateKeyPem),
    };
    const upstream = await line(url, { tls });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe(fingerprint(client.certificatePem));
    expect(await upstream.reloadTls()).toBe(false);
    toFile('turning.pem', other.certificatePem);
    expect(await failureOf(upstream.reloadTls())).toEqual({
      code: 'UPSTREAM_TLS_INVALID',
      fields: { at: 'private key' },
    });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe(fingerprint(client.certificatePem));
    const underWay = upstream.send(toUpstreamRequest());
    toFile('turning.key', other.privateKeyPem);
    expect(await upstream.reloadTls()).toBe(true);
    expect(textOf(await underWay)).toBe(fingerprint(client.certificatePem));
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe(fingerprint(other.certificatePem));
    expect(upstream.stats).toMatchObject({ reloads: 1, connections: 2 });
    while (open.size > 1) await new Promise(setImmediate);
    expect(upstream.stats.connectionsNow).toBe(1);
  });

  test.each<readonly [string, UpstreamTls, string]>([
    ['a file that is not there', { authoritiesPath: join(folder, 'none') }, 'UPSTREAM_TLS_INVALID'],
    ['authorities that are none', { authoritiesPath: toFile('empty', 'x') }, 'UPSTREAM_TLS_INVALID'],
    ['a certificate alone', { certificatePath: mutual.certificatePath! }, 'UPSTREAM_SETTING_INVALID'],
    ['the key of another', { ...mutual, privateKeyPath: toFile('o.key', other.privateKeyPem) }, 'UPSTREAM_TLS_INVALID'],
    ['a pin that is none', { pins: ['AB'] }, 'UPSTREAM_SETTING_INVALID'],
    ['a name that is none', { servername: '../x' }, 'UPSTREAM_SETTING_INVALID'],
  ])('is not set up with %s', async (_name, tls, code) => {
    expect((await failureOf(line('https://127.0.0.1:9', { tls }))).code).toBe(code);
  });

  test('is not set up with a key that others may read', async () => {
    const tls = { ...mutual, privateKeyPath: toFile('exposed.key', client.privateKeyPem) };
    await expect(line('https://127.0.0.1:9', { tls })).rejects.toMatchObject({ code: 'TLS_KEY_EXPOSED' });
  });
});

test('gRPC over TLS agrees on HTTP/2, or is not asked', async () => {
  const secure = createSecureServer(
    { cert: pem(server.certificatePem), key: pem(server.privateKeyPem) },
    (_request, response) => {
      response.stream.respond({ ':status': 200 });
      response.stream.end('frame');
    },
  );
  await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done));
  const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
  const upstream = await openGrpcUpstream({ name: 'behind', url, tls: trusted, onTrouble: () => undefined });
  expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('frame');
  await upstream.close();
  await new Promise<void>((done) => {
    secure.close(() => {
      done();
    });
  });
  const old = await openGrpcUpstream({
    name: 'old',
    url: (await openTls()).url,
    tls: trusted,
    onTrouble: () => undefined,
  });
  expect(await failureOf(old.send(toUpstreamRequest()))).toMatchObject({ fields: { reason: 'tls' } });
  await old.close();
});
