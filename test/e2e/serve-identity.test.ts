/** Who asks, beside API keys: tokens of an issuer, client certificates, callers behind a proxy; with the built command. */
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../broker/tls.ts';
import { createWorkplace, samples } from './command.ts';
import { askServing, type Asking, type Serving, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
const pem = (name: string): string => readFileSync(at(name), 'utf8');

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
let pair: Pair;
let issuerServer: Server;
let issuer: string;
let gateway: Serving;
let ca: string;

/** An issuer of tokens on this machine: discovery and keys over https, under an authority of its own. */
async function startIssuer(): Promise<void> {
  const identity = makeServerIdentity();
  writeFileSync(at('issuer-ca.pem'), identity.caPem);
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' };
  const tls = { cert: Buffer.from(identity.certificatePem), key: Buffer.from(identity.privateKeyPem) };
  issuerServer = createServer(tls, ({ url }, response) => {
    const isKeys = url === '/keys';
    response.end(JSON.stringify(isKeys ? { keys: [jwk] } : { issuer, jwks_uri: `${issuer}/keys` }));
  });
  await new Promise<void>((done) => issuerServer.listen(0, '127.0.0.1', done));
  issuer = `https://127.0.0.1:${(issuerServer.address() as AddressInfo).port}`;
}

function toConfig() {
  const grants = [{ claim: ['realm_access', 'roles'], value: 'scorer', scopes: ['infer:digits'] }];
  const rules = { audiences: ['modelward'], algorithms: ['ES256'], grants };
  return {
    listen: {
      port: 0,
      tls: {
        ...{ cert: 'tls/server.pem', key: 'tls/server.key' },
        ...{ clientCertificates: 'optional', clientAuthorities: 'tls/ca.pem' },
      },
    },
    models: [{ name: 'digits', file: 'net.onnx' }],
    limits: { failuresPerMinute: 5 },
    identity: {
      pepperFile: 'pepper.hex',
      trustedProxies: ['127.0.0.1/32'],
      tokens: [
        { ...rules, name: 'corp', issuer, authority: 'issuer-ca.pem', tenant: { claim: 'org' } },
        // Nobody listens there.
        {
          ...rules,
          name: 'gone',
          issuer: 'https://127.0.0.1:1',
          jwksUri: 'https://127.0.0.1:1/keys',
          tenant: { name: 'b' },
        },
      ],
      certificates: [{ name: 'URI:spiffe://batch.example/client/*', tenant: 'acme', scopes: ['infer:digits'] }],
      defaults: { limits: { perMinute: 6000, burst: 100 } },
    },
  };
}

beforeAll(async () => {
  pair = await generateKeyPair('ES256');
  copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
  writeFileSync(at('pepper.hex'), randomBytes(32).toString('hex'), { mode: 0o600 });
  const clients = ['--client', 'nightly', '--trust-domain', 'batch.example'];
  expect(place.run(['tls', 'init', '127.0.0.1', '--out', 'tls', ...clients]).status).toBe(0);
  const bare = ['apikey', 'create', '--tenant', 'acme', '--model', 'digits'];
  expect(place.run([...bare, '--name', 'c', '-o', 'c.json']).status).toBe(0);
  const create = [...bare, '--pepper-file', 'pepper.hex'];
  expect(place.run([...create, '--name', 'a', '-o', 'a.json']).status).toBe(0);
  expect(place.run([...create, '--name', 'b', '--network', '198.51.100.0/24', '-o', 'b.json']).status).toBe(0);
  await startIssuer();
  writeFileSync(at('gateway.json'), JSON.stringify(toConfig()));
  ca = pem('tls/ca.pem');
  gateway = await startServing({ folder: place.folder, home: place.home, args: ['gateway.json'] });
});
afterAll(async () => {
  await gateway.stop();
  issuerServer.closeAllConnections();
  issuerServer.close();
  place.remove();
});

const readKey = (name: string): string => (JSON.parse(pem(name)) as { apiKey: string }).apiKey;
const bearer = (text: string): Record<string, string> => ({ authorization: `Bearer ${text}` });
/** Each test has an address of its own, so that failures of one are not counted for another. */
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

async function outcome(headers: Record<string, string>, more: Partial<Asking> = {}): Promise<string> {
  const { status, code } = await askServing(gateway, { ca, headers, ...more });
  return code === '' ? String(status) : `${status} ${code}`;
}

function sign(claims: object, key: Pair = pair): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 300;
  const all = { iss: issuer, aud: 'modelward', sub: 'user-7', exp, org: 'acme', realm_access: { roles: ['scorer'] } };
  return new SignJWT({ ...all, ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(key.privateKey);
}

describe('callers of a gateway', () => {
  test('with a token of the issuer are let in by its rules, and others are not', async () => {
    const ask = async (claims: object, key?: Pair) =>
      outcome({ ...bearer(await sign(claims, key)), ...from('192.0.2.1') });
    expect(await ask({})).toBe('200');
    expect(await ask({ realm_access: { roles: ['reader'] } })).toBe('403 GATEWAY_NOT_ALLOWED');
    expect(await ask({ exp: 1 })).toBe('401 GATEWAY_CREDENTIAL_EXPIRED');
    expect(await ask({ aud: 'other' })).toBe('401 GATEWAY_CREDENTIAL_INVALID');
    expect(await ask({}, await generateKeyPair('ES256'))).toBe('401 GATEWAY_CREDENTIAL_INVALID');
  });

  test('of an issuer that is away are told so, while keys and other issuers are let in; the operator is told, too', async () => {
    const away = await sign({ iss: 'https://127.0.0.1:1' });
    expect(await outcome({ ...bearer(away), ...from('192.0.2.2') })).toBe('503 GATEWAY_IDENTITY_UNAVAILABLE');
    expect(await outcome({ ...bearer(readKey('a.json')), ...from('192.0.2.2') })).toBe('200');
    await until('told', () => gateway.told().includes('tokens of gone: JWKS_UNAVAILABLE'));
    expect(gateway.told()).not.toContain('tokens of corp');
  });

  test('with a client certificate that a rule knows are let in; beside a key the tenant must be the same', async () => {
    const client = { cert: pem('tls/clients/nightly.pem'), key: pem('tls/clients/nightly.key') };
    expect(await outcome(from('192.0.2.3'), { client })).toBe('200');
    expect(await outcome({ ...bearer(readKey('a.json')), ...from('192.0.2.3') }, { client })).toBe('200');
    const other = bearer(await sign({ org: 'zenith' }));
    expect(await outcome({ ...other, ...from('192.0.2.3') }, { client })).toBe('401 GATEWAY_CREDENTIAL_INVALID');
    // What a header says of a certificate is nobody's.
    const claimed = {
      'x-forwarded-client-cert': 'URI=spiffe://batch.example/client/nightly',
      'ssl-client-verify': 'SUCCESS',
    };
    expect(await outcome({ ...claimed, ...from('192.0.2.3') })).toBe('401 GATEWAY_CREDENTIAL_MISSING');
  });

  test('with a key that was made without the pepper are not known', async () => {
    expect(await outcome({ ...bearer(readKey('c.json')), ...from('192.0.2.4') })).toBe(
      '401 GATEWAY_CREDENTIAL_INVALID',
    );
  });

  test('behind the trusted proxy are known by the address that it wrote last: for networks of keys', async () => {
    const key = bearer(readKey('b.json'));
    expect(await outcome({ ...key, ...from('198.51.100.9') })).toBe('200');
    expect(await outcome({ ...key, ...from('203.0.113.9, 198.51.100.9') })).toBe('200');
    expect(await outcome({ ...key, ...from('198.51.100.9, 203.0.113.9') })).toBe('403 GATEWAY_ADDRESS_REFUSED');
    expect(await outcome(key)).toBe('403 GATEWAY_ADDRESS_REFUSED');
  });

  test('behind the trusted proxy fail each for himself: one that guesses keeps out no other', async () => {
    const guess = () => outcome({ ...bearer('x'), ...from('203.0.113.66') });
    for (let n = 0; n < 5; n += 1) expect(await guess()).toBe('401 GATEWAY_CREDENTIAL_INVALID');
    expect(await guess()).toBe('429 GATEWAY_RATE_LIMITED');
    expect(await outcome({ ...bearer(readKey('a.json')), ...from('203.0.113.67') })).toBe('200');
    expect(await outcome({ ...bearer(readKey('a.json')), ...from('203.0.113.66') })).toBe('429 GATEWAY_RATE_LIMITED');
  });

  test('follow a new configuration while it runs: all its rules, or none while an issuer that they name is away', async () => {
    const { identity, ...rest } = toConfig();
    const [corp, gone] = identity.tokens;
    const change = async (next: object, word: string): Promise<void> => {
      const seen = gateway.told().split(word).length;
      writeFileSync(at('gateway.json'), JSON.stringify({ ...rest, identity: { ...identity, ...next } }));
      gateway.child.kill('SIGHUP');
      await until(`${word}: ${gateway.told()}`, () => gateway.told().split(word).length > seen);
    };
    const reader = bearer(await sign({ realm_access: { roles: ['reader'] } }));
    const grants = [{ claim: ['realm_access', 'roles'], value: 'reader', scopes: ['infer:digits'] }];
    const client = { cert: pem('tls/clients/nightly.pem'), key: pem('tls/clients/nightly.key') };
    await change({ tokens: [{ ...corp, grants }, gone], certificates: [] }, 'config-refused: JWKS_UNAVAILABLE');
    expect(await outcome({ ...reader, ...from('192.0.2.8') })).toBe('403 GATEWAY_NOT_ALLOWED');
    expect(await outcome(from('192.0.2.8'), { client })).toBe('200');

    const asked = Array.from({ length: 8 }, () => outcome({ ...bearer(readKey('a.json')), ...from('192.0.2.8') }));
    await change({ tokens: [{ ...corp, grants }], certificates: [] }, 'configuration taken up');
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['200']));
    expect(gateway.told()).toContain('configuration taken up: identity.certificates, identity.tokens');
    expect(await outcome({ ...reader, ...from('192.0.2.8') })).toBe('200');
    expect(await outcome({ ...bearer(await sign({})), ...from('192.0.2.8') })).toBe('403 GATEWAY_NOT_ALLOWED');
    expect(await outcome(from('192.0.2.9'), { client })).not.toBe('200');

    await change({ tokens: [{ ...corp, grants }], certificates: [], trustedProxies: [] }, 'configuration taken up');
    // What a header says of the address is nobody's any more.
    expect(await outcome({ ...bearer(readKey('b.json')), ...from('198.51.100.9') })).toBe(
      '403 GATEWAY_ADDRESS_REFUSED',
    );
  });
});
