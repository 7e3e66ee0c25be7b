/** Where Google's access tokens are asked for: OAuth 2.0, and the accounts that one may act as. */
import { z } from 'zod';
import { utf8 } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { Clock } from '../../../core/ports.ts';
import { openKeyService, parseReply, type ServiceReply } from '../service.ts';
import { type AccessToken, isHeaderValue, parseOauthToken } from '../token.ts';
import { toInvalid } from './credentials-file.ts';

const LIFETIME = '3600s';

const impersonationReply = z.object({
  accessToken: z.string().refine(isHeaderValue),
  expireTime: z.iso.datetime({ offset: true }),
});

/** Google's own hosts, and this machine: a file names a URI, and what identifies us is not sent anywhere else. */
function toGoogleUrl(uri: string): URL {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const isGoogle = url?.protocol === 'https:' && /(^|\.)googleapis\.com$/.test(url.hostname);
  const isLocal = url?.protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url === undefined || !(isGoogle || isLocal) || url.username !== '' || url.password !== '') throw toInvalid();
  return url;
}

/** A request of an OAuth 2.0 token endpoint. @throws SealError KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_REFUSED, or the service's */
export async function askToken(uri: string, form: Record<string, string>, clock: Clock): Promise<AccessToken> {
  const url = toGoogleUrl(uri);
  const service = openKeyService({ origin: url.origin });
  try {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = utf8(new URLSearchParams(form).toString());
    const reply = await service.send({ method: 'POST', path: url.pathname, headers, body });
    return parseOauthToken(reply, { service, clock });
  } finally {
    service.close();
  }
}

/**
 * generateAccessToken of IAM: a token of the service account that the URI names, for one that may act as it.
 * @see https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
 * @throws SealError as {@link askToken}
 */
export async function askAsAccount(
  uri: string,
  asked: { readonly token: AccessToken; readonly scope: string; readonly delegates: readonly string[] },
): Promise<AccessToken> {
  const url = toGoogleUrl(uri);
  const service = openKeyService({ origin: url.origin });
  try {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${asked.token.value}` };
    const body = utf8(JSON.stringify({ scope: [asked.scope], delegates: asked.delegates, lifetime: LIFETIME }));
    const reply = await service.send({ method: 'POST', path: url.pathname, headers, body });
    assertGiven(reply, service.host);
    const { accessToken: value, expireTime } = parseReply(reply, impersonationReply, service.host);
    return { value, expiresAtMs: Date.parse(expireTime) };
  } finally {
    service.close();
  }
}

/** @throws SealError KEY_CREDENTIALS_REFUSED */
export function assertGiven({ status }: ServiceReply, host: string): void {
  if (status !== 200) throw new SealError('KEY_CREDENTIALS_REFUSED', { fields: { host, status } });
}
