/** AWS KMS against moto, another implementation of its API: real requests, real encryption, signatures checked by botocore. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openProvider } from '../../src/adapters/kms/aws-kms/index.ts';
import type { KeyProvider } from '../../src/seal/ports.ts';
import { fakePorts } from '../fakes/provider-ports.ts';
import { seededBytes } from '../fakes/seal-kit.ts';
import { runKeyProviderContract } from '../key-provider-contract.ts';
import { hasMoto, type Moto, startMoto } from '../moto.ts';
import { describeWhere } from '../shared-data.ts';

const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const dek = seededBytes(3, 32);
const region = 'eu-west-1';

interface Credentials {
  readonly id: string;
  readonly secret: string;
}

const ANYBODY: Credentials = { id: 'AKIAANYBODY', secret: 'anything' };

/** A call by plain fetch, for what the provider itself does not do: making keys, aliases and users. */
async function call(url: string, action: string, body: unknown): Promise<Record<string, never>> {
  const scope = `${ANYBODY.id}/20260102/${region}/kms/aws4_request`;
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `TrentService.${action}`,
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=00`,
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`internal error: moto answers ${response.status} to ${action}`);
  const text = await response.text();
  return (text === '' ? {} : JSON.parse(text)) as Record<string, never>;
}

async function makeKey(url: string): Promise<{ readonly Arn: string; readonly KeyId: string }> {
  return (await call(url, 'CreateKey', { KeyUsage: 'ENCRYPT_DECRYPT' })).KeyMetadata;
}

async function connect(
  url: string,
  key: string,
  { id, secret }: Credentials = ANYBODY,
  also: readonly string[] = [],
): Promise<KeyProvider> {
  const env = { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret };
  const uri = { scheme: 'aws-kms', key, also, region, endpoint: url, profile: null } as const;
  return (await openProvider({ uri, ports: fakePorts(tmpdir(), { env }), create: false })).provider;
}

describeWhere(hasMoto, 'AWS KMS against moto', 'moto in test/oracles/.venv', () => {
  let moto: Moto;
  let made = 0;

  beforeAll(async () => {
    moto = await startMoto();
  });

  afterAll(async () => {
    await moto.stop();
  });

  runKeyProviderContract({
    name: 'aws-kms, an alias',
    abilities: ['rotate', 'rewrap'],
    alterations: 16,
    make: async () => {
      const alias = `alias/model-${++made}`;
      const first = await makeKey(moto.url);
      await call(moto.url, 'CreateAlias', { AliasName: alias, TargetKeyId: first.KeyId });
      const provider = await connect(moto.url, alias, ANYBODY, [first.KeyId]);
      const rotateOutside = async (): Promise<void> => {
        const { KeyId } = await makeKey(moto.url);
        await call(moto.url, 'UpdateAlias', { AliasName: alias, TargetKeyId: KeyId });
      };
      // moto decrypts with disabled keys: what AWS does is tested with the fake.
      const able: { -readonly [K in keyof KeyProvider]: KeyProvider[K] } = { ...provider };
      delete able.disableVersion;
      return { provider: able, rotateOutside };
    },
  });

  test('to disable a version of an alias disables the key that it led to', async () => {
    const [old, next] = [await makeKey(moto.url), await makeKey(moto.url)];
    await call(moto.url, 'CreateAlias', { AliasName: 'alias/moving', TargetKeyId: old.KeyId });
    const provider = await connect(moto.url, 'alias/moving', ANYBODY, [old.KeyId]);
    const { keyVersion } = await provider.wrapKey({ dek, context });
    await call(moto.url, 'UpdateAlias', { AliasName: 'alias/moving', TargetKeyId: next.KeyId });
    await provider.disableVersion?.(keyVersion);
    const told = await (await connect(moto.url, old.Arn)).describe();
    expect(told.versions[0]).toMatchObject({ state: 'disabled' });
  });

  test('moto checks the signature: a user with a key and a right is let in, another secret is not', async () => {
    const own = await startMoto(5);
    const user = new URLSearchParams({ Version: '2010-05-08', UserName: 'opener' });
    const iam = async (action: string, more: Record<string, string> = {}): Promise<string> => {
      const body = new URLSearchParams({ Action: action, ...Object.fromEntries(user), ...more });
      const scope = `${ANYBODY.id}/20260102/us-east-1/iam/aws4_request`;
      const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=00`;
      return (await fetch(own.url, { method: 'POST', headers: { authorization }, body })).text();
    };
    await iam('CreateUser');
    const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'kms:*', Resource: '*' }] };
    await iam('PutUserPolicy', { PolicyName: 'kms', PolicyDocument: JSON.stringify(policy) });
    const made = await iam('CreateAccessKey');
    const read = (name: string): string => new RegExp(`<${name}>([^<]+)<`).exec(made)?.[1] ?? '';
    const { Arn } = await makeKey(own.url);
    const good = { id: read('AccessKeyId'), secret: read('SecretAccessKey') };
    // The fifth and last call that nobody checks.
    await call(own.url, 'DescribeKey', { KeyId: Arn });
    const provider = await connect(own.url, Arn, good);
    const wrapped = await provider.wrapKey({ dek, context });
    expect(await provider.unwrapKey({ wrapped, context })).toEqual(dek);
    for (const bad of [{ ...good, secret: `${good.secret}x` }, ANYBODY]) {
      const refused = (await connect(own.url, Arn, bad)).unwrapKey({ wrapped, context });
      await expect(refused).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED' });
    }
    await own.stop();
  });

  test('a key by its ARN and by its id is one key, and rotates', async () => {
    const { Arn, KeyId } = await makeKey(moto.url);
    const byArn = await connect(moto.url, Arn);
    const byId = await connect(moto.url, KeyId);
    const wrapped = await byArn.wrapKey({ dek, context });
    expect(await byId.unwrapKey({ wrapped, context })).toEqual(dek);
    expect(await byId.rotate?.()).toBe('2');
    const { versions } = await byArn.describe();
    expect(versions.map(({ version, state }) => [version, state])).toEqual([
      ['1', 'enabled'],
      ['2', 'enabled'],
    ]);
  });

  test('out of reach is an outage', async () => {
    const own = await startMoto();
    const { Arn } = await makeKey(own.url);
    const provider = await connect(own.url, Arn);
    const wrapped = await provider.wrapKey({ dek, context });
    await own.stop();
    const outage = { code: 'KEY_PROVIDER_UNAVAILABLE' };
    await expect(provider.unwrapKey({ wrapped, context })).rejects.toMatchObject(outage);
    await expect(provider.wrapKey({ dek, context })).rejects.toMatchObject(outage);
  });

  test('credentials by web identity, from STS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-sts-'));
    writeFileSync(join(folder, 'token'), 'header.claims.signature\n');
    const { Arn } = await makeKey(moto.url);
    const env = {
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/model-opener',
      AWS_ENDPOINT_URL_STS: moto.url,
    };
    const uri = { scheme: 'aws-kms', key: Arn, also: [], region, endpoint: moto.url, profile: null } as const;
    const { provider } = await openProvider({ uri, ports: fakePorts(folder, { env }), create: false });
    const wrapped = await provider.wrapKey({ dek, context });
    expect(await provider.unwrapKey({ wrapped, context })).toEqual(dek);
    rmSync(folder, { recursive: true });
  });

  test('credentials of a role that a profile names, from STS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-role-'));
    const config = join(folder, 'config');
    const role = 'role_arn=arn:aws:iam::123456789012:role/model-opener\ncredential_source=Environment';
    writeFileSync(config, `[profile opener]\n${role}\n`, { mode: 0o600 });
    const { Arn } = await makeKey(moto.url);
    const env = {
      AWS_ACCESS_KEY_ID: ANYBODY.id,
      AWS_SECRET_ACCESS_KEY: ANYBODY.secret,
      AWS_CONFIG_FILE: config,
      AWS_ENDPOINT_URL_STS: moto.url,
    };
    const uri = { scheme: 'aws-kms', key: Arn, also: [], region, endpoint: moto.url, profile: 'opener' } as const;
    const { provider } = await openProvider({ uri, ports: fakePorts(folder, { env }), create: false });
    const wrapped = await provider.wrapKey({ dek, context });
    expect(await provider.unwrapKey({ wrapped, context })).toEqual(dek);
    rmSync(folder, { recursive: true });
  });
});
