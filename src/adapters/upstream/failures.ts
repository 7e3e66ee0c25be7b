/** What went wrong on the line, as one of the codes that callers are told; the reason stays inside. */
import { GatewayError } from '../../core/errors.ts';

/** Closed list; of logs and tests, never of answers. */
export type Reason =
  | 'address'
  | 'body'
  | 'closing'
  | 'coding'
  | 'connect'
  | 'cut'
  | 'framing'
  | 'head'
  | 'name'
  | 'pin'
  | 'plaintext'
  | 'redirect'
  | 'refused'
  | 'reset'
  | 'stall'
  | 'tls';

export function toUnreachable(reason: Reason, cause?: unknown): GatewayError {
  return new GatewayError('GATEWAY_UPSTREAM_UNREACHABLE', { fields: { reason }, cause });
}

export function toMalformed(reason: Reason, cause?: unknown): GatewayError {
  return new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: { reason }, cause });
}

export function toTimeout(reason: Reason): GatewayError {
  return new GatewayError('GATEWAY_UPSTREAM_TIMEOUT', { fields: { reason } });
}

/** More requests than the line takes. */
export function toOverloaded(): GatewayError {
  return new GatewayError('GATEWAY_OVERLOADED', { fields: { retryAfterMs: 1000 } });
}

export function toTooLarge(most: number): GatewayError {
  return new GatewayError('GATEWAY_ANSWER_TOO_LARGE', { fields: { max: most } });
}

/** Whoever asked is gone. */
export function toGone(): GatewayError {
  return new GatewayError('GATEWAY_STREAM_CUT');
}

/** Bytes that are no HTTP/2, whatever the phase. */
const MALFORMED: ReadonlySet<string> = new Set([
  'ERR_HTTP2_STREAM_ERROR',
  'ERR_HTTP2_SESSION_ERROR',
  'ERR_HTTP2_ERROR',
]);

const LOST: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/**
 * @param hasHead whether the head of the answer was there: then it is an answer that was cut off
 * @returns the error itself where it is none of the line's
 */
export function toFailure(error: unknown, hasHead: boolean): unknown {
  if (error instanceof GatewayError || !(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (MALFORMED.has(code)) return toMalformed('framing', error);
  if (LOST.has(code)) return hasHead ? toMalformed('cut', error) : toUnreachable('reset', error);
  // TLS alerts in the middle of a connection, such as that of a server which wants a certificate (TLS 1.3).
  return code.startsWith('ERR_SSL_') ? toUnreachable('tls', error) : error;
}

/** Nobody listened: no byte was sent. */
export function isRefused(error: unknown): boolean {
  return error instanceof GatewayError && error.fields.reason === 'refused';
}
