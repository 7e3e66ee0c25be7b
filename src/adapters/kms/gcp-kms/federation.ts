/**
 * Workload identity federation: a token that another identity provider signed is exchanged for one of Google's.
 * @see https://google.aip.dev/auth/4117, RFC 8693
 */
import { SealError } from '../../../core/errors.ts';
import type { ProviderPorts } from '../provider.ts';
import { findJson, openKeyService } from '../service.ts';
import { type AccessToken, isHeaderValue } from '../token.ts';
import { type ExternalAccount, toInvalid, type TokenPlace } from './credentials-file.ts';
import { askToken, assertGiven } from './token-endpoint.ts';

type Ports = Pick<ProviderPorts, 'clock' | 'files'>;

/** @throws SealError KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_REFUSED, or the service's */
export async function exchangeToken(account: ExternalAccount, scope: string, ports: Ports): Promise<AccessToken> {
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: account.audience,
    scope,
    subject_token_type: account.subject_token_type,
    subject_token: await readSubjectToken(account.credential_source, ports),
  };
  return askToken(account.token_url, form, ports.clock);
}

async function readSubjectToken(source: TokenPlace, { files }: Ports): Promise<string> {
  // The platform mounts a file, with the modes that it chooses.
  const bytes = 'file' in source ? files.findPublic(source.file) : await fetchSource(source);
  if (bytes === null) throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'gcp-kms' } });
  const { format } = source;
  const token =
    format.type === 'text'
      ? new TextDecoder().decode(bytes).trim()
      : findMember(bytes, format.subject_token_field_name);
  if (typeof token !== 'string' || !isHeaderValue(token)) throw toInvalid();
  return token;
}

function findMember(bytes: Uint8Array, name: string): unknown {
  const told = findJson(bytes);
  return typeof told === 'object' && told !== null
    ? Object.entries(told).find(([each]) => each === name)?.[1]
    : undefined;
}

/** https, or http to this machine and to the platform's own addresses. */
async function fetchSource({ url: text, headers }: Extract<TokenPlace, { url: string }>): Promise<Uint8Array> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isNear =
    url?.protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|169\.254(\.\d{1,3}){2}|\[::1\])$/.test(url.hostname);
  if (url === undefined || !(isNear || url.protocol === 'https:') || url.username !== '' || url.password !== '') {
    throw toInvalid();
  }
  const service = openKeyService({ origin: url.origin });
  try {
    const reply = await service.send({ method: 'GET', path: `${url.pathname}${url.search}`, headers });
    assertGiven(reply, service.host);
    return reply.body;
  } finally {
    service.close();
  }
}
