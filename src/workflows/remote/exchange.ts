/** One request and what became of it: attempts, waits between them, and what a status means (docs/spec/remote-check.md §5.3). */
import { RemoteError } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import type { Pause, Random } from '../../core/ports.ts';
import type { Endpoint, EndpointReply } from '../../watermark/ports.ts';

export interface ExchangeOptions {
  readonly endpoint: Endpoint;
  readonly pause: Pause;
  readonly random: Random;
  readonly timeoutMs: number;
  /** Takes the queries of one attempt off the budget; false when there is none left for them. */
  readonly spend: () => boolean;
}

export type Exchange =
  | { readonly kind: 'reply'; readonly body: Uint8Array }
  /** The server said that this question is wrong; asking again changes nothing. */
  | { readonly kind: 'refused' }
  /** The reply is none that an answer could be in. */
  | { readonly kind: 'malformed' }
  /** Every attempt failed. */
  | { readonly kind: 'failed'; readonly error: RemoteError }
  | { readonly kind: 'budget' };

/** Statuses after which nobody is asked any more. */
const DENIED = new Set([401, 403, 404, 405, 407, 410, 451]);
/** Statuses that pass. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** @throws RemoteError REMOTE_DENIED | REMOTE_REDIRECTED | REMOTE_TLS_REFUSED: the whole check is over */
export async function exchange(body: Uint8Array, options: ExchangeOptions): Promise<Exchange> {
  const { endpoint, pause, timeoutMs, spend } = options;
  let last = new RemoteError('REMOTE_UNREACHABLE', { fields: { host: endpoint.label } });
  for (let attempt = 1; attempt <= REMOTE_LIMITS.attemptsMax; attempt++) {
    if (!spend()) return { kind: 'budget' };
    const outcome = await post(endpoint, body, timeoutMs);
    if (!('retryAfterMs' in outcome)) return outcome;
    last = outcome.error;
    if (attempt === REMOTE_LIMITS.attemptsMax) break;
    await pause(outcome.retryAfterMs ?? toJittered(REMOTE_LIMITS.backOffMs * 2 ** (attempt - 1), options.random));
  }
  return { kind: 'failed', error: last };
}

interface Again {
  readonly retryAfterMs: number | null;
  readonly error: RemoteError;
}

async function post(endpoint: Endpoint, body: Uint8Array, timeoutMs: number): Promise<Exchange | Again> {
  let reply: EndpointReply;
  try {
    reply = await endpoint.post({ body, contentType: 'application/json', timeoutMs });
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    if (error.code === 'REMOTE_REPLY_TOO_LARGE') return { kind: 'malformed' };
    if (error.code === 'REMOTE_UNREACHABLE' || error.code === 'REMOTE_TIMEOUT') return { retryAfterMs: null, error };
    throw error;
  }
  const { status, retryAfterMs } = reply;
  const fields = { host: endpoint.label, status };
  if (status >= 200 && status < 300) return { kind: 'reply', body: reply.body };
  if (DENIED.has(status)) throw new RemoteError('REMOTE_DENIED', { fields });
  if (PASSING.has(status)) return { retryAfterMs, error: new RemoteError('REMOTE_UNREACHABLE', { fields }) };
  return { kind: 'refused' };
}

/** Between half and one and a half of `ms`: evenly spaced queries give themselves away, and retries would come together. */
export function toJittered(ms: number, random: Random): number {
  const bytes = new Uint8Array(4);
  random.fill(bytes);
  const unit = new DataView(bytes.buffer).getUint32(0) / 2 ** 32;
  return Math.round(ms * (0.5 + unit));
}
