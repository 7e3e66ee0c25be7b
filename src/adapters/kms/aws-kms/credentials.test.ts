import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
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
  return createAwsCredentials({ ports: fakePorts(home, { env: off }), profile, region: 'eu-west-1' }).get();
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

  test('those that were refused are looked for anew: a file may hold others meanwhile', async () => {
    const write = (id: string): void => {
      writeHome('credentials', `[default]\naws_access_key_id=${id}\naws_secret_access_key=s\n`);
    };
    const ports = fakePorts(home, { env: { AWS_EC2_METADATA_DISABLED: 'true' } });
    const { get, drop } = createAwsCredentials({ ports, profile: null, region: 'eu-west-1' });
    write('AKIAONE');
    expect(await get()).toMatchObject({ accessKeyId: 'AKIAONE' });
    write('AKIATWO');
    expect(await get()).toMatchObject({ accessKeyId: 'AKIAONE' });
    drop();
    expect(await get()).toMatchObject({ accessKeyId: 'AKIATWO' });
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
    const { get } = createAwsCredentials({ ports: fakePorts(home, { env }), profile: null, region: 'eu-west-1' });
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

/** STS and the portal of IAM Identity Center: who asked, with which signature, and for what. */
async function serveRoles(): Promise<{ env: Env; asked: URLSearchParams[]; signers: (string | undefined)[] }> {
  const asked: URLSearchParams[] = [];
  const signers: (string | undefined)[] = [];
  const Expiration = '2026-01-02T04:04:05Z';
  const server = await serve(({ headers, path, body }, response) => {
    if (path.startsWith('/federation/credentials?')) {
      asked.push(new URLSearchParams(path.split('?')[1]));
      signers.push(headers['x-amz-sso_bearer_token'] as string);
      const roleCredentials = {
        accessKeyId: 'ASIASSO',
        secretAccessKey: SECRET,
        sessionToken: 't',
        expiration: 1767326645000,
      };
      return { roleCredentials };
    }
    const form = new URLSearchParams(String(body));
    asked.push(form);
    signers.push(/Credential=(\w+)\/20260102\/eu-west-1\/sts\/aws4_request/.exec(headers.authorization ?? '')?.[1]);
    if (form.get('RoleArn')?.endsWith('/denied') === true) {
      response.statusCode = 403;
      return {};
    }
    const id = `ASIA${String(asked.length)}`;
    const members = { AccessKeyId: id, SecretAccessKey: SECRET, SessionToken: 'st', Expiration };
    response.end(
      `<R>${Object.entries(members)
        .map(([name, value]) => `<${name}>${value}</${name}>`)
        .join('')}</R>`,
    );
    return undefined;
  });
  servers.push(server);
  return { env: { AWS_ENDPOINT_URL_STS: server.url, AWS_ENDPOINT_URL_SSO: server.url }, asked, signers };
}

describe('profiles of AWS', () => {
  const arn = (name: string): string => `arn:aws:iam::123456789012:role/${name}`;
  afterEach(() => {
    rmSync(join(home, '.aws'), { recursive: true, force: true });
  });

  test('a role out of another profile, that one a role out of its own keys: each is asked for by the one before', async () => {
    const { env, asked, signers } = await serveRoles();
    writeHome('credentials', `[base]\naws_access_key_id=AKIABASE\naws_secret_access_key=${SECRET}\n`);
    writeHome(
      'config',
      `[profile base]\nrole_arn=${arn('base')}\nsource_profile=base\n[profile sealer]\nrole_arn=${arn('sealer')}\nsource_profile=base\nexternal_id=acme 7\nrole_session_name=night\nduration_seconds=900\n`,
    );
    expect(await find(env, 'sealer')).toMatchObject({ accessKeyId: 'ASIA2', sessionToken: 'st' });
    expect(signers).toEqual(['AKIABASE', 'ASIA1']);
    expect(Object.fromEntries(asked[1])).toEqual({
      ...{ Version: '2011-06-15', Action: 'AssumeRole', RoleArn: arn('sealer'), RoleSessionName: 'night' },
      ...{ ExternalId: 'acme 7', DurationSeconds: '900' },
    });
  });

  test('a role out of the environment, of a token file; one that is denied', async () => {
    const { env, asked, signers } = await serveRoles();
    writeFileSync(join(home, 'token'), 'header.claims.signature\n');
    writeHome(
      'config',
      `[profile e]\nrole_arn=${arn('e')}\ncredential_source=Environment\n[profile w]\nrole_arn=${arn('w')}\nweb_identity_token_file=${join(home, 'token')}\n[profile d]\nrole_arn=${arn('denied')}\ncredential_source=Environment\n`,
    );
    const own = { ...env, AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: SECRET };
    expect(await find(own, 'e')).toMatchObject({ accessKeyId: 'ASIA1' });
    expect(await find(own, 'w')).toMatchObject({ accessKeyId: 'ASIA2' });
    expect(signers).toEqual([KEY, undefined]);
    expect(asked[1].get('WebIdentityToken')).toBe('header.claims.signature');
    await expect(find(own, 'd')).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED', fields: { status: 403 } });
    await expect(find(env, 'e')).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
  });

  const writeSession = (name: string, text: string): void => {
    mkdirSync(join(home, '.aws/sso/cache'), { recursive: true });
    const file = `${createHash('sha1').update(name).digest('hex')}.json`;
    writeFileSync(join(home, '.aws/sso/cache', file), text, { mode: 0o600 });
  };

  test.each([
    [
      'by its name',
      '[profile p]\nsso_session=corp\nsso_account_id=1\nsso_role_name=R&x\n[sso-session corp]\nsso_region=us-east-1\nsso_start_url=https://x.example/start\n',
      'corp',
    ],
    [
      'by its start URL',
      '[profile p]\nsso_region=us-east-1\nsso_start_url=https://x.example/start\nsso_account_id=1\nsso_role_name=R&x\n',
      'https://x.example/start',
    ],
  ])('a sign-in session, known %s, is used while it lasts', async (_name, config, session) => {
    const { env, asked, signers } = await serveRoles();
    writeHome('config', config);
    await expect(find(env, 'p')).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_MISSING' });
    writeSession(session, JSON.stringify({ accessToken: 'sso-token', expiresAt: '2026-01-02T03:04:06UTC' }));
    expect(await find(env, 'p')).toMatchObject({ accessKeyId: 'ASIASSO' });
    expect(signers).toEqual(['sso-token']);
    expect(asked[0].get('role_name')).toBe('R&x');
    writeSession(session, JSON.stringify({ accessToken: 'CANARY', expiresAt: '2026-01-02T03:04:05Z' }));
    const ended = { code: 'KEY_CREDENTIALS_MISSING', fields: { reason: 'the session has ended' } };
    await expect(find(env, 'p')).rejects.toMatchObject(ended);
    writeSession(session, '{"accessToken":"CANARY');
    const error: unknown = await find(env, 'p').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'KEY_CREDENTIALS_INVALID' });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
    expect(signers).toHaveLength(1);
  });

  test.each([
    ['a second factor', `role_arn=${arn('r')}\nsource_profile=p\nmfa_serial=x`, 'mfa_serial'],
    ['a role without a source', `role_arn=${arn('r')}`, 'source_profile'],
    ['two sources', `role_arn=${arn('r')}\nsource_profile=p\ncredential_source=Environment`, 'source_profile'],
    ['an unknown source', `role_arn=${arn('r')}\ncredential_source=Elsewhere`, 'credential_source'],
    [
      'a circle',
      `role_arn=${arn('r')}\nsource_profile=q\n[profile q]\nrole_arn=${arn('q')}\nsource_profile=p`,
      'source_profile',
    ],
    [
      'a chain of five',
      `role_arn=${arn('r')}\nsource_profile=p1\n${[1, 2, 3, 4].map((at) => `[profile p${at}]\nrole_arn=${arn('r')}\nsource_profile=p${at + 1}\n`).join('')}[profile p5]\naws_access_key_id=AKIAX\naws_secret_access_key=x`,
      'source_profile',
    ],
    ['a helper program', 'credential_process=/bin/CANARY', 'credential_process'],
    ['a session of nowhere', 'sso_session=none\nsso_account_id=1\nsso_role_name=R', 'sso_region'],
  ])('%s is not followed, and the setting is named', async (_name, text, at) => {
    const { env, asked } = await serveRoles();
    writeHome('config', `[profile p]\n${text}\n`);
    const error: unknown = await find(env, 'p').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'KEY_CREDENTIALS_INVALID', fields: { at } });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
    expect(asked).toEqual([]);
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
