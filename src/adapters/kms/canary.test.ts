/** Whatever a key service answers, no error repeats a key, token, secret or what the service said. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Asked, serve, type TestServer } from '../../../test/endpoint-server.ts';
import { fakePorts } from '../../../test/fakes/provider-ports.ts';
import { toHex } from '../../core/bytes.ts';
import { ModelwardError } from '../../core/errors.ts';
import { parseKeyUri } from '../../seal/index.ts';
import type { KeyProvider } from '../../seal/ports.ts';
import { openKeyProvider } from './index.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-canary-'));
const TOKEN = 'CANARYtoken0123456789';
const SECRET = 'CANARYsecret0123456789';
const DEK = new Uint8Array(32).fill(0x5a);
const context = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

type Answer = (asked: Asked) => { readonly status: number; readonly body: unknown };

/** Everything that it was sent, in every place of a reply where a client could look. */
const echo = (asked: Asked): Record<string, unknown> => {
  const all = JSON.stringify([asked.headers, asked.body, asked.path]);
  return { __type: all, message: all, error: { status: all, code: all, message: all }, errors: [all], data: all };
};
const ANSWERS: readonly (readonly [string, Answer])[] = [
  ...[200, 400, 401, 403, 404, 409, 412, 429, 500, 503].map(
    (status) => [`${status} with an echo`, (asked: Asked) => ({ status, body: echo(asked) })] as const,
  ),
  ...[200, 400].map((status) => [`${status} with a list`, () => ({ status, body: [] })] as const),
  [
    'a key id and a key of its own',
    (asked) => ({
      status: 200,
      body: { Plaintext: SECRET, plaintext: SECRET, value: SECRET, kid: SECRET, ...echo(asked) },
    }),
  ],
];

let server: TestServer;
let answer: Answer = ANSWERS[0][1];

function writeFile(name: string, text: string): string {
  const path = join(work, name);
  writeFileSync(path, text, { mode: 0o600 });
  return encodeURIComponent(path);
}

beforeAll(async () => {
  server = await serve((asked, response) => {
    // The token end points do as they should, so that a token is there that could leak.
    if (asked.path.includes('token')) return { access_token: TOKEN, expires_in: 3600 };
    if (asked.path === '/v1/auth/approle/login') return { auth: { client_token: TOKEN, lease_duration: 3600 } };
    const { status, body } = answer(asked);
    response.statusCode = status;
    return body;
  });
});

afterAll(async () => {
  await server.close();
  rmSync(work, { recursive: true });
});

const AWS = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const GCP = 'projects/p-1/locations/l/keyRings/r/cryptoKeys/k';

/** The URI, and a wrapped key that is this key's. */
const PROVIDERS: readonly (readonly [string, () => string, string, string])[] = [
  ['aws-kms', () => `aws-kms:${AWS}?endpoint=${server.url}`, AWS, 'ab'.repeat(32)],
  ['gcp-kms', () => `gcp-kms:${GCP}?endpoint=${server.url}&credentials-file=${gcpFile()}`, GCP, '1'],
  ['vault', () => `vault:transit/k?addr=${server.url}&approle-file=${roleFile()}`, 'transit/k', '1'],
  ['vault', () => `vault:transit/k?addr=${server.url}&token-file=${writeFile('token', TOKEN)}`, 'transit/k', '1'],
  [
    'azure-kv',
    () => `azure-kv:${server.url}/keys/k?credentials-file=${azureFile()}&login=${server.url}`,
    '',
    'ab'.repeat(16),
  ],
];

function gcpFile(): string {
  const file = { type: 'service_account', client_email: 'a@b', private_key: pem, token_uri: `${server.url}/token` };
  return writeFile('gcp.json', JSON.stringify(file));
}

function roleFile(): string {
  return writeFile('role.json', JSON.stringify({ role_id: 'role', secret_id: SECRET }));
}

function azureFile(): string {
  return writeFile('azure.json', JSON.stringify({ tenantId: 't', clientId: 'c', clientSecret: SECRET }));
}

function callAll(provider: KeyProvider, key: { keyRef: string; keyVersion: string; type: string }): Promise<unknown>[] {
  const wrapped = { ...key, wrapped: Uint8Array.from(Buffer.from('vault:v1:AAAA')) };
  const calls = [
    () => provider.wrapKey({ dek: DEK, context }),
    () => provider.unwrapKey({ wrapped, context }),
    () => provider.rewrapKey?.({ wrapped, context }) ?? Promise.resolve(),
    () => provider.rotate?.() ?? Promise.resolve(),
    () => provider.disableVersion?.(key.keyVersion) ?? Promise.resolve(),
    () => provider.describe(),
  ];
  return calls.map((call) => call().catch((reason: unknown) => reason));
}

/** Everything of an error that could be printed: message, stack, fields, and the causes likewise. */
function toText(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const own = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String(error.stack);
  return own + toText(error.cause);
}

describe.each(PROVIDERS)('%s', (type, toUri, keyRef, keyVersion) => {
  test.each(ANSWERS)('answered with %s', async (_name, given) => {
    answer = given;
    const env = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: SECRET, AWS_SESSION_TOKEN: TOKEN };
    const ports = fakePorts(work, { env });
    const { provider } = await openKeyProvider({ uri: parseKeyUri(toUri()), ports, create: false });
    const name = { type, keyRef: keyRef === '' ? `${server.url}/keys/k` : keyRef, keyVersion };
    const errors = (await Promise.all(callAll(provider, name))).filter((result) => result instanceof Error);
    expect(errors.length).toBeGreaterThanOrEqual(3);
    for (const error of errors) {
      expect(error).toBeInstanceOf(ModelwardError);
      const text = toText(error);
      for (const secret of [
        'CANARY',
        Buffer.from(DEK).toString('base64').slice(0, 20),
        toHex(DEK),
        pem.slice(60, 100),
      ]) {
        expect(text).not.toContain(secret);
      }
    }
    await provider.close?.();
  });
});
