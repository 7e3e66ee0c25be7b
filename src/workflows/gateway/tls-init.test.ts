/** What "tls init" writes, and that OpenSSL and Node's own TLS agree on what it can vouch for. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeDer, issue, type Issued, makeP256, seq, toName } from '../../../test/fakes/attest/x509.ts';
import { describeWithProgram } from '../../../test/shared-data.ts';
import { createTlsAuthority } from '../../adapters/tls-authority/index.ts';
import { utf8 } from '../../core/bytes.ts';
import { ModelwardError } from '../../core/errors.ts';
import { nodeStorage } from '../../source/node-storage.ts';
import { initTls, type InitTlsOptions, type InitTlsResult } from './tls-init.ts';
import { readTlsStatus } from './tls-status.ts';

const PASSPHRASE = 'correct horse battery';
const NAMES = ['models.example.com', '127.0.0.1', '2001:db8::1'];
const DAY_MS = 86_400_000;
let folder: string;
let kept: InitTlsResult;

const at = (nowMs: number) => ({ storage: nodeStorage, clock: { nowMs: () => nowMs } });
const run = (change: Partial<InitTlsOptions> = {}, nowMs = Date.now()): Promise<InitTlsResult> =>
  initTls(at(nowMs), createTlsAuthority(), {
    out: join(folder, 'tls'),
    names: NAMES,
    clients: [],
    trustDomain: null,
    passphrase: null,
    force: false,
    ...change,
  });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-tls-'));
  const passphrase = utf8(PASSPHRASE);
  kept = await run({ out: join(folder, 'kept'), clients: ['acme', 'globex'], passphrase });
  expect([...passphrase].every((byte) => byte === 0)).toBe(true);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The authority's key, as somebody with the passphrase has it. */
function openAuthority(): Issued {
  const certificate = new X509Certificate(readFileSync(kept.authority.certificate));
  const pem = readFileSync(kept.authority.privateKey ?? '');
  const privateKey = createPrivateKey({ key: pem, passphrase: PASSPHRASE });
  const commonName = certificate.subject.replace('CN=', '');
  const key = { privateKey, publicKey: createPublicKey(privateKey) };
  return { der: certificate.raw, pem: certificate.toString(), key, name: toName(commonName), commonName };
}

const generalName = { dns: 0x82, uri: 0x86, ip: 0x87 } as const;

/** A certificate of the authority for other names than it was made for; with its issuer behind it. */
function forge(kind: keyof typeof generalName, value: Uint8Array, change: object = {}): Issued {
  const extensions = [{ oid: '2.5.29.17', value: seq(encodeDer(generalName[kind], value)) }];
  return issue({
    commonName: 'a forged one',
    key: makeP256(),
    issuer: openAuthority(),
    serial: 7,
    extensions,
    ...change,
  });
}

