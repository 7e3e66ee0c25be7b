/**
 * Access tokens of Microsoft Entra ID, from where Azure's own tools look, in their order: a client's secret or certificate, a
 * workload's own token, the managed identity of the machine.
 * @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 */
import { utf8 } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { ProviderPorts } from '../provider.ts';
import { openKeyService, type ServiceRequest } from '../service.ts';
import { type AccessToken, createTokenSource, isHeaderValue, parseOauthToken, type TokenSource } from '../token.ts';
import {
  type AzureClient,
  findEnvironmentClient,
  ID,
  readClient,
  toAssertionForm,
  toInvalid,
  toMissing,
  toProof,
} from './client-file.ts';

const METADATA_ORIGIN = 'http://169.254.169.254';
const METADATA_TIMEOUT_MS = 3000;

/** Where tokens are asked for, and whom they are for, by the end of the vault's host name. */
const CLOUDS: readonly { readonly suffix: string; readonly login: string }[] = [
  { suffix: 'azure.net', login: 'https://login.microsoftonline.com' },
  { suffix: 'usgovcloudapi.net', login: 'https://login.microsoftonline.us' },
  { suffix: 'azure.cn', login: 'https://login.chinacloudapi.cn' },
  { suffix: 'microsoftazure.de', login: 'https://login.microsoftonline.de' },
];

export interface AzureCredentialsOptions {
  readonly ports: Pick<ProviderPorts, 'clock' | 'env' | 'files' | 'random'>;
  /** Origin of the vault. */
  readonly vault: string;
  /** Of a file that names a client; null for the environment and the identities of the platform. */
  readonly path: string | null;
  /** Origin where tokens are asked for; null for Microsoft's own. */
  readonly login: string | null;
}

/**
 * Nothing is read or asked before the first token is needed.
 * @throws SealError (from `get`) KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_UNSAFE |
 *   KEY_CREDENTIALS_REFUSED | KEY_PROVIDER_UNAVAILABLE
 */
export function createAzureTokens(options: AzureCredentialsOptions): TokenSource {
  const { clock, env, files } = options.ports;
  return createTokenSource(clock, () => {
    const client = options.path === null ? findEnvironmentClient(env) : readClient(files, options.path);
    if (client !== null) return askAsClient(options, client);
    return env.AZURE_FEDERATED_TOKEN_FILE
      ? askWithWorkload(options, env.AZURE_FEDERATED_TOKEN_FILE)
      : askMachine(options);
  });
}

/** Such as `https://vault.azure.net`: a token for the one is none for the other. */
function toAudience(vault: string): string {
  const [, kind, ...rest] = new URL(vault).hostname.split('.');
  return CLOUDS.some(({ suffix }) => suffix === rest.join('.'))
    ? `https://${kind}.${rest.join('.')}`
    : 'https://vault.azure.net';
}

async function askAsClient(options: AzureCredentialsOptions, client: AzureClient): Promise<AccessToken> {
  const { clock, random, files } = options.ports;
  const audience = `${toLogin(options)}${toTokenPath(client.tenantId)}`;
  const proof = toProof(client, { audience, nowMs: clock.nowMs(), random, files });
  return askToken(options, client.tenantId, { client_id: client.clientId, ...proof });
}

/** Kubernetes and others sign a token for the workload; the platform mounts it, with the modes that it chooses. */
async function askWithWorkload(options: AzureCredentialsOptions, path: string): Promise<AccessToken> {
  const { AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: clientId } = options.ports.env;
  const bytes = options.ports.files.findPublic(path);
  if (bytes === null || tenantId === undefined || clientId === undefined) throw toMissing();
  const assertion = new TextDecoder().decode(bytes).trim();
  if (!ID.test(tenantId) || !ID.test(clientId) || !isHeaderValue(assertion)) throw toInvalid();
  return askToken(options, tenantId, {
    client_id: clientId,
    ...toAssertionForm(assertion),
  });
}

function toLogin({ vault, login }: AzureCredentialsOptions): string {
  const { hostname } = new URL(vault);
  return login ?? (CLOUDS.find(({ suffix }) => hostname.endsWith(`.${suffix}`)) ?? CLOUDS[0]).login;
}

function toTokenPath(tenantId: string): string {
  return `/${tenantId}/oauth2/v2.0/token`;
}

async function askToken(
  options: AzureCredentialsOptions,
  tenantId: string,
  client: Readonly<Record<string, string>>,
): Promise<AccessToken> {
  const form = { grant_type: 'client_credentials', scope: `${toAudience(options.vault)}/.default`, ...client };
  const service = openKeyService({ origin: toLogin(options) });
  try {
    const request: ServiceRequest = {
      method: 'POST',
      path: toTokenPath(tenantId),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: utf8(new URLSearchParams(form).toString()),
    };
    return parseOauthToken(await service.send(request), { service, clock: options.ports.clock });
  } finally {
    service.close();
  }
}

/** Of a virtual machine by its metadata service, or of App Service by the end point that the platform names. */
async function askMachine({ ports, vault }: AzureCredentialsOptions): Promise<AccessToken> {
  const { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: secret, AZURE_CLIENT_ID: clientId } = ports.env;
  const isApp = endpoint !== undefined && secret !== undefined;
  const url = isApp ? toLocalUrl(endpoint) : new URL('/metadata/identity/oauth2/token', METADATA_ORIGIN);
  if (isApp && !isHeaderValue(secret)) throw toInvalid();
  url.searchParams.set('api-version', isApp ? '2019-08-01' : '2018-02-01');
  url.searchParams.set('resource', toAudience(vault));
  if (clientId !== undefined) url.searchParams.set('client_id', clientId);
  const service = openKeyService({ origin: url.origin, timeoutMs: METADATA_TIMEOUT_MS });
  try {
    const headers: Record<string, string> = isApp ? { 'x-identity-header': secret } : { metadata: 'true' };
    const reply = await service.send({ method: 'GET', path: `${url.pathname}${url.search}`, headers });
    return parseOauthToken(reply, { service, clock: ports.clock });
  } catch (error) {
    if (error instanceof SealError && error.code === 'KEY_PROVIDER_UNAVAILABLE') throw toMissing();
    throw error;
  } finally {
    service.close();
  }
}

/** The machine's own end point: what identifies this process is not sent over a net. */
function toLocalUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal =
    url !== undefined && /^(localhost|127(\.\d{1,3}){3}|169\.254(\.\d{1,3}){2}|\[::1\])$/.test(url.hostname);
  if (!isLocal || url.protocol !== 'http:' || url.username !== '' || url.password !== '') throw toInvalid();
  return url;
}
