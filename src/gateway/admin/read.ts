/** Reads what a caller of the admin API sent, within its caps, by the schemas of the route. */
import type { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { ADMIN_LIMITS } from '../../core/limits/admin.ts';
import type { GatewayRequest } from '../ports.ts';
import type { Route } from './routes.ts';

/**
 * There are no cookies; a certificate of the client is shown by his browser all the same. Browsers say where a request comes
 * from, programs do not.
 * @throws GatewayError ADMIN_CROSS_SITE
 */
export function assertSameSite({ headers }: GatewayRequest): void {
  const site = headers['sec-fetch-site'];
  const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none';
  if (isForeign || headers.origin !== undefined) throw new GatewayError('ADMIN_CROSS_SITE');
}

/** @throws GatewayError ADMIN_QUERY_MALFORMED */
export function readQuery({ query }: GatewayRequest, route: Route): unknown {
  if (query.length > ADMIN_LIMITS.queryCharsMax) throw new GatewayError('ADMIN_QUERY_MALFORMED');
  const pairs: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name in pairs || route.query === undefined) {
      throw new GatewayError('ADMIN_QUERY_MALFORMED', { fields: { at: [toShown(name)] } });
    }
    pairs[name] = value;
  }
  return route.query === undefined ? {} : parse(route.query, { ...pairs }, 'ADMIN_QUERY_MALFORMED');
}

/** @throws GatewayError GATEWAY_BODY_TOO_LARGE | GATEWAY_CONTENT_TYPE | ADMIN_BODY_MALFORMED */
export function readBody({ body, headers }: GatewayRequest, route: Route): unknown {
  if (body.length > ADMIN_LIMITS.bodyBytesMax) {
    throw new GatewayError('GATEWAY_BODY_TOO_LARGE', { fields: { max: ADMIN_LIMITS.bodyBytesMax } });
  }
  if (route.body === undefined) {
    if (body.length > 0) throw new GatewayError('ADMIN_BODY_MALFORMED');
    return undefined;
  }
  // A form of a foreign page cannot be sent with this type.
  if (!/^application\/json *(; *charset=utf-8)?$/i.test(headers['content-type'] ?? '')) {
    throw new GatewayError('GATEWAY_CONTENT_TYPE');
  }
  return parse(route.body, parseJson(body), 'ADMIN_BODY_MALFORMED');
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    throw new GatewayError('ADMIN_BODY_MALFORMED', { fields: { at: ['(all)'] } });
  }
}

function parse(schema: z.ZodType, input: unknown, code: 'ADMIN_QUERY_MALFORMED' | 'ADMIN_BODY_MALFORMED'): unknown {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.flatMap((issue) => {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys : [undefined];
    return keys.map((key) => toShown([...issue.path, ...(key === undefined ? [] : [key])].map(String).join('.')));
  });
  throw new GatewayError(code, { fields: { at: [...new Set(places)].slice(0, ADMIN_LIMITS.placesMax) } });
}

/** Names come from the caller: what is no name is not said back. */
function toShown(place: string): string {
  if (place === '') return '(all)';
  return /^[A-Za-z0-9_.-]{1,64}$/.test(place) ? place : '(other)';
}
