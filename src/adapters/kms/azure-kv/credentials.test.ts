import { constants, createHash, generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve, type TestServer } from '../../../../test/endpoint-server.ts';
import { issue, makeRsa } from '../../../../test/fakes/attest/x509.ts';
import { makeSecretFiles } from '../../../../test/secret-files.ts';
import { fakePorts } from '../../../../test/fakes/provider-ports.ts';
import { createAzureTokens } from './credentials.ts';

const secrets = makeSecretFiles();
const { folder: work, write } = secrets;
const issued = issue({ commonName: 'client', key: makeRsa() });
const certificate = new X509Certificate(issued.der);
const keyPem = String(issued.key.privateKey.export({ type: 'pkcs8', format: 'pem' }));
const forms: URLSearchParams[] = [];
let server: TestServer;

beforeAll(async () => {
  server = await serve(({ path, body }, response) => {
    forms.push(new URLSearchParams(String(body)));
    if (path === '/tenant-1/oauth2/v2.0/token') return { access_token: `token-${forms.length}`, expires_in: 3599 };
    response.statusCode = 400;
    return { error: 'CANARY' };
  });
});

afterAll(async () => {
  await server.close();
  secrets.remove();
});

type Env = Readonly<Record<string, string | undefined>>;

function ask(env: Env, path: string | null = null): Promise<string> {
  const vault = 'https://models.vault.azure.net';
  return createAzureTokens({ ports: fakePorts(work, { env }), vault, path, login: server.url }).get();
}

const WHO = { AZURE_TENANT_ID: 'tenant-1', AZURE_CLIENT_ID: 'client-1' };

describe('clients of Azure', () => {
  test('by a certificate: an assertion for this end point alone, signed by its key, for ten minutes', async () => {
    const clientCertificatePath = write(`${keyPem}${certificate.toString()}`);
    await ask({}, write(JSON.stringify({ tenantId: 'tenant-1', clientId: 'client-1', clientCertificatePath })));
    const form = forms.at(-1);
    expect(Object.fromEntries(form ?? [])).toMatchObject({
      grant_type: 'client_credentials',
      scope: 'https://vault.azure.net/.default',
      client_id: 'client-1',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
    expect(form?.has('client_secret')).toBe(false);
    const [header = '', claims = '', signature = ''] = form?.get('client_assertion')?.split('.') ?? [];
    const read = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
    const thumbprint = createHash('sha256').update(certificate.raw).digest('base64url');
    expect(read(header)).toEqual({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint });
    const nowSeconds = Date.parse('2026-01-02T03:04:05Z') / 1000;
    expect(read(claims)).toEqual({
      aud: `${server.url}/tenant-1/oauth2/v2.0/token`,
      ...{ iss: 'client-1', sub: 'client-1', jti: expect.stringMatching(/^[0-9a-f]{32}$/) as string },
      ...{ iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 600 },
    });
    const key = { key: certificate.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    expect(verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
  });

  test('of the environment: a secret, or a certificate; before the token of a workload, which is not looked for then', async () => {
    await ask({ ...WHO, AZURE_CLIENT_SECRET: 's 1&', AZURE_FEDERATED_TOKEN_FILE: '/nonexistent' });
    expect(forms.at(-1)?.get('client_secret')).toBe('s 1&');
    await ask({ ...WHO, AZURE_CLIENT_CERTIFICATE_PATH: write(`${certificate.toString()}${keyPem}`) });
    expect(forms.at(-1)?.get('client_assertion')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    await ask({ ...WHO, AZURE_FEDERATED_TOKEN_FILE: write('jwt.of.cluster\n', 0o644) });
    expect(forms.at(-1)?.get('client_assertion')).toBe('jwt.of.cluster');
  });

  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  test.each([
    ['no key', certificate.toString(), 0o600, 'KEY_CREDENTIALS_INVALID'],
    ['no certificate', keyPem, 0o600, 'KEY_CREDENTIALS_INVALID'],
    [
      'a broken certificate',
      `${keyPem}-----BEGIN CERTIFICATE-----\nCANARY\n-----END CERTIFICATE-----`,
      0o600,
      'KEY_CREDENTIALS_INVALID',
    ],
    ['a key on a curve', `${String(ec)}${certificate.toString()}`, 0o600, 'KEY_CREDENTIALS_INVALID'],
    ['a file for all', `${keyPem}${certificate.toString()}`, 0o644, 'KEY_CREDENTIALS_UNSAFE'],
  ])('a certificate file with %s is refused before anything is asked', async (_name, text, mode, code) => {
    const before = forms.length;
    const env = { ...WHO, AZURE_CLIENT_CERTIFICATE_PATH: write(text, mode) };
    const error: unknown = await ask(env).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
    expect(forms).toHaveLength(before);
  });

  test.each([
    ['no such file', { ...WHO, AZURE_CLIENT_CERTIFICATE_PATH: '/nonexistent/pem' }, 'KEY_CREDENTIALS_MISSING'],
    [
      'a tenant that leads elsewhere',
      { ...WHO, AZURE_TENANT_ID: '../x', AZURE_CLIENT_SECRET: 'CANARY' },
      'KEY_CREDENTIALS_INVALID',
    ],
    [
      'a tenant that does not know the client',
      { ...WHO, AZURE_TENANT_ID: 'other', AZURE_CLIENT_SECRET: 'CANARY' },
      'KEY_CREDENTIALS_REFUSED',
    ],
  ])('%s', async (_name, env, code) => {
    const error: unknown = await ask(env).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });
});
