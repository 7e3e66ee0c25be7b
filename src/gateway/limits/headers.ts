/** What a caller is told of his limits (draft-ietf-httpapi-ratelimit-headers-10, and the names that came before it). */
import type { HeaderList, LimitVerdict } from '../ports.ts';
import type { PrincipalLimits } from '../principal.ts';

/**
 * `RateLimit-Policy`, `RateLimit`, `X-RateLimit-*`, and `Retry-After` for a refusal that ends some time. Times are whole seconds,
 * rounded up.
 */
export function toLimitHeaders({ perMinute }: PrincipalLimits, verdict: LimitVerdict): HeaderList {
  const { remaining, retryAfterMs, isAdmitted } = verdict;
  const resetSec = Math.ceil(verdict.resetMs / 1000);
  if (last.perMinute !== perMinute) last = toRateHeaders(perMinute);
  const headers: (readonly [string, string])[] = [
    last.policy,
    ['ratelimit', `"key";r=${remaining};t=${resetSec}`],
    last.limit,
    ['x-ratelimit-remaining', String(remaining)],
    ['x-ratelimit-reset', String(resetSec)],
  ];
  if (!isAdmitted && retryAfterMs !== null) headers.push(['retry-after', toSeconds(retryAfterMs)]);
  return headers;
}

/** What is the same for all requests of one rate; most are of the rate of the one before. */
interface RateHeaders {
  readonly perMinute: number;
  readonly policy: readonly [string, string];
  readonly limit: readonly [string, string];
}

function toRateHeaders(perMinute: number): RateHeaders {
  return {
    perMinute,
    policy: ['ratelimit-policy', `"key";q=${perMinute};w=60`],
    limit: ['x-ratelimit-limit', String(perMinute)],
  };
}

let last = toRateHeaders(0);

/** At least one second: "0" asks to be asked again at once. */
function toSeconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)));
}
