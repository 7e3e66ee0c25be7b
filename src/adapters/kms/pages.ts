/** Lists that a key service hands out page by page. */
import { SEAL_LIMITS } from '../../core/limits/seal.ts';
import { toMalformed } from './service.ts';

export interface Page<T, N> {
  readonly items: readonly T[];
  /** Where the next page is; null behind the last one. */
  readonly next: N | null;
}

/**
 * All items, or the pages that hold the first `SEAL_LIMITS.keyVersionsMax` of them.
 * @param ask for the page at `next`, null for the first
 * @throws SealError KEY_SERVICE_MALFORMED for pages without end, which may be empty ones; what `ask` throws
 */
export async function readPages<T, N>(ask: (next: N | null) => Promise<Page<T, N>>, host: string): Promise<T[]> {
  const found: T[] = [];
  let next: N | null = null;
  for (let pages = 0; pages < SEAL_LIMITS.keyServicePagesMax; pages++) {
    const page: Page<T, N> = await ask(next);
    found.push(...page.items);
    if (page.next === null || found.length >= SEAL_LIMITS.keyVersionsMax) return found;
    ({ next } = page);
  }
  throw toMalformed({ host, at: 'pages' });
}
