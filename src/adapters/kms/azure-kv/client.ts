/** Calls of the Azure Key Vault REST API (also of Managed HSM), with errors as ours. */
import type { z } from 'zod';
import { SealError } from '../../../core/errors.ts';
import { findJson, type KeyService, parseReply, type ServiceReply, toMalformed } from '../service.ts';
import type { TokenSource } from '../token.ts';

const API_VERSION = '7.4';

export interface AzureClient {
  readonly host: string;
  /**
   * @param path below the vault, with its query if it has one
   * @param body JSON; wiped afterwards
   * @param take sees the reply's bytes before they are parsed, and takes a key out of them
   * @throws SealError KEY_VERSION_GONE | KEY_REFUSED | KEY_SERVICE_MISSING | KEY_CREDENTIALS_REFUSED |
   *   KEY_PROVIDER_UNAVAILABLE | KEY_SERVICE_MALFORMED
   */
  call<T>(request: AzureRequest, schema: z.ZodType<T>, take?: (body: Uint8Array) => void): Promise<T>;
  close(): void;
}

export interface AzureRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly body?: Uint8Array;
}

export function createAzureClient({ service, tokens }: { service: KeyService; tokens: TokenSource }): AzureClient {
  return {
    host: service.host,
    call: async ({ method, path, body }, schema, take) => {
      const authorization = `Bearer ${await tokens.get()}`;
      const reply = await service.send({
        method,
        path: `${path}${path.includes('?') ? '&' : '?'}api-version=${API_VERSION}`,
        headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body }),
      });
      try {
        if (reply.status !== 200) throw toAzureError(reply, service.host, tokens);
        take?.(reply.body);
        return parseReply(reply, schema, service.host);
      } finally {
        reply.body.fill(0);
      }
    },
    close: () => {
      service.close();
    },
  };
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
