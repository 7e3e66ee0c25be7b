/** One budget of one subject, as far as this process has a part of it. */
import { RATE_LIMITS as CAPS } from '../../core/limits/api-keys.ts';
import type { Clock } from '../../core/ports.ts';
import type { BudgetStore } from './ports.ts';

/** What may be used by one subject. */
export interface BudgetAsk {
  /** `key:…`, `tenant:…`, `model:…`. */
  readonly subject: string;
  readonly kind: 'daily' | 'lifetime';
  readonly limit: number;
}

export interface BudgetRefusal {
  readonly by: 'daily' | 'lifetime' | 'store';
  readonly retryAfterMs: number | null;
}

/** What was taken, to be given back when the gateway fails. */
export interface BudgetReceipt {
  giveBack(): void;
}

export type BudgetOutcome = BudgetReceipt | BudgetRefusal;

export function isRefusal(outcome: BudgetOutcome): outcome is BudgetRefusal {
  return 'by' in outcome;
}

const DAY_MS = 86_400_000;
const ALL_TIME = -1;

export interface Slot {
  readonly subject: string;
  readonly kind: 'daily' | 'lifetime';
  day: number;
  /** Of the part at hand. */
  left: number;
  limit: number;
  usedMs: number;
  /** The store had no more, or did not answer: not asked again before. */
  emptyUntilMs: number;
  failedUntilMs: number;
  leasing: Promise<void> | null;
  /** Requests that wait for a part, and the items that they want together. */
  waiters: number;
  wanted: number;
}

/** Of a lot of small limits one item is asked for at a time, of large ones half a percent. */
function toPart(limit: number): number {
  return Math.min(CAPS.leaseMax, Math.max(1, Math.ceil(limit * CAPS.leasePart)));
}

export function toDay(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS);
}

export function toSlotName({ subject, kind }: Pick<Slot, 'subject' | 'kind'>): string {
  return `${kind} ${subject}`;
}

/** Null when too many are kept. */
export function findSlot(slots: Map<string, Slot>, { subject, kind, limit }: BudgetAsk, nowMs: number): Slot | null {
  const name = toSlotName({ subject, kind });
  const day = kind === 'daily' ? toDay(nowMs) : ALL_TIME;
  let slot = slots.get(name);
  if (slot?.day !== day) {
    if (slot === undefined && slots.size >= CAPS.subjectsMax) return null;
    const times = { usedMs: nowMs, emptyUntilMs: 0, failedUntilMs: 0 };
    // A lease that is still under way belongs to the old day, and is left with it.
    slot = { subject, kind, day, left: 0, limit, ...times, leasing: null, waiters: 0, wanted: 0 };
    slots.set(name, slot);
  }
  if (slot.limit !== limit) {
    // Raised or lowered meanwhile: what was leased counts all the same, and the store is asked anew.
    slot.limit = limit;
    slot.emptyUntilMs = 0;
  }
  return slot;
}

/** A moment that is further away than it ever was set: the clock was set back, and nobody waits for that. */
function isBefore(nowMs: number, untilMs: number): boolean {
  return nowMs < untilMs && untilMs - nowMs <= CAPS.budgetRetryMs;
}

/** The next part is fetched before this one ends, so that few requests wait. */
export function isPartDue(slot: Slot, items: number, nowMs: number): boolean {
  if (slot.leasing !== null || slot.left - items >= toPart(slot.limit) / 2) return false;
  return !isBefore(nowMs, slot.emptyUntilMs) && !isBefore(nowMs, slot.failedUntilMs);
}

export interface FillOptions {
  readonly store: BudgetStore;
  readonly clock: Clock;
  readonly tell: (error: unknown) => void;
}

/** Never rejects. */
export async function fillSlot(slot: Slot, { store, clock, tell }: FillOptions): Promise<void> {
  const { subject, day, limit } = slot;
  const wanted = Math.max(Math.min(limit, slot.wanted - slot.left), toPart(limit));
  try {
    const granted = await store.lease({ subject, day }, { items: wanted, limit });
    slot.left += granted;
    if (granted < wanted) slot.emptyUntilMs = clock.nowMs() + CAPS.budgetRetryMs;
  } catch (error) {
    slot.failedUntilMs = clock.nowMs() + CAPS.budgetRetryMs;
    tell(error);
  } finally {
    slot.leasing = null;
  }
}

/** Null when it is worth asking the store. */
export function findRefusal(slots: readonly Slot[], items: number, nowMs: number): BudgetRefusal | null {
  for (const slot of slots) {
    if (slot.left >= items) continue;
    if (isBefore(nowMs, slot.failedUntilMs) || slot.waiters >= CAPS.leaseWaitersMax) return NO_ROOM;
    if (items > slot.limit) return { by: slot.kind, retryAfterMs: null };
    if (isBefore(nowMs, slot.emptyUntilMs)) {
      return { by: slot.kind, retryAfterMs: slot.kind === 'daily' ? DAY_MS - (nowMs % DAY_MS) : null };
    }
  }
  return null;
}

export const NO_ROOM: BudgetRefusal = { by: 'store', retryAfterMs: CAPS.budgetRetryMs };

export function takeFrom(slots: readonly Slot[], items: number, nowMs: number): BudgetReceipt {
  for (const slot of slots) {
    slot.left -= items;
    slot.usedMs = nowMs;
  }
  return new Taken(slots, items);
}

class Taken implements BudgetReceipt {
  #slots: readonly Slot[];
  readonly #items: number;

  constructor(slots: readonly Slot[], items: number) {
    this.#slots = slots;
    this.#items = items;
  }

  giveBack(): void {
    for (const slot of this.#slots) slot.left += this.#items;
    this.#slots = [];
  }
}
