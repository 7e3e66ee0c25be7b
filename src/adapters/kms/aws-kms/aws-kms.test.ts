import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeAwsKms, serveFakeAwsKms } from '../../../../test/fakes/key-services/aws-kms.ts';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import { seededBytes } from '../../../../test/fakes/seal-kit.ts';
import { toOutage } from '../../../../test/endpoint-server.ts';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { makeSecretFiles } from '../../../../test/secret-files.ts';
import type { KeyProvider } from '../../../seal/ports.ts';
import { openProvider } from './open.ts';

const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(3, 32);

async function connect(fake: FakeAwsKms, key: string, also: readonly string[] = []): Promise<KeyProvider> {
  const { accessKeyId, secretAccessKey, sessionToken } = fake.credentials;
  const env = {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken ?? undefined,
  };
  const uri = { scheme: 'aws-kms', key, also, region: 'eu-west-1', endpoint: fake.url, profile: null } as const;
  return (await openProvider({ uri, ports: fakePorts(tmpdir(), { env }), create: false })).provider;
}

function toId(arn: string): string {
  return arn.replace(/.*\//, '');
}

let fake: FakeAwsKms;
let aliases = 0;

beforeAll(async () => {
  fake = await serveFakeAwsKms();
});

afterAll(async () => {
  await fake.close();
});

runKeyProviderContract({
  name: 'aws-kms, a key (fake service that checks signatures)',
  abilities: ['rotate', 'rewrap', 'outage', 'return'],
  make: async () => {
    const own = await serveFakeAwsKms();
    const provider = await connect(own, own.addKey());
    return { provider, breakService: () => own.close(), outage: toOutage(own) };
  },
});

runKeyProviderContract({
  name: 'aws-kms, an alias that is pointed at another key (fake service that checks signatures)',
  abilities: ['rotate', 'rewrap', 'disable', 'outage', 'return'],
  // A rotation of the key behind it makes a material, and those cannot be ended.
  endsInService: false,
  make: async () => {
    const own = await serveFakeAwsKms();
    const alias = `alias/model-${++aliases}`;
    const first = own.addKey();
    own.pointAlias(alias, first);
    const rotateOutside = (): Promise<void> => {
      own.pointAlias(alias, own.addKey());
      return Promise.resolve();
    };
    const provider = await connect(own, alias, [toId(first)]);
    return { provider, rotateOutside, breakService: () => own.close(), outage: toOutage(own) };
  },
});

describe('aws-kms', () => {
  test('the context is the encryption context, and the key is named on Decrypt, too', async () => {
    const arn = fake.addKey();
    const provider = await connect(fake, arn);
    fake.asked.length = 0;
    const wrapped = await provider.wrapKey({ dek, context });
    await provider.unwrapKey({ wrapped, context });
    const bodies = fake.asked.map(({ body }) => body as Record<string, unknown>);
    expect(bodies.find((body) => 'Plaintext' in body)).toMatchObject({ KeyId: arn, EncryptionContext: context });
    expect(bodies.at(-1)).toMatchObject({ KeyId: arn, EncryptionContext: context });
    expect(wrapped).toMatchObject({ type: 'aws-kms', keyRef: arn });
    expect(wrapped.keyVersion).toMatch(/^[0-9a-f]{64}$/);
  });

  test('to unwrap needs no right but Decrypt; to wrap looks at the material before and after', async () => {
    const provider = await connect(fake, fake.addKey());
    fake.actions.length = 0;
    const wrapped = await provider.wrapKey({ dek, context });
    await provider.wrapKey({ dek, context });
    await provider.unwrapKey({ wrapped, context });
    const first = ['DescribeKey', 'Encrypt', 'DescribeKey'];
    expect(fake.actions).toEqual([...first, 'Encrypt', 'DescribeKey', 'Decrypt']);
  });

  test('a rotation that comes between is noticed: the label is that of the material that wrapped', async () => {
    const arn = fake.addKey();
    const provider = await connect(fake, arn);
    const before = await provider.wrapKey({ dek, context });
    fake.rotateBehindTheBack(arn);
    const after = await provider.wrapKey({ dek, context });
    expect(after.keyVersion).not.toBe(before.keyVersion);
    expect(await provider.unwrapKey({ wrapped: after, context })).toEqual(dek);
  });

  test('all materials are described, in order, over several pages', async () => {
    const arn = fake.addKey();
    const provider = await connect(fake, arn);
    for (let i = 0; i < 4; i++) fake.rotateBehindTheBack(arn);
    const { versions, currentVersion } = await provider.describe();
    expect(versions).toHaveLength(5);
    expect(versions.at(-1)?.version).toBe(currentVersion);
    expect(versions[0].createdAt).toBe('2026-09-21T14:13:20.250Z');
  });

  test('rewrap stays inside the service: no Decrypt, no key in any body', async () => {
    const provider = await connect(fake, fake.addKey());
    const wrapped = await provider.wrapKey({ dek, context });
    await provider.rotate?.();
    fake.actions.length = 0;
    fake.asked.length = 0;
    await provider.rewrapKey?.({ wrapped, context });
    expect(fake.actions).not.toContain('Decrypt');
    expect(JSON.stringify(fake.asked)).not.toContain(Buffer.from(dek).toString('base64'));
  });

  test.each([
    ['NotFoundException', 'KEY_SERVICE_MISSING'],
    ['AccessDeniedException', 'KEY_REFUSED'],
    ['com.amazonaws.kms#DisabledException', 'KEY_VERSION_GONE'],
    ['KMSInvalidStateException', 'KEY_VERSION_GONE'],
    ['UnrecognizedClientException', 'KEY_CREDENTIALS_REFUSED'],
    ['InvalidSignatureException', 'KEY_CREDENTIALS_REFUSED'],
    ['ExpiredTokenException', 'KEY_CREDENTIALS_REFUSED'],
    ['ThrottlingException', 'KEY_PROVIDER_UNAVAILABLE'],
    ['ConflictException', 'KEY_PROVIDER_UNAVAILABLE'],
    ['KeyUnavailableException', 'KEY_PROVIDER_UNAVAILABLE'],
    ['UnsupportedOperationException', 'KEY_SERVICE_UNFIT'],
    ['SomethingNewException', 'KEY_REFUSED'],
  ])('%s is %s, and its message stays outside', async (type, code) => {
    const provider = await connect(fake, fake.addKey());
    fake.failNext({ status: 400, body: { __type: type, message: 'CANARY' } });
    const error: unknown = await provider.wrapKey({ dek, context }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, fields: { reason: type.replace(/.*#/, '') } });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('credentials that the service refused are read anew by the next call', async () => {
    const secrets = makeSecretFiles();
    const path = secrets.write('');
    const write = (secretKey: string): void => {
      const { accessKeyId, sessionToken } = fake.credentials;
      const lines = [`aws_access_key_id=${accessKeyId}`, `aws_secret_access_key=${secretKey}`];
      writeFileSync(path, ['[default]', ...lines, `aws_session_token=${sessionToken ?? ''}`].join('\n'));
    };
    const env = { AWS_SHARED_CREDENTIALS_FILE: path, AWS_EC2_METADATA_DISABLED: 'true' };
    const uri = {
      scheme: 'aws-kms',
      key: fake.addKey(),
      also: [],
      region: 'eu-west-1',
      endpoint: fake.url,
      profile: null,
    } as const;
    const { provider } = await openProvider({ uri, ports: fakePorts(secrets.folder, { env }), create: false });
    write('of-yesterday');
    await expect(provider.describe()).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED' });
    write(fake.credentials.secretAccessKey);
    expect(await provider.describe()).toMatchObject({ type: 'aws-kms' });
    secrets.remove();
  });

  test.each([
    [500, { __type: 'x' }, 'KEY_PROVIDER_UNAVAILABLE'],
    [503, 'busy', 'KEY_PROVIDER_UNAVAILABLE'],
    [408, 'late', 'KEY_PROVIDER_UNAVAILABLE'],
    [429, {}, 'KEY_PROVIDER_UNAVAILABLE'],
    [302, {}, 'KEY_SERVICE_MALFORMED'],
    [400, {}, 'KEY_SERVICE_MALFORMED'],
    [400, { __type: 'CANARY\ninjected' }, 'KEY_SERVICE_MALFORMED'],
    [200, {}, 'KEY_SERVICE_MALFORMED'],
    [200, { KeyMetadata: { Arn: 1 } }, 'KEY_SERVICE_MALFORMED'],
  ])('status %i with %j is %s', async (status, body, code) => {
    const provider = await connect(fake, fake.addKey());
    fake.failNext({ status, body });
    await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject({ code });
  });

  test.each([
    ['no key in it', { KeyId: 'x' }],
    ['two of them', { Plaintext: 'AAAA', more: { Plaintext: 'AAAA' } }],
    ['a broken one', { Plaintext: 'A' }],
  ])('a reply of Decrypt with %s is malformed', async (_name, body) => {
    const provider = await connect(fake, fake.addKey());
    const wrapped = await provider.wrapKey({ dek, context });
    fake.failNext({ status: 200, body });
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED' });
  });

  test('a key for signing is unfit, and said to be so before anything is wrapped', async () => {
    const provider = await connect(fake, fake.addKey('GENERATE_VERIFY_MAC'));
    await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject({ code: 'KEY_SERVICE_UNFIT' });
  });

  test('who writes an envelope does not choose the key: an alias opens with its own, and with those that were named', async () => {
    const [release, other] = [fake.addKey(), fake.addKey()];
    fake.pointAlias('alias/release', release);
    const owner = await connect(fake, 'alias/release');
    const own = await owner.wrapKey({ dek, context });
    const foreign = await (await connect(fake, other)).wrapKey({ dek, context });
    const forged = { ...own, keyVersion: `${toId(other)}/${foreign.keyVersion}`, wrapped: foreign.wrapped };
    const refused = { code: 'KEY_REFUSED', message: expect.stringContaining('also=KEYID') as string };
    await expect(owner.unwrapKey({ wrapped: forged, context })).rejects.toMatchObject(refused);
    await expect(owner.rewrapKey?.({ wrapped: forged, context })).rejects.toMatchObject(refused);
    const mislabelled = { ...own, keyVersion: forged.keyVersion };
    await expect(owner.unwrapKey({ wrapped: mislabelled, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    await expect(owner.rewrapKey?.({ wrapped: mislabelled, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    expect(await owner.unwrapKey({ wrapped: own, context })).toEqual(dek);
    const named = await connect(fake, 'alias/release', [toId(other)]);
    expect(await named.unwrapKey({ wrapped: forged, context })).toEqual(dek);
  });

  test('an alias that was pointed elsewhere: its earlier key is moved from, described and disabled when it is named', async () => {
    const [first, second] = [fake.addKey(), fake.addKey()];
    fake.pointAlias('alias/moved', first);
    const before = await connect(fake, 'alias/moved');
    const wrapped = await before.wrapKey({ dek, context });
    fake.pointAlias('alias/moved', second);
    fake.rotateBehindTheBack(second);
    await expect(before.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    expect('disableVersion' in before).toBe(false);
    expect((await before.describe()).standing).toContain('also=KEYID');
    const named = await connect(fake, 'alias/moved', [toId(first)]);
    const moved = await named.rewrapKey?.({ wrapped, context });
    const { currentVersion, versions } = await named.describe();
    expect(moved?.keyVersion).toBe(currentVersion);
    expect(versions.map(({ version }) => version)).toEqual([wrapped.keyVersion, currentVersion]);
    await named.disableVersion?.(wrapped.keyVersion);
    expect((await named.describe()).versions.map(({ state }) => state)).toEqual(['disabled', 'enabled']);
    const stranger = `${toId(fake.addKey())}/${'ab'.repeat(32)}`;
    await expect(named.disableVersion?.(stranger)).rejects.toMatchObject({ code: 'KEY_VERSION_GONE' });
  });

  test('a replica of a multi-Region key is the same key', async () => {
    const here = 'arn:aws:kms:eu-west-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef';
    const provider = await connect(fake, here);
    const wrapped = {
      type: 'aws-kms',
      keyRef: here.replace('eu-west-1', 'us-east-1'),
      keyVersion: 'ab'.repeat(32),
      wrapped: Uint8Array.of(1),
    };
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_VERSION_GONE' });
    const other = { ...wrapped, keyRef: wrapped.keyRef.replace('111122223333', '999922223333') };
    expect(await provider.unwrapKey({ wrapped: other, context })).toBeNull();
  });
});
