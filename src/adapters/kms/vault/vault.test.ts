import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeVault, serveFakeVault } from '../../../../test/fakes/key-services/vault.ts';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import { seededBytes } from '../../../../test/fakes/seal-kit.ts';
import { toOutage } from '../../../../test/endpoint-server.ts';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { makeSecretFiles } from '../../../../test/secret-files.ts';
import { hasProgram } from '../../../../test/shared-data.ts';
import type { KeyProvider, VaultUri } from '../../../seal/ports.ts';
import { openProvider } from './open.ts';

const secrets = makeSecretFiles();
const { folder: work, write: writeFile } = secrets;
const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(3, 32);
let made = 0;

async function connect(fake: FakeVault, key: string, more: Partial<VaultUri> = {}): Promise<KeyProvider> {
  const uri: VaultUri = {
    scheme: 'vault',
    mount: 'eng/transit',
    key,
    addr: fake.url,
    namespace: null,
    caPath: null,
    tokenPath: null,
    appRolePath: null,
    ...more,
  };
  return (await openProvider({ uri, ports: fakePorts(work), create: false })).provider;
}

let fake: FakeVault;
let tokenPath: string;

beforeAll(async () => {
  fake = await serveFakeVault();
  tokenPath = writeFile(`${fake.token}\n`);
});

afterAll(async () => {
  await fake.close();
  secrets.remove();
});

runKeyProviderContract({
  name: 'vault (fake transit engine that wraps with derived keys), AppRole in a namespace',
  abilities: ['rotate', 'rewrap', 'disable', 'outage', 'return'],
  make: async () => {
    const own = await serveFakeVault({ namespace: 'team/ml' });
    for (let i = 0; i < made; i++) own.addKey();
    made++;
    const appRolePath = writeFile(own.roleFile);
    const provider = await connect(own, own.addKey(), { namespace: 'team/ml', appRolePath });
    return { provider, breakService: () => own.close(), outage: toOutage(own) };
  },
});

