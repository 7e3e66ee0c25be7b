/** A table of budgets in memory, and a book of a process that leases from it. */
import { GatewayError } from '../../src/core/errors.ts';
import { createBudgetBook } from '../../src/gateway/limits/budgets.ts';
import type { BudgetStore } from '../../src/gateway/limits/ports.ts';

export const DAY_MS = 86_400_000;

/** What a database keeps: grants are never more than what is left. */
export function createTable() {
  const used = new Map<string, number>();
  const state = { isAway: false, leases: 0 };
  const name = ({ subject, day }: { subject: string; day: number }): string => `${subject} ${day}`;
  const store: BudgetStore = {
    lease: (period, { items, limit }) => {
      if (state.isAway) return Promise.reject(new GatewayError('LIMITS_STORE_FAILED'));
      state.leases += 1;
      const before = used.get(name(period)) ?? 0;
      const granted = Math.max(0, Math.min(items, limit - before));
      used.set(name(period), before + granted);
      return Promise.resolve(granted);
    },
    giveBack: (returned) => {
      for (const one of returned) used.set(name(one), (used.get(name(one)) ?? 0) - one.items);
      return Promise.resolve();
    },
    readUsed: (periods) => Promise.resolve(periods.map((period) => used.get(name(period)) ?? 0)),
    forget: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return { store, state, used };
}

export function createBook(table = createTable(), nowMs = 10 * DAY_MS) {
  const clock = { now: nowMs };
  const told: string[] = [];
  const book = createBudgetBook({
    store: table.store,
    clock: { nowMs: () => clock.now },
    onTrouble: (code) => told.push(code),
  });
  return { ...table, book, clock, told };
}