describe('tls init', () => {
  test('writes keys for their owner alone, and an authority without one', async () => {
    const { authority, server } = await run({ out: join(folder, 'plain') });
    expect(authority.privateKey).toBeNull();
    expect(readdirSync(join(folder, 'plain')).sort()).toEqual(['ca.pem', 'server.key', 'server.pem']);
    expect(statSync(server.privateKey).mode & 0o777).toBe(0o600);
    expect(createPrivateKey(readFileSync(server.privateKey)).asymmetricKeyDetails).toEqual({
      namedCurve: 'prime256v1',
    });
  });

  test('an authority of five years when it is kept, else of 90 days; certificates of 90 days', async () => {
    const { authority, server } = await run({ out: join(folder, 'days') });
    const days = (path: string): number[] =>
      readTlsStatus(at(Date.now() + 60_000), path).map(({ daysLeft }) => daysLeft);
    expect(days(server.certificate)).toEqual([89, 89]);
    expect(days(authority.certificate)).toEqual([89]);
    expect(days(kept.authority.certificate)).toEqual([1824]);
  });

  test('certificates say what they are for, and for whom', () => {
    const [server] = readTlsStatus(at(Date.now()), kept.server.certificate);
    expect(server.names).toBe('DNS:models.example.com, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1');
    const leaf = new X509Certificate(readFileSync(kept.server.certificate));
    expect([leaf.ca, leaf.keyUsage]).toEqual([false, ['1.3.6.1.5.5.7.3.1']]);
    const client = new X509Certificate(readFileSync(kept.clients[0].certificate));
    expect(client.subjectAltName).toBe('URI:spiffe://models.example.com/client/acme');
    expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(kept.clients.map(({ id }) => id)).toEqual([
      'spiffe://models.example.com/client/acme',
      'spiffe://models.example.com/client/globex',
    ]);
  });

  test('the kept key opens with its passphrase alone, which costs 600,000 rounds', () => {
    const pem = readFileSync(kept.authority.privateKey ?? '');
    expect(statSync(kept.authority.privateKey ?? '').mode & 0o777).toBe(0o600);
    expect(
      new X509Certificate(readFileSync(kept.authority.certificate)).checkPrivateKey(openAuthority().key.privateKey),
    ).toBe(true);
    expect(() => createPrivateKey({ key: pem, passphrase: 'another one' })).toThrow();
    // INTEGER 600,000.
    expect(Buffer.from(pem.toString().replace(/-----.*-----|\n/g, ''), 'base64').toString('hex')).toContain(
      '0203' + '0927c0',
    );
  });

  test('nothing is written over, nor half, without --force', async () => {
    const out = join(folder, 'over');
    await run({ out });
    rmSync(join(out, 'server.key'));
    const before = readFileSync(join(out, 'server.pem'));
    await expect(run({ out })).rejects.toMatchObject({ code: 'WRITE_EXISTS' });
    expect(readdirSync(out).sort()).toEqual(['ca.pem', 'server.pem']);
    expect(readFileSync(join(out, 'server.pem'))).toEqual(before);
    await run({ out, force: true });
    expect(readFileSync(join(out, 'server.pem'))).not.toEqual(before);
  });

  test.each([
    ['a wildcard', { names: ['*.example.com'] }, 'TLS_NAME_INVALID'],
    ['no name', { names: [] }, 'TLS_NAME_INVALID'],
    ['an address that is none', { names: ['1.2.3.256'] }, 'TLS_NAME_INVALID'],
    ['an address with a zone', { names: ['fe80::1%eth0'] }, 'TLS_NAME_INVALID'],
    ['a name with a space', { names: ['a b'] }, 'TLS_NAME_INVALID'],
    ['too many names', { names: Array.from({ length: 33 }, (_, n) => `n${n}`) }, 'TLS_NAME_INVALID'],
    ['an address as trust domain', { trustDomain: '127.0.0.1' }, 'TLS_NAME_INVALID'],
    ['a client that leaves its folder', { clients: ['../x'] }, 'TLS_CLIENT_INVALID'],
    ['a client twice', { clients: ['a', 'A'] }, 'TLS_CLIENT_INVALID'],
    ['a short passphrase', { passphrase: utf8('eleven char') }, 'TLS_PASSPHRASE_SHORT'],
  ])('%s is refused, and nothing written', async (_name, change, code) => {
    const out = join(folder, 'refused');
    const error = await run({ out, ...change }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ModelwardError);
    expect((error as ModelwardError).code).toBe(code);
    expect(readdirSync(folder)).not.toContain('refused');
  });
});

describe('tls status', () => {
  test.each([
    [0, 'valid'],
    [68, 'valid'],
    [70, 'renew'],
    [91, 'expired'],
    [-1, 'not-yet-valid'],
  ])('after %i days: %s', (days, state) => {
    const [server] = readTlsStatus(at(Date.now() + days * DAY_MS), kept.server.certificate);
    expect(server.state).toBe(state);
  });

  test('a file without certificates has a code', () => {
    expect(() => readTlsStatus(at(0), kept.server.privateKey)).toThrow(
      expect.objectContaining({ code: 'TLS_CERTIFICATE_MALFORMED' }),
    );
  });
});

