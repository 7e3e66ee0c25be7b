/** How many requests of one caller are at work at a time. */
import { RATE_LIMITS } from '../../core/limits/api-keys.ts';
import type { Principal } from '../principal.ts';

/** One request at work. */
export interface Permit {
  /** Gives the place back; again is nothing. Never throws. */
  release(): void;
}

/** As much of a caller as is needed. */
export interface PermitAsk {
  readonly id: string;
  readonly limits: Pick<Principal['limits'], 'concurrency'>;
}

export interface Permits {
  /**
   * Null when the caller has as many at work as he may. A value where it is known at once.
   * @throws GatewayError LIMITS_STORE_FAILED where another process counts, and does not answer
   */
  acquire(principal: PermitAsk): Permit | null | Promise<Permit | null>;
  /** Requests at work, of all callers, in this process. */
  readonly count: number;
}

/** Counted in this process. */
export interface LocalPermits extends Permits {
  acquire(principal: PermitAsk): Permit | null;
}

/** @param processes over which callers are spread: each lets its part be at work, at least one */
export function createPermits(processes = 1): LocalPermits {
  const atWork = new Map<string, number>();
  let count = 0;
  const free = (id: string): void => {
    const left = (atWork.get(id) ?? 0) - 1;
    count -= 1;
    if (left <= 0) atWork.delete(id);
    else atWork.set(id, left);
  };
  return {
    acquire: ({ id, limits }) => {
      const used = atWork.get(id) ?? 0;
      const most = processes === 1 ? limits.concurrency : Math.max(1, Math.floor(limits.concurrency / processes));
      if (used >= most || (used === 0 && atWork.size >= RATE_LIMITS.subjectsMax)) return null;
      atWork.set(id, used + 1);
      count += 1;
      return new HeldPermit(id, free);
    },
    get count() {
      return count;
    },
  };
}

class HeldPermit implements Permit {
  readonly #id: string;
  #free: ((id: string) => void) | null;

  constructor(id: string, free: (id: string) => void) {
    this.#id = id;
    this.#free = free;
  }

  release(): void {
    const free = this.#free;
    this.#free = null;
    free?.(this.#id);
  }
}
