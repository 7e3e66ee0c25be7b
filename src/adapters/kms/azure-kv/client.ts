/** Calls of the Azure Key Vault REST API (also of Managed HSM), with errors as ours. */
import { SealError } from '../../../core/errors.ts';
import { createRestClient, type RestClient, toBearerHeaders, toBody } from '../rest.ts';
import { findJson, type KeyService, type ServiceReply, toMalformed } from '../service.ts';
import type { TokenSource } from '../token.ts';

const API_VERSION = '7.4';

/** Paths are below the vault, with their query if they have one. */
export function createAzureClient({ service, tokens }: { service: KeyService; tokens: TokenSource }): RestClient {
  return createRestClient({
    service,
    toRequest: async ({ method, path, body }) => {
      const versioned = `${path}${path.includes('?') ? '&' : '?'}api-version=${API_VERSION}`;
      return { method, path: versioned, headers: toBearerHeaders(await tokens.get(), body), ...toBody(body) };
    },
    toError: (reply) => toAzureError(reply, service.host, tokens),
  });
}

const GONE: ReadonlySet<string> = new Set(['KeyDisabled', 'KeyExpired', 'KeyNotYetValid']);

/** Codes are of a closed list; the message, which may quote input, stays outside. */
function toAzureError(reply: ServiceReply, host: string, tokens: TokenSource): SealError {
  const told = findJson(reply.body) as
    | { readonly error?: { readonly code?: unknown; readonly innererror?: { readonly code?: unknown } } }
    | null
    | undefined;
  const [code, inner] = [told?.error?.code, told?.error?.innererror?.code].map((each) =>
    typeof each === 'string' && /^[A-Za-z]{1,64}$/.test(each) ? each : undefined,
  );
  const { status } = reply;
  const fields = { host, status, reason: inner ?? code ?? 'other' };
  if (status === 401) {
    tokens.drop();
    return new SealError('KEY_CREDENTIALS_REFUSED', { fields });
  }
  if (code === undefined) return toMalformed({ host, status });
  if (GONE.has(inner ?? '')) return new SealError('KEY_VERSION_GONE', { fields });
  if (status === 404) return new SealError('KEY_SERVICE_MISSING', { fields });
  // Another change of the key is going on.
  if (status === 409) return new SealError('KEY_PROVIDER_UNAVAILABLE', { fields });
  return new SealError('KEY_REFUSED', { fields });
}
