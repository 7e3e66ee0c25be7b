import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve, toOutage } from '../../../../test/endpoint-server.ts';
import { type FakeAzureKv, serveFakeAzureKv } from '../../../../test/fakes/key-services/azure-kv.ts';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import { seededBytes } from '../../../../test/fakes/seal-kit.ts';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { makeSecretFiles } from '../../../../test/secret-files.ts';
import type { KeyProvider } from '../../../seal/ports.ts';
import type { ProviderPorts } from '../provider.ts';
import { createAzureTokens } from './credentials.ts';
import { openProvider } from './open.ts';

const secrets = makeSecretFiles();
const { folder: work, write: writeFile } = secrets;
const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(3, 32);

interface Connection {
  readonly key: string;
  readonly credentialsPath?: string | null;
  readonly ports?: ProviderPorts;
}

async function connect(fake: FakeAzureKv, options: Connection): Promise<KeyProvider> {
  const { key, credentialsPath = null, ports = fakePorts(work) } = options;
  const uri = { scheme: 'azure-kv', vault: fake.url, key, credentialsPath, login: fake.url } as const;
  return (await openProvider({ uri, ports, create: false })).provider;
}

let fake: FakeAzureKv;
let credentialsPath: string;

beforeAll(async () => {
  fake = await serveFakeAzureKv();
  credentialsPath = writeFile(fake.credentialsFile);
});

afterAll(async () => {
  await fake.close();
  secrets.remove();
});

for (const [kty, name] of [
  ['RSA', 'RSA-OAEP-256'],
  ['oct-HSM', 'A256KW'],
] as const) {
  runKeyProviderContract({
    name: `azure-kv (fake vault that wraps with ${name}, and checks token and api-version)`,
    abilities: ['rotate', 'disable', 'outage', 'return'],
    alterations: 100,
    make: async () => {
      const own = await serveFakeAzureKv();
      const path = writeFile(own.credentialsFile);
      const provider = await connect(own, { key: own.addKey(kty), credentialsPath: path });
      return { provider, breakService: () => own.close(), outage: toOutage(own) };
    },
  });
}

