/** Calls of a key service's JSON API: what all of them share is here, what errors mean is each service's own. */
import type { z } from 'zod';
import { utf8, zeroize } from '../../core/bytes.ts';
import type { SealError } from '../../core/errors.ts';
import { type Base64Kind, takeSecret } from './secret-json.ts';
import { type KeyService, parseReply, type ServiceReply, type ServiceRequest, toMalformed } from './service.ts';

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

/**
 * A call whose reply carries a key: it is taken out before the rest is parsed, and wiped when the rest is not as it must be.
 * @param call sends the request, and hands the reply's bytes to `take`
 * @param check of the key with the rest of the reply; what it throws is thrown on
 * @returns the key in a buffer of its own that the caller wipes
 * @throws SealError KEY_SERVICE_MALFORMED for a reply without the key; what `call` and `check` throw
 */
export async function callForSecret<T>(
  call: (take: (body: Uint8Array) => void) => Promise<T>,
  member: { readonly name: string; readonly kind: Base64Kind },
  check: (reply: T, secret: Uint8Array) => Promise<void> | void,
): Promise<Uint8Array> {
  let secret: Uint8Array | undefined;
  try {
    const reply = await call((body) => {
      secret = takeSecret(body, member);
    });
    if (secret === undefined) throw toMalformed({ at: member.name });
    await check(reply, secret);
    return secret;
  } catch (error) {
    if (secret !== undefined) zeroize(secret);
    throw error;
  }
}

/** A body without a secret in it. */
export function toJson(members: Readonly<Record<string, unknown>>): Uint8Array {
  return utf8(JSON.stringify(members));
}

/** A bearer token, and the kind of the body where there is one. */
export function toBearerHeaders(token: string, body: Uint8Array | undefined): Record<string, string> {
  return { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
}

/** `{ body }` where there is one. */
export function toBody(body: Uint8Array | undefined): Pick<ServiceRequest, 'body'> {
  return body === undefined ? {} : { body };
}
