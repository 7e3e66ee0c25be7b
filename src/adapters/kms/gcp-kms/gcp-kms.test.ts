import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve, toOutage } from '../../../../test/endpoint-server.ts';
import { type FakeGcpKms, serveFakeGcpKms } from '../../../../test/fakes/key-services/gcp-kms.ts';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import { seededBytes } from '../../../../test/fakes/seal-kit.ts';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { makeSecretFiles } from '../../../../test/secret-files.ts';
import type { KeyProvider } from '../../../seal/ports.ts';
import type { ProviderPorts } from '../provider.ts';
import { openProvider } from './open.ts';

const secrets = makeSecretFiles();
const { folder: work, write: writeFile } = secrets;
const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(3, 32);
let made = 0;

interface Connection {
  readonly key: string;
  readonly endpoint: string;
  readonly credentialsPath?: string | null;
  readonly ports?: ProviderPorts;
}

async function connect(options: Connection): Promise<KeyProvider> {
  const { key, endpoint, credentialsPath = null, ports = fakePorts(work) } = options;
  const uri = { scheme: 'gcp-kms', key, endpoint, credentialsPath } as const;
  return (await openProvider({ uri, ports, create: false })).provider;
}

let fake: FakeGcpKms;
let credentialsPath: string;

async function connectFresh(): Promise<KeyProvider> {
  return connect({ key: fake.addKey(), endpoint: fake.url, credentialsPath });
}

beforeAll(async () => {
  fake = await serveFakeGcpKms();
  credentialsPath = writeFile(fake.keyFile);
});

afterAll(async () => {
  await fake.close();
  secrets.remove();
});

runKeyProviderContract({
  name: 'gcp-kms (fake service that wraps, and checks JWT, token and CRC-32C)',
  abilities: ['rotate', 'disable', 'outage', 'return'],
  make: async () => {
    const own = await serveFakeGcpKms();
    own.addKey();
    const path = writeFile(own.keyFile);
    // Key names differ from one provider to the next.
    for (let i = 0; i < made; i++) own.addKey();
    made++;
    const provider = await connect({ key: own.addKey(), endpoint: own.url, credentialsPath: path });
    return { provider, breakService: () => own.close(), outage: toOutage(own) };
  },
});

