/** Calls of a key service's JSON API: what all of them share is here, what errors mean is each service's own. */
import type { z } from 'zod';
import type { SealError } from '../../core/errors.ts';
import { type KeyService, parseReply, type ServiceReply, type ServiceRequest } from './service.ts';

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  /** JSON; wiped afterwards. */
  readonly body?: Uint8Array;
}

export interface RestClient {
  readonly host: string;
  /**
   * @param request the path as the client's maker says
   * @param schema of the reply
   * @param take sees the reply's bytes before they are parsed, and takes a key out of them
   * @throws SealError KEY_VERSION_GONE | KEY_REFUSED | KEY_SERVICE_MISSING | KEY_CREDENTIALS_REFUSED |
   *   KEY_PROVIDER_UNAVAILABLE | KEY_SERVICE_MALFORMED, also for a reply that is not as `schema`
   */
  call<T>(request: RestRequest, schema: z.ZodType<T>, take?: (body: Uint8Array) => void): Promise<T>;
  close(): void;
}

/** A client of a service: `toRequest` makes a request of a call, `toError` reads refusals. */
export function createRestClient(options: {
  readonly service: KeyService;
  readonly toRequest: (request: RestRequest) => Promise<ServiceRequest>;
  readonly toError: (reply: ServiceReply) => SealError;
}): RestClient {
  const { service, toRequest, toError } = options;
  return {
    host: service.host,
    call: async (request, schema, take) =>
      askService(service, await toRequest(request), { schema, toError, ...(take === undefined ? {} : { take }) }),
    close: () => {
      service.close();
    },
  };
}

/** `{}`: what a reply without content says. */
const EMPTY = Uint8Array.of(0x7b, 0x7d);

/**
 * Sends a request once and reads its reply, which is wiped.
 * @throws SealError as `KeyService.send`; what `toError` makes of a refusal; KEY_SERVICE_MALFORMED
 */
export async function askService<T>(
  service: KeyService,
  request: ServiceRequest,
  reading: {
    readonly schema: z.ZodType<T>;
    readonly take?: (body: Uint8Array) => void;
    readonly toError: (reply: ServiceReply) => SealError;
  },
): Promise<T> {
  const reply = await service.send(request);
  try {
    if (reply.status === 204) return parseReply({ ...reply, body: EMPTY }, reading.schema, service.host);
    if (reply.status !== 200) throw reading.toError(reply);
    reading.take?.(reply.body);
    return parseReply(reply, reading.schema, service.host);
  } finally {
    reply.body.fill(0);
  }
}

/** A bearer token, and the kind of the body where there is one. */
export function toBearerHeaders(token: string, body: Uint8Array | undefined): Record<string, string> {
  return { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
}

/** `{ body }` where there is one. */
export function toBody(body: Uint8Array | undefined): Pick<ServiceRequest, 'body'> {
  return body === undefined ? {} : { body };
}
