import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Asked, serve, type TestServer } from '../../../../test/endpoint-server.ts';
import { serveFakeGcpKms } from '../../../../test/fakes/key-services/gcp-kms.ts';
import { makeSecretFiles } from '../../../../test/secret-files.ts';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import { createGcpTokens } from './credentials.ts';
import { openProvider } from './open.ts';

const secrets = makeSecretFiles();
const { folder: work } = secrets;
const AUDIENCE = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k8s';
const ACCOUNT = '/v1/projects/-/serviceAccounts/opener@p-1.iam.gserviceaccount.com:generateAccessToken';
const KMS = 'https://www.googleapis.com/auth/cloudkms';
const ANY = 'https://www.googleapis.com/auth/cloud-platform';
let server: TestServer;

afterAll(async () => {
  await server.close();
  secrets.remove();
});

/** STS, IAM's credentials API, and a provider of tokens, on one port; each asks for what its documentation demands. */
function answer({ method, path, headers, body }: Asked): unknown {
  if (path === '/subject?x=1')
    return headers.authorization === 'Bearer of-the-job' ? { id: { value: 1 }, value: 'subject' } : {};
  if (method === 'POST' && path === '/v1/token') {
    const form = new URLSearchParams(String(body));
    return { access_token: `exchanged-${String(form.get('subject_token'))}`, expires_in: 3600, token_type: 'Bearer' };
  }
  if (method === 'POST' && path === ACCOUNT)
    return { accessToken: 'of-the-account', expireTime: '2026-01-02T04:00:00Z' };
  return null;
}

beforeAll(async () => {
  server = await serve((asked, response) => {
    const reply = answer(asked);
    if (reply === null) response.statusCode = 403;
    return reply ?? { error: 'CANARY' };
  });
});
beforeEach(() => {
  server.asked.length = 0;
});

function write(value: unknown, mode = 0o600): string {
  return secrets.write(typeof value === 'string' ? value : JSON.stringify(value), mode);
}

const account = (source: unknown, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  ...{ type: 'external_account', audience: AUDIENCE, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
  ...{ token_url: `${server.url}/v1/token`, credential_source: source, ...more },
});
const ask = (path: string): Promise<string> => createGcpTokens({ ports: fakePorts(work), path }).get();
const formOf = (at: number): unknown => Object.fromEntries(new URLSearchParams(String(server.asked[at].body)));

