/**
 * Credentials for a sign-in of IAM Identity Center that `aws sso login` left in its cache; nobody is signed in here.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { ProviderPorts } from '../provider.ts';
import { openKeyService, parseReply } from '../service.ts';
import { isHeaderValue } from '../token.ts';
import { type ExpiringCredentials, toCredentials } from './expiring.ts';
import { toDnsSuffix, toEndpoint } from './sts.ts';

const PLACE = 'sign-in session';

export interface SsoProfile {
  /** What names the session in the cache: its name, else the start URL. */
  readonly session: string;
  readonly region: string;
  readonly accountId: string;
  readonly roleName: string;
}

const cachedToken = z.object({
  accessToken: z.string().refine(isHeaderValue),
  // Older tools of AWS write "UTC" for "Z".
  expiresAt: z
    .string()
    .max(64)
    .transform((text) => Date.parse(text.replace(/UTC$/, 'Z')))
    .refine((ms) => !Number.isNaN(ms)),
});

const portalReply = z.object({
  roleCredentials: z.object({
    accessKeyId: z.string(),
    secretAccessKey: z.string(),
    sessionToken: z.string(),
    /** Milliseconds since 1970. */
    expiration: z.number().min(0).max(8e12),
  }),
});

const REGION = /^[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}$/;

/**
 * GetRoleCredentials of the portal, with the cached token.
 * @throws SealError KEY_CREDENTIALS_MISSING without a session that lasts; KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_UNSAFE |
 *   KEY_CREDENTIALS_REFUSED; those of the service
 */
export async function askSso(
  ports: Pick<ProviderPorts, 'clock' | 'env' | 'files'>,
  { session, region, accountId, roleName }: SsoProfile,
): Promise<ExpiringCredentials> {
  if (!REGION.test(region)) throw toFault('KEY_CREDENTIALS_INVALID');
  const token = readToken(ports, session);
  const usual = `https://portal.sso.${region}.${toDnsSuffix(region)}`;
  const service = openKeyService({ origin: toEndpoint(ports.env.AWS_ENDPOINT_URL_SSO, usual, PLACE) });
  try {
    const query = new URLSearchParams({ role_name: roleName, account_id: accountId }).toString();
    const headers = { 'x-amz-sso_bearer_token': token };
    const reply = await service.send({ method: 'GET', path: `/federation/credentials?${query}`, headers });
    if (reply.status !== 200) throw toFault('KEY_CREDENTIALS_REFUSED', { status: reply.status });
    const { expiration, ...given } = parseReply(reply, portalReply, service.host).roleCredentials;
    return toCredentials(given, PLACE, expiration);
  } finally {
    service.close();
  }
}

function readToken({ clock, files }: Pick<ProviderPorts, 'clock' | 'files'>, session: string): string {
  // SHA-1 is how AWS's tools name the file, and protects nothing.
  const name = createHash('sha1').update(session).digest('hex');
  const bytes = files.findSecret(join(files.home, '.aws', 'sso', 'cache', `${name}.json`));
  if (bytes === null) throw toFault('KEY_CREDENTIALS_MISSING');
  const { accessToken, expiresAt } = parseToken(bytes);
  if (expiresAt <= clock.nowMs()) throw toFault('KEY_CREDENTIALS_MISSING', { reason: 'the session has ended' });
  return accessToken;
}

function parseToken(bytes: Uint8Array): z.infer<typeof cachedToken> {
  try {
    return cachedToken.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch {
    // No cause: it quotes its input.
    throw toFault('KEY_CREDENTIALS_INVALID');
  } finally {
    zeroize(bytes);
  }
}

function toFault(
  code: 'KEY_CREDENTIALS_MISSING' | 'KEY_CREDENTIALS_INVALID' | 'KEY_CREDENTIALS_REFUSED',
  more: Readonly<Record<string, string | number>> = {},
): SealError {
  return new SealError(code, { fields: { service: 'aws-kms', place: PLACE, ...more } });
}
