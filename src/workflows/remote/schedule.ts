/** Which questions go out in which order, mixed with other traffic (docs/spec/remote-check.md §5). */
import { createPermutation } from '../../core/prf.ts';
import { STREAM_DOMAIN } from '../../watermark/seeds.ts';

/** One query: a question of the set, or one of the normal inputs that it hides among. */
export interface Item {
  readonly kind: 'question' | 'normal';
  readonly index: number;
}

export interface ScheduleOptions {
  /** Queries that may be spent in all, retries included. */
  readonly budget: number;
  /** Questions that the set has. */
  readonly questions: number;
  /** Normal inputs at hand. */
  readonly normal: number;
}

export interface Amounts {
  readonly questions: number;
  readonly normal: number;
}

/** Kept back for retries, as a share of the budget. */
const RESERVE_SHARE = 0.02;

/** As many questions as the budget has room for, and normal inputs in what is left, never more than questions. */
export function toAmounts({ budget, questions, normal }: ScheduleOptions): Amounts {
  const usable = budget - Math.ceil(budget * RESERVE_SHARE);
  const asked = Math.max(0, Math.min(questions, usable));
  return { questions: asked, normal: Math.min(normal, usable - asked, asked) };
}

/** @param nonce 32 random bytes, which give the order; who does not know them cannot tell the next query from others */
export function toSchedule(nonce: Uint8Array, { questions, normal }: Amounts): readonly Item[] {
  const total = questions + normal;
  if (total === 0) return [];
  const order = createPermutation(nonce, STREAM_DOMAIN.remoteOrder, total);
  return Array.from({ length: total }, (_, at): Item => {
    const item = order.forward(at);
    return item < questions ? { kind: 'question', index: item } : { kind: 'normal', index: item - questions };
  });
}
