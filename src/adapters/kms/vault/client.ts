/** Calls of the HTTP API of Vault and OpenBao, with errors as ours. */
import { SealError } from '../../../core/errors.ts';
import { createRestClient, type RestClient, toBody } from '../rest.ts';
import { findJson, type KeyService, type ServiceReply, toMalformed } from '../service.ts';
import type { TokenSource } from '../token.ts';

export interface VaultClientOptions {
  readonly service: KeyService;
  readonly tokens: TokenSource;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Paths are below `/v1/`. */
export function createVaultClient({ service, tokens, headers }: VaultClientOptions): RestClient {
  return createRestClient({
    service,
    toRequest: async ({ method, path, body }) => {
      const all = { ...headers, 'x-vault-token': await tokens.get() };
      return { method, path: `/v1/${path}`, headers: all, ...toBody(body) };
    },
    toError: (reply) => toVaultError(reply, service.host, tokens),
  });
}

/**
 * Vault tells its reasons in words only. Those that are looked for are fixed texts of its source (sdk/helper/keysutil and
 * sdk/logical); what they are found in stays outside.
 */
const REASONS: readonly (readonly [text: string, reason: string])[] = [
  ['disallowed by policy (too old)', 'too old'],
  ['version is too new', 'too new'],
  ['invalid token', 'invalid token'],
  ['permission denied', 'permission denied'],
  ['message authentication failed', 'authentication'],
  ['encryption key not found', 'no key'],
];

function toVaultError(reply: ServiceReply, host: string, tokens: TokenSource): SealError {
  const told = findJson(reply.body) as { readonly errors?: unknown } | null | undefined;
  const errors = Array.isArray(told?.errors) ? told.errors.filter((each) => typeof each === 'string').join('\n') : null;
  if (errors === null) return toMalformed({ host, status: reply.status });
  const reason = REASONS.find(([text]) => errors.includes(text))?.[1] ?? 'other';
  const fields = { host, status: reply.status, reason };
  // The token may have been renewed or revoked meanwhile; the next call looks for another.
  if (reply.status === 403) tokens.drop();
  if (reason === 'invalid token') return new SealError('KEY_CREDENTIALS_REFUSED', { fields });
  if (reason === 'too old' || reason === 'too new') return new SealError('KEY_VERSION_GONE', { fields });
  if (reply.status === 404 || reason === 'no key') return new SealError('KEY_SERVICE_MISSING', { fields });
  // A standby that has not seen the newest state yet.
  if (reply.status === 412) return new SealError('KEY_PROVIDER_UNAVAILABLE', { fields });
  return new SealError('KEY_REFUSED', { fields });
}