describeWithProgram('OpenSSL', 'openssl', ['version'], () => {
  /** What `openssl verify` says of a certificate under the authority. */
  const verify = (path: string, ...more: string[]): string => {
    const args = ['verify', '-CAfile', kept.authority.certificate, ...more, path];
    const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
    return status === 0 ? 'OK' : (/error \d+ at \d+ depth lookup: (.*)/.exec(stdout + stderr)?.[1] ?? stderr);
  };
  const verifyPem = (pem: string, ...more: string[]): string => {
    const path = join(folder, 'suspect.pem');
    writeFileSync(path, pem);
    return verify(path, ...more);
  };

  test('verifies the server and the clients, each for its purpose alone', () => {
    expect(verify(kept.server.certificate, '-purpose', 'sslserver', '-verify_hostname', 'models.example.com')).toBe(
      'OK',
    );
    expect(verify(kept.server.certificate, '-purpose', 'sslserver', '-verify_ip', '2001:db8::1')).toBe('OK');
    expect(verify(kept.clients[0].certificate, '-x509_strict', '-purpose', 'sslclient')).toBe('OK');
    expect(verify(kept.server.certificate, '-purpose', 'sslclient')).not.toBe('OK');
    expect(verify(kept.clients[0].certificate, '-purpose', 'sslserver')).not.toBe('OK');
  });

  test.each([
    ['another name', 'dns', utf8('www.bank.example')],
    ['a name above', 'dns', utf8('example.com')],
    ['a name beside', 'dns', utf8('evilmodels.example.com')],
    ['another address', 'ip', Uint8Array.of(192, 0, 2, 1)],
    ['another address of IPv6', 'ip', new Uint8Array(16)],
    ['a SPIFFE id of another trust domain', 'uri', utf8('spiffe://bank.example/client/acme')],
  ] as const)('refuses what the authority signs for %s: a name constraint', (_name, kind, value) => {
    expect(verifyPem(forge(kind, value).pem)).toMatch(/permitted subtree violation|excluded subtree violation/);
  });

  test.each([
    ['a name', 'dns', utf8('models.example.com')],
    ['an address', 'ip', Uint8Array.of(127, 0, 0, 1)],
    ['a SPIFFE id', 'uri', utf8('spiffe://models.example.com/x')],
  ] as const)('takes what it signs for %s that it may, so that the refusals are for the names', (_name, kind, value) => {
    expect(verifyPem(forge(kind, value).pem)).toBe('OK');
  });

  test('refuses an authority below it', () => {
    const below = issue({
      commonName: 'below',
      key: makeP256(),
      issuer: openAuthority(),
      serial: 8,
      isAuthority: true,
    });
    const extensions = [{ oid: '2.5.29.17', value: seq(encodeDer(generalName.dns, utf8('models.example.com'))) }];
    const leaf = issue({ commonName: 'leaf', key: makeP256(), issuer: below, serial: 9, extensions });
    const path = join(folder, 'below.pem');
    writeFileSync(path, below.pem);
    expect(verifyPem(leaf.pem, '-untrusted', path)).toBe('path length constraint exceeded');
  });

  test('where only names are given, addresses are closed, and the other way round', async () => {
    const only = await run({ out: join(folder, 'only'), names: ['127.0.0.1'] });
    const text = execFileSync('openssl', ['x509', '-in', only.authority.certificate, '-noout', '-text'], {
      encoding: 'utf8',
    });
    expect(text).toMatch(
      /Name Constraints: critical\s+Permitted:\s+IP:127\.0\.0\.1\/255\.255\.255\.255[^]*Excluded:\s+DNS:\s*\n/,
    );
    const named = await run({ out: join(folder, 'named'), names: ['localhost'] });
    const words = execFileSync('openssl', ['x509', '-in', named.authority.certificate, '-noout', '-text'], {
      encoding: 'utf8',
    });
    expect(words).toMatch(/Excluded:\s+IP:0\.0\.0\.0\/0\.0\.0\.0\s+IP:0:0:0:0:0:0:0:0\/0:0:0:0:0:0:0:0/);
    expect(words).toMatch(/CA:TRUE, pathlen:0/);
  });
});

describe('Node’s own TLS', () => {
  /** What a client says that trusts the authority. */
  async function dial(cert: string | Buffer, key: string | Buffer): Promise<string> {
    const server = createServer({ cert, key });
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const ca = readFileSync(kept.authority.certificate);
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', ca });
    const said = await new Promise<string>((done) => {
      socket.on('secureConnect', () => {
        done('connected');
      });
      socket.on('error', ({ message }: Error) => {
        done(message);
      });
    });
    socket.destroy();
    server.close();
    return said;
  }

  test('takes the server, and nothing else that the authority signs', async () => {
    expect(await dial(readFileSync(kept.server.certificate), readFileSync(kept.server.privateKey))).toBe('connected');
    const forged = forge('dns', utf8('www.bank.example'));
    const key = forged.key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    expect(await dial(forged.pem, key)).toBe('permitted subtree violation');
  });
});