describe('azure-kv', () => {
  const connectFresh = (): Promise<KeyProvider> => connect(fake, { key: fake.addKey(), credentialsPath });

  test('the service sees a one-time key only, another one each time; never the data key', async () => {
    const provider = await connectFresh();
    fake.asked.length = 0;
    const wrapped = await provider.wrapKey({ dek, context });
    await provider.wrapKey({ dek, context });
    await provider.unwrapKey({ wrapped, context });
    expect(JSON.stringify(fake.asked)).not.toContain(Buffer.from(dek).toString('base64url'));
    const values = fake.asked
      .filter(({ path }) => path.includes('/wrapkey'))
      .map(({ body }) => (body as { value: string }).value);
    expect(new Set(values).size).toBe(2);
    expect(values.map((value) => Buffer.from(value, 'base64url').length)).toEqual([32, 32]);
  });

  test('the layout of the wrapped bytes: algorithm, length, what the service wrapped, IV, key, tag', async () => {
    const { wrapped } = await (await connectFresh()).wrapKey({ dek, context });
    expect([...wrapped.subarray(0, 3)]).toEqual([1, 1, 0]);
    expect(wrapped.length).toBe(3 + 256 + 12 + 32 + 16);
  });

  test('a key on a curve is unfit', async () => {
    const provider = await connect(fake, { key: fake.addKey('EC'), credentialsPath });
    await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_UNFIT' });
  });

  test.each([
    ['of another vault', 'https://evil.vault.azure.net/keys/model-1/0123456789abcdef0123456789abcdef'],
    ['without a version', 'x'],
  ])('a reply about a key %s is not taken', async (_name, kid) => {
    const provider = await connectFresh();
    const wrapped = await provider.wrapKey({ dek, context });
    fake.changeNext((reply) => (reply.kid = kid));
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED' });
  });

  test('the case of letters makes no other key: one name, which opens under every spelling', async () => {
    const key = fake.addKey();
    const [lower, upper] = [
      await connect(fake, { key, credentialsPath }),
      await connect(fake, { key: key.toUpperCase(), credentialsPath }),
    ];
    const wrapped = await upper.wrapKey({ dek, context });
    expect(wrapped.keyRef).toBe((await lower.describe()).keyRef);
    expect(await lower.unwrapKey({ wrapped, context })).toEqual(dek);
    const renamed = { ...wrapped, keyRef: wrapped.keyRef.replace(key, key.toUpperCase()) };
    await expect(lower.unwrapKey({ wrapped: renamed, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
  });

  test('a one-time key of another length opens nothing', async () => {
    const provider = await connectFresh();
    const wrapped = await provider.wrapKey({ dek, context });
    fake.changeNext((reply) => (reply.value = 'AAAA'));
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
  });

  test('the next page is asked of the same vault only', async () => {
    const provider = await connectFresh();
    for (let i = 0; i < 4; i++) await provider.rotate?.();
    const { versions, currentVersion } = await provider.describe();
    expect(versions).toHaveLength(5);
    expect(versions.at(-1)?.version).toBe(currentVersion);
    expect(versions[0].createdAt).toBe('2026-09-21T14:13:20.000Z');
    fake.changeNext(() => undefined);
    fake.changeNext((reply) => (reply.nextLink = 'https://evil.example.org/keys'));
    await expect(provider.describe()).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED' });
  });

  test.each([
    [403, { error: { code: 'Forbidden', message: 'CANARY', innererror: { code: 'AccessDenied' } } }, 'KEY_REFUSED'],
    [403, { error: { code: 'Forbidden', innererror: { code: 'KeyExpired' } } }, 'KEY_VERSION_GONE'],
    [404, { error: { code: 'KeyNotFound', message: 'CANARY' } }, 'KEY_SERVICE_MISSING'],
    [401, 'CANARY', 'KEY_CREDENTIALS_REFUSED'],
    [409, { error: { code: 'Conflict' } }, 'KEY_PROVIDER_UNAVAILABLE'],
    [429, { error: { code: 'Throttled' } }, 'KEY_PROVIDER_UNAVAILABLE'],
    [503, {}, 'KEY_PROVIDER_UNAVAILABLE'],
    [400, { error: { code: 'CANARY is no code' } }, 'KEY_SERVICE_MALFORMED'],
    [200, { key: {} }, 'KEY_SERVICE_MALFORMED'],
  ])('status %i with %j is %s', async (status, body, code) => {
    const provider = await connectFresh();
    fake.failNext({ status, body });
    const error: unknown = await provider.wrapKey({ dek, context }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('one token serves many calls; a refused one is not used again', async () => {
    const provider = await connectFresh();
    const before = fake.forms.length;
    const wrapped = await provider.wrapKey({ dek, context });
    await provider.unwrapKey({ wrapped, context });
    expect(fake.forms.length - before).toBe(1);
    fake.revokeTokens();
    const refused = { code: 'KEY_CREDENTIALS_REFUSED' };
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject(refused);
    expect(await provider.unwrapKey({ wrapped, context })).toEqual(dek);
  });
});

describe('credentials of Azure', () => {
  const wrapWith = async (path: string | null, ports?: ProviderPorts): Promise<unknown> => {
    const more = ports === undefined ? {} : { ports };
    const provider = await connect(fake, { key: fake.addKey(), credentialsPath: path, ...more });
    return provider.wrapKey({ dek, context }).catch((reason: unknown) => reason);
  };

  test.each([
    ['no JSON', 'CANARY', 'KEY_CREDENTIALS_INVALID'],
    ['another member', '{"tenantId":"a","clientId":"b","clientSecret":"CANARY","x":1}', 'KEY_CREDENTIALS_INVALID'],
    [
      'a tenant that leads elsewhere',
      '{"tenantId":"../x","clientId":"b","clientSecret":"CANARY"}',
      'KEY_CREDENTIALS_INVALID',
    ],
    [
      'a wrong secret',
      '{"tenantId":"tenant-1","clientId":"client-1","clientSecret":"CANARY"}',
      'KEY_CREDENTIALS_REFUSED',
    ],
  ])('%s: nothing of it is repeated', async (_name, text, code) => {
    const error = await wrapWith(writeFile(text));
    expect(error).toMatchObject({ code });
    expect(`${String(error)}${String((error as Error).cause)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('a file that others can read, or that is not there', async () => {
    expect(await wrapWith(writeFile(fake.credentialsFile, 0o644))).toMatchObject({ code: 'KEY_CREDENTIALS_UNSAFE' });
    expect(await wrapWith(join(work, 'none'))).toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
  });

  test('the token that a cluster signs for its workload', async () => {
    const env = {
      AZURE_FEDERATED_TOKEN_FILE: writeFile('signed-by-cluster\n', 0o644),
      AZURE_TENANT_ID: 'tenant-1',
      AZURE_CLIENT_ID: 'client-1',
    };
    expect(await wrapWith(null, fakePorts(work, { env }))).toMatchObject({ type: 'azure-kv' });
    const half = fakePorts(work, { env: { ...env, AZURE_CLIENT_ID: undefined } });
    expect(await wrapWith(null, half)).toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
  });

  test('the managed identity, where the platform names its end point; it is not asked over a net', async () => {
    const asked: unknown[] = [];
    const server = await serve(({ headers, path }) => {
      asked.push([headers['x-identity-header'], new URL(path, 'http://x').searchParams.get('resource')]);
      return { access_token: 'not-known-to-the-fake', expires_on: '1800000000', token_type: 'Bearer' };
    });
    const env = { IDENTITY_ENDPOINT: `${server.url}/msi/token`, IDENTITY_HEADER: 'guid' };
    expect(await wrapWith(null, fakePorts(work, { env }))).toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED' });
    expect(asked).toEqual([['guid', 'https://vault.azure.net']]);
    await server.close();
    expect(await wrapWith(null, fakePorts(work, { env }))).toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
    const far = { ...env, IDENTITY_ENDPOINT: 'http://example.org/msi' };
    expect(await wrapWith(null, fakePorts(work, { env: far }))).toMatchObject({ code: 'KEY_CREDENTIALS_INVALID' });
  });

  test.each([
    ['https://models.vault.azure.net', 'https://vault.azure.net/.default'],
    ['https://models.managedhsm.azure.net', 'https://managedhsm.azure.net/.default'],
    ['https://models.vault.usgovcloudapi.net', 'https://vault.usgovcloudapi.net/.default'],
    ['https://models.vault.azure.cn', 'https://vault.azure.cn/.default'],
  ])('a token for %s is asked for with its own audience', async (vault, scope) => {
    const forms: string[] = [];
    const server = await serve(({ body }) => {
      forms.push(String(new URLSearchParams(String(body)).get('scope')));
      return { access_token: 'x', expires_in: 60 };
    });
    const tokens = createAzureTokens({ ports: fakePorts(work), vault, path: credentialsPath, login: server.url });
    await tokens.get();
    expect(forms).toEqual([scope]);
    await server.close();
  });
});
