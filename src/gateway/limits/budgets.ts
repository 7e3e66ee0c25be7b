/**
 * Budgets in items, of a day (UTC) and of all time. What was used is in a database; a process takes a part in advance and counts
 * it in memory. A process that is killed loses the rest of its part: the budget is short by that, and never exceeded.
 */
import { ModelwardError } from '../../core/errors.ts';
import { RATE_LIMITS as CAPS } from '../../core/limits/api-keys.ts';
import type { Clock } from '../../core/ports.ts';
import {
  type BudgetAsk,
  type BudgetOutcome,
  fillSlot,
  findRefusal,
  findSlot,
  isPartDue,
  NO_ROOM,
  type Slot,
  takeFrom,
  toDay,
  toSlotName,
} from './budget-slots.ts';
import type { BudgetStore } from './ports.ts';

export interface BudgetBook {
  /** All of the budgets, or none. A value where the parts at hand are enough. Never throws or rejects. */
  take(asks: readonly BudgetAsk[], items: number): BudgetOutcome | Promise<BudgetOutcome>;
  /** Gives back parts that nobody uses; to be called every few seconds. Never rejects. */
  tidy(): Promise<void>;
  /** Gives all parts back. */
  close(): Promise<void>;
}

/** One request asks so often: each time some of those that wait with it are served, or the store says that there is no more. */
const ROUNDS = 8;
/** What was used of earlier days is kept so long, for the operator, and for clocks that are set back. */
const DAYS_KEPT = 35;

export interface BudgetBookOptions {
  readonly store: BudgetStore;
  readonly clock: Clock;
  /** Told the code when parts cannot be had or given back. */
  readonly onTrouble: (code: string) => void;
}

export function createBudgetBook(options: BudgetBookOptions): BudgetBook {
  return new LeasedBudgets(options);
}

class LeasedBudgets implements BudgetBook {
  readonly #store: BudgetStore;
  readonly #clock: Clock;
  readonly #onTrouble: (code: string) => void;
  readonly #slots = new Map<string, Slot>();
  #forgotOn = -1;

  constructor({ store, clock, onTrouble }: BudgetBookOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#onTrouble = onTrouble;
  }

  take(asks: readonly BudgetAsk[], items: number): BudgetOutcome | Promise<BudgetOutcome> {
    const nowMs = this.#clock.nowMs();
    const slots = this.#find(asks, nowMs);
    if (slots === null) return NO_ROOM;
    let isShort = false;
    for (const slot of slots) isShort ||= slot.left < items;
    if (isShort) return findRefusal(slots, items, nowMs) ?? this.#takeLater(asks, items, slots);
    for (const slot of slots) if (isPartDue(slot, items, nowMs)) void this.#lease(slot);
    return takeFrom(slots, items, nowMs);
  }

  async tidy(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const idle = [...this.#slots.values()].filter(
      ({ usedMs, leasing }) => leasing === null && Math.abs(nowMs - usedMs) >= CAPS.leaseIdleMs,
    );
    for (const slot of idle) this.#slots.delete(toSlotName(slot));
    await this.#giveBack(idle);
    const today = toDay(nowMs);
    if (today === this.#forgotOn) return;
    this.#forgotOn = today;
    await this.#store.forget(today - DAYS_KEPT).catch(this.#tell);
  }

  async close(): Promise<void> {
    const all = [...this.#slots.values()];
    this.#slots.clear();
    await Promise.all(all.flatMap(({ leasing }) => leasing ?? []));
    await this.#giveBack(all);
    await this.#store.close();
  }

  readonly #tell = (error: unknown): void => {
    this.#onTrouble(error instanceof ModelwardError ? error.code : 'UNKNOWN');
  };

  /** Null when there is no room for another one. */
  #find(asks: readonly BudgetAsk[], nowMs: number): Slot[] | null {
    const found: Slot[] = [];
    for (const ask of asks) {
      const slot = findSlot(this.#slots, ask, nowMs);
      if (slot === null) return null;
      found.push(slot);
    }
    return found;
  }

  #lease(slot: Slot): Promise<void> {
    return (slot.leasing ??= fillSlot(slot, { store: this.#store, clock: this.#clock, tell: this.#tell }));
  }

  async #takeLater(asks: readonly BudgetAsk[], items: number, waitedFor: readonly Slot[]): Promise<BudgetOutcome> {
    for (const slot of waitedFor) {
      slot.waiters += 1;
      slot.wanted += items;
    }
    try {
      return await this.#takeInRounds(asks, items);
    } finally {
      for (const slot of waitedFor) {
        slot.waiters -= 1;
        slot.wanted -= items;
      }
    }
  }

  async #takeInRounds(asks: readonly BudgetAsk[], items: number): Promise<BudgetOutcome> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const nowMs = this.#clock.nowMs();
      const found = this.#find(asks, nowMs);
      if (found === null) return NO_ROOM;
      const short = found.filter(({ left }) => left < items);
      if (short.length === 0) return takeFrom(found, items, nowMs);
      const refused = findRefusal(short, items, nowMs);
      if (refused !== null) return refused;
      await Promise.all(short.map((slot) => this.#lease(slot)));
    }
    return NO_ROOM;
  }

  async #giveBack(slots: readonly Slot[]): Promise<void> {
    const returned = slots
      .filter(({ left }) => left > 0)
      .map(({ subject, day, left: items }) => ({ subject, day, items }));
    // Taken out first: what is given back and used as well would be counted once.
    for (const slot of slots) slot.left = 0;
    if (returned.length > 0) await this.#store.giveBack(returned).catch(this.#tell);
  }
}
