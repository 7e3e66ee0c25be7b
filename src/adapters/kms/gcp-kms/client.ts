/** Calls of the Cloud KMS API v1 over REST, with errors as ours. */
import type { z } from 'zod';
import { type ErrorCode, SealError } from '../../../core/errors.ts';
import { findJson, type KeyService, parseReply, type ServiceReply, toMalformed } from '../service.ts';
import type { TokenSource } from '../token.ts';

export interface GcpClient {
  readonly host: string;
  /**
   * @param path below `/v1/`
   * @param body JSON; wiped afterwards
   * @param take sees the reply's bytes before they are parsed, and takes a key out of them
   * @throws SealError by the table below; KEY_SERVICE_MALFORMED for a reply that is not as `schema`
   */
  call<T>(request: GcpRequest, schema: z.ZodType<T>, take?: (body: Uint8Array) => void): Promise<T>;
  close(): void;
}

export interface GcpRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly body?: Uint8Array;
}

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

export function createGcpClient({ service, tokens }: { service: KeyService; tokens: TokenSource }): GcpClient {
  return {
    host: service.host,
    call: async ({ method, path, body }, schema, take) => {
      const authorization = `Bearer ${await tokens.get()}`;
      const headers = { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
      const reply = await service.send({
        method,
        path: `/v1/${path}`,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      try {
        if (reply.status !== 200) throw toGcpError(reply, service.host, tokens);
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
