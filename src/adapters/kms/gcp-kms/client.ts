/** Calls of the Cloud KMS API v1 over REST, with errors as ours. */
import { type ErrorCode, SealError } from '../../../core/errors.ts';
import { createRestClient, type RestClient, toBearerHeaders, toBody } from '../rest.ts';
import { findJson, type KeyService, type ServiceReply, toMalformed } from '../service.ts';
import type { TokenSource } from '../token.ts';
import type { GcpTokens } from './credentials.ts';

/** google.rpc.Code, as far as Cloud KMS answers with it; all others are refusals. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>(
  Object.entries({
    NOT_FOUND: 'KEY_SERVICE_MISSING',
    UNAUTHENTICATED: 'KEY_CREDENTIALS_REFUSED',
    // Of a version: it is disabled, destroyed or not made yet.
    FAILED_PRECONDITION: 'KEY_VERSION_GONE',
    ABORTED: 'KEY_PROVIDER_UNAVAILABLE',
    CANCELLED: 'KEY_PROVIDER_UNAVAILABLE',
    DEADLINE_EXCEEDED: 'KEY_PROVIDER_UNAVAILABLE',
    RESOURCE_EXHAUSTED: 'KEY_PROVIDER_UNAVAILABLE',
    UNAVAILABLE: 'KEY_PROVIDER_UNAVAILABLE',
  } as const),
);

/** Paths are below `/v1/`. */
export function createGcpClient({ service, tokens }: { service: KeyService; tokens: GcpTokens }): RestClient {
  return createRestClient({
    service,
    toRequest: async ({ method, path, body }) => {
      const bearer = toBearerHeaders(await tokens.get(), body);
      const project = tokens.quotaProject();
      const headers = project === null ? bearer : { ...bearer, 'x-goog-user-project': project };
      return { method, path: `/v1/${path}`, headers, ...toBody(body) };
    },
    toError: (reply) => toGcpError(reply, service.host, tokens),
  });
}

/** The status is one of a closed list; the message, which may quote input, stays outside. */
function toGcpError(reply: ServiceReply, host: string, tokens: TokenSource): SealError {
  const told = findJson(reply.body) as { readonly error?: { readonly status?: unknown } } | null | undefined;
  const status = told?.error?.status;
  if (reply.status === 401) tokens.drop();
  if (typeof status !== 'string' || !/^[A-Z_]{1,32}$/.test(status)) {
    if (reply.status === 401) return new SealError('KEY_CREDENTIALS_REFUSED', { fields: { host, status: 401 } });
    return toMalformed({ host, status: reply.status });
  }
  return new SealError(CODES.get(status) ?? 'KEY_REFUSED', { fields: { host, reason: status } });
}
