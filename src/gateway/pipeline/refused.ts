/** Callers above their rate: until they may ask again, nothing that they send is read. */
import type { LimitVerdict } from '../ports.ts';

/** Beyond so many all are forgotten: then the rate itself says again who is above it. */
const CALLERS_MAX = 10_000;

interface Refused {
  readonly untilUs: number;
  readonly resetUs: number;
}

/**
 * What a rate has said holds for a while (GCRA: nothing comes back before). Without this memory a caller above his rate would have
 * each of his bodies read, only to be refused.
 */
export class RefusedCallers {
  readonly #nowUs: () => number;
  readonly #byId = new Map<string, Refused>();

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  /** @param verdict of any kind; one that the rate refused is kept */
  note(id: string, { refusedBy, retryAfterMs, resetMs }: LimitVerdict): void {
    if (refusedBy !== 'rate' || retryAfterMs === null || retryAfterMs <= 0) return;
    if (this.#byId.size >= CALLERS_MAX) this.#byId.clear();
    const nowUs = this.#nowUs();
    this.#byId.set(id, { untilUs: nowUs + retryAfterMs * 1000, resetUs: nowUs + resetMs * 1000 });
  }

  /** The refusal that still holds; null for callers who may try. */
  find(id: string): LimitVerdict | null {
    if (this.#byId.size === 0) return null;
    const refused = this.#byId.get(id);
    if (refused === undefined) return null;
    const nowUs = this.#nowUs();
    if (nowUs >= refused.untilUs) {
      this.#byId.delete(id);
      return null;
    }
    const [retryAfterMs, resetMs] = [refused.untilUs, refused.resetUs].map((us) => Math.ceil((us - nowUs) / 1000));
    return { isAdmitted: false, refusedBy: 'rate', retryAfterMs, remaining: 0, resetMs, refund: () => undefined };
  }
}
