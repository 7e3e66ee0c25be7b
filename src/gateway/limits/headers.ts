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
  const headers: [string, string][] = [
    ['ratelimit-policy', `"key";q=${perMinute};w=60`],
    ['ratelimit', `"key";r=${remaining};t=${resetSec}`],
    ['x-ratelimit-limit', String(perMinute)],
    ['x-ratelimit-remaining', String(remaining)],
    ['x-ratelimit-reset', String(resetSec)],
  ];
  if (!isAdmitted && retryAfterMs !== null) headers.push(['retry-after', toSeconds(retryAfterMs)]);
  return headers;
}

/** At least one second: "0" asks to be asked again at once. */
function toSeconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)));
}
