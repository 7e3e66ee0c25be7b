/**
 * Access tokens of Google Cloud from where its own tools look for credentials: a file, or the account of the machine.
 * @see https://google.aip.dev/auth/4110, https://developers.google.com/identity/protocols/oauth2/service-account (JWT bearer)
 */
import { join } from 'node:path';
import { SealError } from '../../../core/errors.ts';
import { findSignedJwt } from '../jwt.ts';
import type { ProviderPorts } from '../provider.ts';
import { openKeyService } from '../service.ts';
import { type AccessToken, createTokenSource, parseOauthToken, type TokenSource } from '../token.ts';
import { findGcpCredentials, type GcpCredentials, type ServiceAccount, toInvalid } from './credentials-file.ts';
import { exchangeToken } from './federation.ts';
import { askAsAccount, askToken } from './token-endpoint.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloudkms';
/** What it takes to act as another account. */
const ACTING_SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const TOKEN_URI = 'https://oauth2.googleapis.com/token';
/** By address: the name would be asked of DNS. */
const METADATA_ORIGIN = 'http://169.254.169.254';
const METADATA_PATH = '/computeMetadata/v1/instance/service-accounts/default/token';
const METADATA_TIMEOUT_MS = 3000;
const ASSERTION_SECONDS = 600;

type Ports = Pick<ProviderPorts, 'clock' | 'env' | 'files'>;

export interface GcpCredentialsOptions {
  readonly ports: Ports;
  /** Of a key file; null looks where Google's tools look. */
  readonly path: string | null;
  /** What a token is for; Cloud KMS unless given. */
  readonly scope?: string;
}

export interface GcpTokens extends TokenSource {
  /** The project that calls are counted on, known once there was a token; null for the key's own. Users must name one. */
  quotaProject(): string | null;
}

/**
 * Nothing is read or asked before the first token is needed.
 * @throws SealError (from `get`) KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_UNSAFE |
 *   KEY_CREDENTIALS_REFUSED | KEY_PROVIDER_UNAVAILABLE
 */
export function createGcpTokens({ ports, path, scope = SCOPE }: GcpCredentialsOptions): GcpTokens {
  let quotaProject: string | null = null;
  const source = createTokenSource(ports.clock, async () => {
    const { env, files } = ports;
    const named = path ?? env.GOOGLE_APPLICATION_CREDENTIALS ?? null;
    const folder = env.CLOUDSDK_CONFIG ?? join(files.home, '.config', 'gcloud');
    const credentials = findGcpCredentials(files, named ?? join(folder, 'application_default_credentials.json'));
    quotaProject = credentials?.quota_project_id ?? null;
    if (credentials !== null) return askWithFile(credentials, scope, ports);
    if (named !== null) throw toMissing();
    return askMetadata(ports);
  });
  return { ...source, quotaProject: () => quotaProject };
}

async function askWithFile(file: GcpCredentials, scope: string, ports: Ports): Promise<AccessToken> {
  switch (file.type) {
    case 'service_account':
      return askWithKey(file, scope, ports);
    case 'authorized_user': {
      const { client_id, client_secret, refresh_token } = file;
      const form = { grant_type: 'refresh_token', client_id, client_secret, refresh_token };
      return askToken(TOKEN_URI, form, ports.clock);
    }
    case 'external_account': {
      const { service_account_impersonation_url: account } = file;
      if (account === undefined) return exchangeToken(file, scope, ports);
      return askAsAccount(account, { token: await exchangeToken(file, ACTING_SCOPE, ports), scope, delegates: [] });
    }
    case 'impersonated_service_account': {
      const { service_account_impersonation_url: account, source_credentials: from, delegates } = file;
      return askAsAccount(account, { token: await askWithFile(from, ACTING_SCOPE, ports), scope, delegates });
    }
  }
}

async function askWithKey(file: ServiceAccount, scope: string, { clock }: Ports): Promise<AccessToken> {
  const uri = file.token_uri ?? TOKEN_URI;
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  const times = { iat: nowSeconds, exp: nowSeconds + ASSERTION_SECONDS };
  const assertion = findSignedJwt({
    header: { alg: 'RS256', typ: 'JWT', ...(file.private_key_id !== undefined && { kid: file.private_key_id }) },
    claims: { iss: file.client_email, scope, aud: uri, ...times },
    privateKey: file.private_key,
  });
  if (assertion === undefined) throw toInvalid();
  return askToken(uri, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }, clock);
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