describe('gcp-kms', () => {
  test('one token serves many calls; a refused one is not used again', async () => {
    const provider = await connectFresh();
    const before = fake.tokens.length;
    const wrapped = await provider.wrapKey({ dek, context });
    await provider.unwrapKey({ wrapped, context });
    expect(fake.tokens.length - before).toBe(1);
    fake.revokeTokens();
    const refused = { code: 'KEY_CREDENTIALS_REFUSED' };
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject(refused);
    expect(await provider.unwrapKey({ wrapped, context })).toEqual(dek);
    expect(fake.tokens.length - before).toBe(2);
  });

  test.each([
    ['a damaged ciphertext', (reply: Record<string, unknown>) => (reply.ciphertextCrc32c = '1')],
    ['a plaintext that arrived damaged', (reply: Record<string, unknown>) => delete reply.verifiedPlaintextCrc32c],
    [
      'a context that arrived damaged',
      (reply: Record<string, unknown>) => (reply.verifiedAdditionalAuthenticatedDataCrc32c = false),
    ],
    ['another version', (reply: Record<string, unknown>) => (reply.name = `${String(reply.name)}0`)],
    ['no ciphertext', (reply: Record<string, unknown>) => delete reply.ciphertext],
  ])('a reply to encrypt with %s is not taken', async (_name, change) => {
    const provider = await connectFresh();
    fake.changeNext(() => undefined);
    fake.changeNext(change);
    await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED' });
  });

  test.each([
    ['another key', (reply: Record<string, unknown>) => (reply.plaintext = Buffer.alloc(32).toString('base64'))],
    ['a wrong checksum', (reply: Record<string, unknown>) => (reply.plaintextCrc32c = '1')],
    ['no checksum', (reply: Record<string, unknown>) => delete reply.plaintextCrc32c],
    ['no key', (reply: Record<string, unknown>) => delete reply.plaintext],
  ])('a reply to decrypt with %s is not taken', async (_name, change) => {
    const provider = await connectFresh();
    const wrapped = await provider.wrapKey({ dek, context });
    fake.changeNext(change);
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED' });
  });

  test.each([
    [403, { error: { status: 'PERMISSION_DENIED', message: 'CANARY' } }, 'KEY_REFUSED'],
    [404, { error: { status: 'NOT_FOUND', message: 'CANARY' } }, 'KEY_SERVICE_MISSING'],
    [401, { error: { status: 'UNAUTHENTICATED', message: 'CANARY' } }, 'KEY_CREDENTIALS_REFUSED'],
    [401, 'CANARY', 'KEY_CREDENTIALS_REFUSED'],
    [400, { error: { status: 'INVALID_ARGUMENT', message: 'CANARY' } }, 'KEY_REFUSED'],
    [400, { error: { status: 'FAILED_PRECONDITION', message: 'CANARY' } }, 'KEY_VERSION_GONE'],
    [429, { error: { status: 'RESOURCE_EXHAUSTED' } }, 'KEY_PROVIDER_UNAVAILABLE'],
    [503, { error: { status: 'UNAVAILABLE' } }, 'KEY_PROVIDER_UNAVAILABLE'],
    [409, { error: { status: 'ABORTED' } }, 'KEY_PROVIDER_UNAVAILABLE'],
    [400, { error: 'CANARY' }, 'KEY_SERVICE_MALFORMED'],
    [200, [], 'KEY_SERVICE_MALFORMED'],
    [200, { purpose: 'ASYMMETRIC_SIGN' }, 'KEY_SERVICE_UNFIT'],
    [200, { purpose: 'ENCRYPT_DECRYPT', primary: { name: 'projects/CANARY' } }, 'KEY_SERVICE_MALFORMED'],
  ])('status %i with %j is %s', async (status, body, code) => {
    const provider = await connectFresh();
    fake.failNext({ status, body });
    const error: unknown = await provider.wrapKey({ dek, context }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('how long to wait is told on', async () => {
    const provider = await connectFresh();
    fake.failNext({ status: 429, body: {}, retryAfter: '7' });
    const slow = { code: 'KEY_PROVIDER_UNAVAILABLE', fields: { status: 429, retryAfterMs: 7000 } };
    await expect(provider.describe()).rejects.toMatchObject(slow);
  });

  test('all versions are described over several pages, in order', async () => {
    const provider = await connectFresh();
    for (let i = 0; i < 4; i++) await provider.rotate?.();
    await provider.disableVersion?.('2');
    const { versions, currentVersion } = await provider.describe();
    expect(currentVersion).toBe('5');
    expect(versions.map(({ version, state }) => `${version} ${state}`)).toEqual([
      '1 enabled',
      '2 disabled',
      '3 enabled',
      '4 enabled',
      '5 enabled',
    ]);
    expect(versions[0].createdAt).toBe('2026-01-01T00:00:00.123Z');
  });
});

describe('credentials of Google Cloud', () => {
  const wrapWith = async (path: string | null, ports?: ProviderPorts): Promise<unknown> => {
    const more = ports === undefined ? {} : { ports };
    const provider = await connect({ key: fake.addKey(), endpoint: fake.url, credentialsPath: path, ...more });
    return provider.wrapKey({ dek, context }).catch((reason: unknown) => reason);
  };

  test.each([
    ['no JSON', 'CANARY'],
    ['another type', '{"type":"external_account","CANARY":1}'],
    ['no key in it', '{"type":"service_account","client_email":"CANARY","private_key":"CANARY"}'],
  ])('%s is malformed, and nothing of it is repeated', async (_name, text) => {
    const error = await wrapWith(writeFile(text));
    expect(error).toMatchObject({ code: 'KEY_CREDENTIALS_INVALID' });
    expect(`${String(error)}${String((error as Error).cause)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('a token is asked for at Google or on this machine only', async () => {
    for (const token_uri of [
      'https://example.org/token',
      'http://example.org/token',
      'https://googleapis.com.evil.org/',
    ]) {
      const file = { ...(JSON.parse(fake.keyFile) as object), token_uri };
      expect(await wrapWith(writeFile(JSON.stringify(file)))).toMatchObject({ code: 'KEY_CREDENTIALS_INVALID' });
    }
  });

  test('a file that others can read, or that is not there', async () => {
    expect(await wrapWith(writeFile(fake.keyFile, 0o644))).toMatchObject({ code: 'KEY_CREDENTIALS_UNSAFE' });
    expect(await wrapWith(join(work, 'none'))).toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
  });

  test('they are found where the tools of Google find them', async () => {
    const env = { GOOGLE_APPLICATION_CREDENTIALS: credentialsPath };
    expect(await wrapWith(null, fakePorts(work, { env }))).toMatchObject({ type: 'gcp-kms' });
    const home = join(work, 'home');
    mkdirSync(join(home, '.config/gcloud'), { recursive: true });
    const usual = join(home, '.config/gcloud/application_default_credentials.json');
    writeFileSync(usual, fake.keyFile, { mode: 0o600 });
    expect(await wrapWith(null, fakePorts(home))).toMatchObject({ type: 'gcp-kms' });
  });

  test('the account of the machine: by its metadata service, which must say that it is one', async () => {
    let isGoogle = true;
    const asked: unknown[] = [];
    const server = await serve(({ headers, path }, response) => {
      asked.push([headers['metadata-flavor'], path]);
      if (isGoogle) response.setHeader('metadata-flavor', 'Google');
      return { access_token: 'not-known-to-the-fake', expires_in: 3599, token_type: 'Bearer' };
    });
    const ports = fakePorts(join(work, 'nobody'), { env: { GCE_METADATA_HOST: server.url.replace('http://', '') } });
    expect(await wrapWith(null, ports)).toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED' });
    expect(asked).toEqual([['Google', '/computeMetadata/v1/instance/service-accounts/default/token']]);
    isGoogle = false;
    expect(await wrapWith(null, ports)).toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
    await server.close();
    expect(await wrapWith(null, ports)).toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
  });
});
