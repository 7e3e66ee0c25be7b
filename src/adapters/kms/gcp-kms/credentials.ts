/**
 * Access tokens of Google Cloud: for a service account's key, a user's sign-in, or the account of the machine.
 * @see https://developers.google.com/identity/protocols/oauth2/service-account (JWT bearer), RFC 7523
 */
import { createPrivateKey, sign } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { utf8, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { ProviderPorts } from '../provider.ts';
import { openKeyService, type ServiceRequest } from '../service.ts';
import { type AccessToken, createTokenSource, parseOauthToken, type TokenSource } from '../token.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloudkms';
const TOKEN_URI = 'https://oauth2.googleapis.com/token';
/** By address: the name would be asked of DNS. */
const METADATA_ORIGIN = 'http://169.254.169.254';
const METADATA_PATH = '/computeMetadata/v1/instance/service-accounts/default/token';
const METADATA_TIMEOUT_MS = 3000;
const ASSERTION_SECONDS = 600;

const serviceAccount = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(1).max(320),
  private_key: z.string().min(1),
  private_key_id: z.string().max(128).optional(),
  token_uri: z.string().max(2048).optional(),
});
const authorizedUser = z.object({
  type: z.literal('authorized_user'),
  client_id: z.string().min(1).max(512),
  client_secret: z.string().min(1).max(512),
  refresh_token: z.string().min(1).max(4096),
});
const credentialsFile = z.discriminatedUnion('type', [serviceAccount, authorizedUser]);

type Ports = Pick<ProviderPorts, 'clock' | 'env' | 'files'>;

export interface GcpCredentialsOptions {
  readonly ports: Ports;
  /** Of a key file; null looks where Google's tools look. */
  readonly path: string | null;
  /** What a service account's token is for; Cloud KMS unless given. */
  readonly scope?: string;
}

/**
 * Nothing is read or asked before the first token is needed.
 * @throws SealError (from `get`) KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_UNSAFE |
 *   KEY_CREDENTIALS_REFUSED | KEY_PROVIDER_UNAVAILABLE
 */
export function createGcpTokens({ ports, path, scope = SCOPE }: GcpCredentialsOptions): TokenSource {
  return createTokenSource(ports.clock, async () => {
    const named = path ?? ports.env.GOOGLE_APPLICATION_CREDENTIALS ?? null;
    const usual = join(ports.files.home, '.config', 'gcloud', 'application_default_credentials.json');
    const bytes = ports.files.findSecret(named ?? usual);
    if (bytes !== null) return askWithFile(bytes, scope, ports);
    if (named !== null) throw toMissing();
    return askMetadata(ports);
  });
}

async function askWithFile(bytes: Uint8Array, scope: string, ports: Ports): Promise<AccessToken> {
  const file = parseCredentials(bytes);
  if (file.type === 'authorized_user') {
    const { client_id, client_secret, refresh_token } = file;
    return askToken(TOKEN_URI, { grant_type: 'refresh_token', client_id, client_secret, refresh_token }, ports);
  }
  const uri = file.token_uri ?? TOKEN_URI;
  const nowSeconds = Math.floor(ports.clock.nowMs() / 1000);
  const assertion = toAssertion(file, { audience: uri, scope, nowSeconds });
  return askToken(uri, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }, ports);
}

function parseCredentials(bytes: Uint8Array): z.infer<typeof credentialsFile> {
  try {
    return credentialsFile.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch {
    // No cause: it quotes its input.
    throw toInvalid();
  } finally {
    zeroize(bytes);
  }
}

/** A JWT (RFC 7519), RS256, for ten minutes. */
function toAssertion(
  file: z.infer<typeof serviceAccount>,
  { audience, scope, nowSeconds }: { readonly audience: string; readonly scope: string; readonly nowSeconds: number },
): string {
  const header = { alg: 'RS256', typ: 'JWT', kid: file.private_key_id };
  const times = { iat: nowSeconds, exp: nowSeconds + ASSERTION_SECONDS };
  const claims = { iss: file.client_email, scope, aud: audience, ...times };
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  try {
    const key = createPrivateKey(file.private_key);
    if (key.asymmetricKeyType !== 'rsa') throw toInvalid();
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  } catch {
    throw toInvalid();
  }
}

/** Google's own hosts, and this machine: the file names a URI, and what signs for us is not sent anywhere else. */
function toTokenUrl(uri: string): URL {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const isGoogle = url?.protocol === 'https:' && /(^|\.)googleapis\.com$/.test(url.hostname);
  const isLocal = url?.protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url === undefined || !(isGoogle || isLocal) || url.username !== '' || url.password !== '') throw toInvalid();
  return url;
}

async function askToken(uri: string, form: Record<string, string>, { clock }: Ports): Promise<AccessToken> {
  const url = toTokenUrl(uri);
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const body = utf8(new URLSearchParams(form).toString());
  const service = openKeyService({ origin: url.origin });
  try {
    const request: ServiceRequest = { method: 'POST', path: url.pathname, headers, body };
    return parseOauthToken(await service.send(request), { service, clock });
  } finally {
    service.close();
  }
}

async function askMetadata({ clock, env }: Ports): Promise<AccessToken> {
  const given = env.GCE_METADATA_HOST;
  const isLocal = given !== undefined && /^(localhost|127(\.\d{1,3}){3}|169\.254\.169\.254)(:\d{1,5})?$/.test(given);
  const service = openKeyService({
    origin: isLocal ? `http://${given}` : METADATA_ORIGIN,
    timeoutMs: METADATA_TIMEOUT_MS,
  });
  try {
    const reply = await service.send({ method: 'GET', path: METADATA_PATH, headers: { 'metadata-flavor': 'Google' } });
    // Whoever else answers there is not Google's.
    if (reply.headers['metadata-flavor'] !== 'Google') throw toMissing();
    return parseOauthToken(reply, { service, clock });
  } catch (error) {
    if (error instanceof SealError && error.code === 'KEY_PROVIDER_UNAVAILABLE') throw toMissing();
    throw error;
  } finally {
    service.close();
  }
}

function toMissing(): SealError {
  return new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'gcp-kms' } });
}

function toInvalid(): SealError {
  return new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'gcp-kms' } });
}