describe('vault', () => {
  const connectFresh = (): Promise<KeyProvider> => connect(fake, fake.addKey(), { tokenPath });

  test('the wrapped key is the ciphertext of transit, whose version is read from it', async () => {
    const provider = await connectFresh();
    const before = await provider.wrapKey({ dek, context });
    expect(Buffer.from(before.wrapped).toString()).toMatch(/^vault:v1:/);
    await provider.rotate?.();
    const after = await provider.rewrapKey?.({ wrapped: before, context });
    expect(after?.keyVersion).toBe('2');
    expect(Buffer.from(after?.wrapped ?? []).toString()).toMatch(/^vault:v2:/);
  });

  test('to unwrap asks for decrypt and nothing else; to wrap looks at the key once', async () => {
    const key = fake.addKey();
    const provider = await connect(fake, key, { tokenPath });
    fake.operations.length = 0;
    const wrapped = await provider.wrapKey({ dek, context });
    await provider.wrapKey({ dek, context });
    const other = await connect(fake, key, { tokenPath });
    await other.unwrapKey({ wrapped, context });
    expect(fake.operations).toEqual(['keys', 'encrypt', 'encrypt', 'decrypt']);
  });

  test('the server may move: the key is known without its address', async () => {
    const { keyRef } = await (await connectFresh()).describe();
    expect(keyRef).toMatch(/^eng\/transit\/model-\d+$/);
  });

  test.each([
    ['is not derived: it would ignore the context', { derived: false }],
    ['is for signatures', { type: 'ed25519' }],
  ])('a key that %s is unfit before anything is wrapped', async (_name, kind) => {
    const provider = await connect(fake, fake.addKey(kind), { tokenPath });
    fake.operations.length = 0;
    await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_UNFIT' });
    expect(fake.operations).toEqual(['keys']);
  });

  test('a missing key is not made by wrapping with it', async () => {
    const provider = await connect(fake, 'no-such-key', { tokenPath });
    fake.operations.length = 0;
    await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_MISSING' });
    expect(fake.operations).toEqual(['keys']);
  });

  test('versions are disabled from the oldest on, so that none is disabled by the way', async () => {
    const provider = await connectFresh();
    const first = await provider.wrapKey({ dek, context });
    await provider.rotate?.();
    await provider.rotate?.();
    await expect(provider.disableVersion?.('2')).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    expect(await provider.unwrapKey({ wrapped: first, context })).toEqual(dek);
    for (const version of ['1', '2', '1']) await provider.disableVersion?.(version);
    const { versions } = await provider.describe();
    expect(versions.map(({ version, state }) => `${version} ${state}`)).toEqual(['3 enabled']);
    expect(versions[0].createdAt).toBe('2026-09-21T14:13:23.000Z');
  });

  test.each([
    [403, { errors: ['permission denied CANARY'] }, 'KEY_REFUSED'],
    [403, { errors: ['* permission denied\n* invalid token CANARY'] }, 'KEY_CREDENTIALS_REFUSED'],
    [404, { errors: [] }, 'KEY_SERVICE_MISSING'],
    [400, { errors: ['CANARY'] }, 'KEY_REFUSED'],
    [412, { errors: ['CANARY'] }, 'KEY_PROVIDER_UNAVAILABLE'],
    [429, { errors: [] }, 'KEY_PROVIDER_UNAVAILABLE'],
    [503, { errors: ['Vault is sealed'] }, 'KEY_PROVIDER_UNAVAILABLE'],
    [307, {}, 'KEY_SERVICE_MALFORMED'],
    [400, 'CANARY', 'KEY_SERVICE_MALFORMED'],
    [200, { data: { ciphertext: 'CANARY' } }, 'KEY_SERVICE_MALFORMED'],
  ])('status %i with %j is %s', async (status, body, code) => {
    const provider = await connectFresh();
    await provider.wrapKey({ dek, context });
    fake.failNext({ status, body });
    const error: unknown = await provider.wrapKey({ dek, context }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });
});

describe('tokens of Vault', () => {
  const wrapWith = async (more: Partial<VaultUri>): Promise<unknown> => {
    const provider = await connect(fake, fake.addKey(), more);
    return provider.wrapKey({ dek, context }).catch((reason: unknown) => reason);
  };

  test('without a file named, the one that the tools of Vault write', async () => {
    expect(await wrapWith({})).toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
    writeFileSync(join(work, '.vault-token'), fake.token, { mode: 0o600 });
    expect(await wrapWith({})).toMatchObject({ type: 'vault' });
    rmSync(join(work, '.vault-token'));
  });

  test.each([
    ['a line end', 'hvs.CANARY\nx: y'],
    ['nothing', ''],
  ])('a token with %s in it goes into no header', async (_name, text) => {
    const error = await wrapWith({ tokenPath: writeFile(text) });
    expect(error).toMatchObject({ code: 'KEY_CREDENTIALS_INVALID' });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('files that others can read are refused', async () => {
    const unsafe = { code: 'KEY_CREDENTIALS_UNSAFE' };
    expect(await wrapWith({ tokenPath: writeFile(fake.token, 0o640) })).toMatchObject(unsafe);
    expect(await wrapWith({ appRolePath: writeFile(fake.roleFile, 0o604) })).toMatchObject(unsafe);
  });

  test('a wrong secret is refused, a malformed file is said to be one; neither is repeated', async () => {
    const wrong = JSON.stringify({ role_id: 'role-1', secret_id: 'CANARY' });
    for (const [text, code] of [
      [wrong, 'KEY_CREDENTIALS_REFUSED'],
      ['{"role_id":"CANARY"}', 'KEY_CREDENTIALS_INVALID'],
      ['CANARY', 'KEY_CREDENTIALS_INVALID'],
    ] as const) {
      const error = await wrapWith({ appRolePath: writeFile(text) });
      expect(error).toMatchObject({ code });
      expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
    }
  });

  test('one login serves many calls; when its lease ended, the next call logs in again', async () => {
    const provider = await connect(fake, fake.addKey(), { appRolePath: writeFile(fake.roleFile) });
    const before = fake.logins.length;
    const wrapped = await provider.wrapKey({ dek, context });
    await provider.unwrapKey({ wrapped, context });
    expect(fake.logins.length - before).toBe(1);
    fake.endLeases();
    const refused = { code: 'KEY_CREDENTIALS_REFUSED' };
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject(refused);
    expect(await provider.unwrapKey({ wrapped, context })).toEqual(dek);
  });
});

describe.skipIf(!hasProgram('openssl', ['version']))('the certificate of Vault [needs openssl]', () => {
  test('is refused until its authority is named, whatever the environment says', async () => {
    const [key, cert] = [join(work, 'key.pem'), join(work, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', [...made, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    const own = await serveFakeVault({ tls: { key: readFileSync(key), cert: readFileSync(cert) } });
    const name = own.addKey();
    const path = writeFile(own.token);
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const provider = await connect(own, name, { tokenPath: path });
      await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_UNTRUSTED' });
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
    const trusted = await connect(own, name, { tokenPath: path, caPath: cert });
    expect(await trusted.wrapKey({ dek, context })).toMatchObject({ keyVersion: '1' });
    const missing = connect(own, name, { tokenPath: path, caPath: join(work, 'none') });
    await expect(missing).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
    await trusted.close?.();
    await own.close();
  });
});
