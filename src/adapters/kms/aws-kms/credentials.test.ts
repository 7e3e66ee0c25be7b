import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { serve, type TestServer } from '../../../../test/endpoint-server.ts';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import type { SigV4Credentials } from '../../../core/sigv4.ts';
import { createAwsCredentials } from './credentials.ts';
import { findProfile } from './ini.ts';

const home = mkdtempSync(join(tmpdir(), 'modelward-aws-'));
const servers: TestServer[] = [];

afterAll(async () => {
  for (const server of servers) await server.close();
  rmSync(home, { recursive: true });
});

type Env = Readonly<Record<string, string | undefined>>;

function find(env: Env, profile: string | null = null): Promise<SigV4Credentials> {
  const off = { AWS_EC2_METADATA_DISABLED: 'true', ...env };
  return createAwsCredentials({ ports: fakePorts(home, { env: off }), profile, region: 'eu-west-1' })();
}

function writeHome(name: string, text: string, mode = 0o600): void {
  mkdirSync(join(home, '.aws'), { recursive: true });
  writeFileSync(join(home, '.aws', name), text, { mode });
}

const KEY = 'AKIAEXAMPLE';
const SECRET = 'CANARYsecret/+=';

describe('credentials of AWS', () => {
  test('nowhere: a code of its own', async () => {
    await expect(find({})).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
  });

  test('the environment comes first, a profile that was named before it', async () => {
    writeHome('credentials', `[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key=s1\n`);
    writeHome('config', `[profile  owner ]\naws_access_key_id=AKIAOWNER\naws_secret_access_key=s2\nregion=x\n`);
    const env = { AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: SECRET, AWS_SESSION_TOKEN: 'token' };
    expect(await find(env)).toMatchObject({ accessKeyId: KEY, secretAccessKey: SECRET, sessionToken: 'token' });
    expect(await find({})).toMatchObject({ accessKeyId: 'AKIADEFAULT', sessionToken: null });
    expect(await find(env, 'owner')).toMatchObject({ accessKeyId: 'AKIAOWNER', secretAccessKey: 's2' });
    expect(await find({ AWS_PROFILE: 'owner' })).toMatchObject({ accessKeyId: 'AKIAOWNER' });
    await expect(find(env, 'nobody')).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
    rmSync(join(home, '.aws'), { recursive: true });
  });

  test('a file that others can read is refused', async () => {
    writeHome('credentials', `[default]\naws_access_key_id=${KEY}\naws_secret_access_key=${SECRET}\n`, 0o644);
    await expect(find({})).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_UNSAFE', fields: { file: 'credentials' } });
    rmSync(join(home, '.aws'), { recursive: true });
  });

  test.each([
    ['a line end in the key', { AWS_ACCESS_KEY_ID: `${KEY}\nx: y`, AWS_SECRET_ACCESS_KEY: SECRET }],
    ['a line end in the token', { AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: SECRET, AWS_SESSION_TOKEN: 'a\r\nb' }],
    ['a container on the open net', { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.org/CANARY' }],
    ['a container that is no URL', { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://[CANARY' }],
    ['an end point of STS on the open net', { AWS_ROLE_ARN: 'r', AWS_ENDPOINT_URL_STS: 'http://example.org' }],
  ])('%s is malformed, and no value is repeated', async (_name, env) => {
    writeFileSync(join(home, 'token'), 'CANARY', { mode: 0o600 });
    const error: unknown = await find({ AWS_WEB_IDENTITY_TOKEN_FILE: join(home, 'token'), ...env }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'KEY_CREDENTIALS_INVALID' });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('of a container: with its token, renewed before they end', async () => {
    let served = 0;
    const server = await serve(({ headers, path }, response) => {
      if (headers.authorization !== 'pod-token' || path !== '/v1/credentials?x=1') {
        response.statusCode = 403;
        return {};
      }
      served++;
      const minutes = served === 1 ? 4 : 60;
      const Expiration = new Date(Date.parse('2026-01-02T03:04:05.678Z') + minutes * 60_000).toISOString();
      return { AccessKeyId: `${KEY}${served}`, SecretAccessKey: SECRET, Token: 't', Expiration };
    });
    servers.push(server);
    writeFileSync(join(home, 'pod'), 'pod-token\n');
    const env = {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/v1/credentials?x=1`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(home, 'pod'),
    };
    const get = createAwsCredentials({ ports: fakePorts(home, { env }), profile: null, region: 'eu-west-1' });
    expect(await get()).toMatchObject({ accessKeyId: `${KEY}1` });
    const several = await Promise.all([get(), get(), get()]);
    expect(several.map(({ accessKeyId }) => accessKeyId)).toEqual([`${KEY}2`, `${KEY}2`, `${KEY}2`]);
    expect(await get()).toMatchObject({ accessKeyId: `${KEY}2` });
    const refused = find({ ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: undefined });
    await expect(refused).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED', fields: { status: 403 } });
  });

  test('a reply of STS that is not as it should be is malformed', async () => {
    const server = await serve((_asked, response) => {
      response.end('<R><AccessKeyId>AKIA1</AccessKeyId><AccessKeyId>AKIA2</AccessKeyId></R>');
      return undefined;
    });
    servers.push(server);
    writeFileSync(join(home, 'token'), 'CANARY');
    const env = {
      AWS_WEB_IDENTITY_TOKEN_FILE: join(home, 'token'),
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/r',
      AWS_ENDPOINT_URL_STS: server.url,
    };
    await expect(find(env)).rejects.toMatchObject({ code: 'KEY_SERVICE_MALFORMED' });
    const [{ body }] = server.asked;
    expect(String(body)).toContain('Action=AssumeRoleWithWebIdentity');
  });
});

describe('shared configuration files', () => {
  test.each([
    ['[default]\na=1', 'default', { a: '1' }],
    [
      '# [x]\n[ profile  y ]  ; note\r\nA = b = c \r\nnested =\n  s3 = 1\n[z]\na=2',
      'profile y',
      { a: 'b = c', nested: '' },
    ],
    ['[a]\nk=1\n[b]\nk=2\n[a]\nl=3', 'a', { k: '1', l: '3' }],
    ['k=1', 'default', undefined],
  ])('%j, section %s', (text, section, values) => {
    expect(findProfile(text, section)).toEqual(values);
  });
});