describe('federated accounts of Google Cloud', () => {
  test('the token of a workload, in a file, is exchanged; its file holds no secret and may have any mode', async () => {
    const path = write(account({ file: write(' jwt.of.pod\n', 0o644) }), 0o644);
    expect(await ask(path)).toBe('exchanged-jwt.of.pod');
    expect(formOf(0)).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: AUDIENCE,
      scope: KMS,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: 'jwt.of.pod',
    });
  });

  test('from a URL, a member of JSON, for a service account: three requests, each with the token of the one before', async () => {
    const source = {
      url: `${server.url}/subject?x=1`,
      headers: { Authorization: 'Bearer of-the-job' },
      format: { type: 'json', subject_token_field_name: 'value' },
    };
    const acting = { service_account_impersonation_url: `${server.url}${ACCOUNT}` };
    expect(await ask(write(account(source, acting)))).toBe('of-the-account');
    expect(formOf(1)).toMatchObject({ subject_token: 'subject', scope: ANY });
    const [, , { headers, body }] = server.asked;
    expect(headers.authorization).toBe('Bearer exchanged-subject');
    expect(body).toEqual({ scope: [KMS], delegates: [], lifetime: '3600s' });
    // With what opens the URL in it, the file is its owner's alone.
    await expect(ask(write(account(source, acting), 0o644))).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_UNSAFE' });
  });

  test.each([
    ['a token that is not there', { file: '/nonexistent/token' }, {}, 'KEY_CREDENTIALS_MISSING'],
    ['a provider on the open net without TLS', { url: 'http://example.org/CANARY' }, {}, 'KEY_CREDENTIALS_INVALID'],
    ['a program', { executable: { command: '/bin/CANARY' } }, {}, 'KEY_CREDENTIALS_INVALID'],
    [
      'AWS as the provider',
      { environment_id: 'aws1', url: 'http://169.254.169.254/CANARY' },
      {},
      'KEY_CREDENTIALS_INVALID',
    ],
    [
      'an exchange elsewhere',
      { file: '' },
      { token_url: 'https://sts.CANARY.org/v1/token' },
      'KEY_CREDENTIALS_INVALID',
    ],
    [
      'a service account elsewhere',
      { file: '' },
      { service_account_impersonation_url: 'https://CANARY.org' },
      'KEY_CREDENTIALS_INVALID',
    ],
  ])('%s is refused', async (_name, source, more, code) => {
    const own = 'file' in source && source.file === '' ? { file: write('jwt') } : source;
    const error: unknown = await ask(write(account(own, more))).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('an exchange whose path looks like the address of another host goes to the host that was looked at', async () => {
    const thief = await serve(() => ({ access_token: 'stolen', expires_in: 3600 }));
    const token_url = `${server.url}//${new URL(thief.url).host}/v1/token`;
    await expect(ask(write(account({ file: write('jwt') }, { token_url })))).rejects.toMatchObject({
      code: 'KEY_CREDENTIALS_REFUSED',
    });
    expect(thief.asked).toEqual([]);
    await thief.close();
  });

  test.each([
    ['two lines', 'a\nb'],
    ['nothing', ''],
  ])('a token of %s goes nowhere', async (_name, text) => {
    await expect(ask(write(account({ file: write(text) })))).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_INVALID' });
    expect(server.asked).toEqual([]);
  });

  test('who has no right is refused, and nothing of the reply is repeated', async () => {
    const path = write(account({ url: `${server.url}/forbidden` }));
    const error: unknown = await ask(path).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED', fields: { status: 403 } });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });
});

describe('other files of Google Cloud', () => {
  test('an account that another one may act as, by delegates', async () => {
    const fake = await serveFakeGcpKms();
    const source_credentials = account({ file: write('jwt') });
    const delegates = ['projects/-/serviceAccounts/between@p-1.iam.gserviceaccount.com'];
    const service_account_impersonation_url = `${server.url}${ACCOUNT}`;
    const type = 'impersonated_service_account';
    const path = write({ type, service_account_impersonation_url, delegates, source_credentials });
    expect(await ask(path)).toBe('of-the-account');
    expect(server.asked[1].body).toMatchObject({ delegates });
    // Of a key file: its assertion asks for the wider scope, which the fake of the key service does not know.
    const keyed = write({
      type,
      service_account_impersonation_url,
      source_credentials: JSON.parse(fake.keyFile) as unknown,
    });
    await expect(ask(keyed)).rejects.toMatchObject({ code: 'KEY_CREDENTIALS_REFUSED' });
    await fake.close();
  });

  test('calls are counted on the project that the file names; without one, on the key’s own', async () => {
    const fake = await serveFakeGcpKms();
    for (const [more, project] of [
      [{ quota_project_id: 'billed-1' }, 'billed-1'],
      [{}, undefined],
    ] as const) {
      const credentialsPath = write({ ...(JSON.parse(fake.keyFile) as object), ...more });
      const uri = { scheme: 'gcp-kms', key: fake.addKey(), endpoint: fake.url, credentialsPath } as const;
      const { provider } = await openProvider({ uri, ports: fakePorts(work), create: false });
      await provider.describe();
      expect(fake.asked.at(-1)?.headers['x-goog-user-project']).toBe(project);
    }
    await fake.close();
  });

  test('CLOUDSDK_CONFIG names the folder of the tools', async () => {
    const folder = join(work, 'gcloud');
    mkdirSync(folder);
    const file = account({ file: write('jwt') });
    writeFileSync(join(folder, 'application_default_credentials.json'), JSON.stringify(file), { mode: 0o600 });
    const ports = fakePorts(work, { env: { CLOUDSDK_CONFIG: folder } });
    expect(await createGcpTokens({ ports, path: null }).get()).toBe('exchanged-jwt');
  });
});
