/** How much may be asked: rates, budgets, and addresses that show no credential. */
import {
  type BudgetBook,
  createAddressLimiter,
  createBudgetBook,
  createLimiter,
  createLimiterMeter,
  type GatewayConfig,
} from '../../../gateway/index.ts';
import type { Limiter } from '../../../gateway/ports.ts';
import { type GatewayHost, toTeller } from './host.ts';
import { openRates } from './rates.ts';

const TIDY_MS = 5000;

export interface OpenedLimits {
  /** By the budgets of a configuration; rates and what was used of budgets live on. */
  toLimiter(config: GatewayConfig): Limiter;
  /** Gives back the parts of budgets that were not used. */
  close(): Promise<void>;
}

export function openLimits(config: GatewayConfig, host: GatewayHost, signal: AbortSignal): OpenedLimits {
  const budgets = createBudgetBook({ store: host.budgets, clock: host.clock, onTrouble: toTeller(host, 'budgets') });
  void tidyBudgets(host, budgets, signal);
  const rates = openRates(config, host);
  const meter = createLimiterMeter(host.operations.registry);
  return {
    toLimiter: (of) => {
      const { tenants, models } = toBudgetLimits(of);
      return meter(createLimiter({ rates, budgets, tenants, models }));
    },
    close: async () => {
      await Promise.all([budgets.close(), rates.close()]);
    },
  };
}

/** Parts of budgets that nobody uses go back, for other processes. */
async function tidyBudgets({ pause }: GatewayHost, budgets: BudgetBook, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(TIDY_MS, signal);
    if (!isEnding(signal)) await budgets.tidy();
  }
}

/** Asked anew after a wait; in the end all parts go back, and the store is closed. */
function isEnding(signal: AbortSignal): boolean {
  return signal.aborted;
}

export function toAddresses({ limits: { failuresPerMinute } }: GatewayConfig, { nowUs, cluster }: GatewayHost) {
  const own = createAddressLimiter({ policy: { perMinute: failuresPerMinute, burst: failuresPerMinute }, nowUs });
  return cluster?.share(own) ?? own;
}

/** Budgets of a configuration, by names of tenants and models. */
export function toBudgetLimits({ tenants, budgets }: Pick<GatewayConfig, 'tenants' | 'budgets'>) {
  const read = (record: GatewayConfig['budgets']) =>
    new Map(
      Object.entries(record).map(([name, { daily = null, lifetime = null }]) => [name, { daily, lifetime }] as const),
    );
  return { tenants: read(tenants), models: read(budgets) };
}
