/** Counts a request against everything that bounds it: budgets of key, tenant and model, then the rate of the key. */
import type { Cost, Limiter, LimitVerdict } from '../ports.ts';
import type { Principal } from '../principal.ts';
import { type BudgetAsk, type BudgetOutcome, type BudgetReceipt, isRefusal } from './budget-slots.ts';
import type { BudgetBook } from './budgets.ts';
import type { RateStore, RateTake } from './ports.ts';

/** Budgets of a configuration. */
export interface BudgetLimits {
  readonly daily: number | null;
  readonly lifetime: number | null;
}

export interface LimiterOptions {
  readonly rates: RateStore;
  /** Null where nothing has a budget. */
  readonly budgets: BudgetBook | null;
  /** By name of the tenant: over all of its callers. */
  readonly tenants: ReadonlyMap<string, BudgetLimits>;
  /** By name of the model: over all callers. */
  readonly models: ReadonlyMap<string, BudgetLimits>;
}

/** @throws nothing: a store that fails is a refusal */
export function createLimiter(options: LimiterOptions): Limiter {
  const { rates, budgets } = options;
  return {
    charge: (principal, model, cost) => {
      const asks = budgets === null ? NONE : listAsks(options, principal, model);
      if (asks.length === 0) return takeRate(rates, principal, null);
      const outcome = budgets!.take(asks, toItems(cost));
      if (outcome instanceof Promise) return outcome.then((one) => whenBudgeted(rates, principal, one));
      return whenBudgeted(rates, principal, outcome);
    },
  };
}

/** Anything but a whole number of items is the caller's doing, and costs one at least. */
function toItems({ items }: Cost): number {
  return Number.isSafeInteger(items) && items > 1 ? items : 1;
}

function listAsks({ tenants, models }: LimiterOptions, principal: Principal, model: string): readonly BudgetAsk[] {
  const { id, tenant, limits } = principal;
  const ofTenant = tenants.get(tenant);
  const ofModel = models.get(model);
  if (limits.daily === null && limits.lifetime === null && ofTenant === undefined && ofModel === undefined) return NONE;
  const asks: BudgetAsk[] = [];
  addAsks(asks, id, limits);
  if (ofTenant !== undefined) addAsks(asks, `tenant:${tenant}`, ofTenant);
  if (ofModel !== undefined) addAsks(asks, `model:${model}`, ofModel);
  return asks;
}

const NONE: readonly BudgetAsk[] = [];

function addAsks(asks: BudgetAsk[], subject: string, { daily, lifetime }: BudgetLimits): void {
  if (daily !== null) asks.push({ subject, kind: 'daily', limit: daily });
  if (lifetime !== null) asks.push({ subject, kind: 'lifetime', limit: lifetime });
}

function whenBudgeted(
  rates: RateStore,
  principal: Principal,
  outcome: BudgetOutcome,
): LimitVerdict | Promise<LimitVerdict> {
  if (!isRefusal(outcome)) return takeRate(rates, principal, outcome);
  const { by, retryAfterMs } = outcome;
  return { isAdmitted: false, refusedBy: by, retryAfterMs, remaining: 0, resetMs: retryAfterMs ?? 0, refund: nothing };
}

function takeRate(
  rates: RateStore,
  principal: Principal,
  receipt: BudgetReceipt | null,
): LimitVerdict | Promise<LimitVerdict> {
  const onFailure = (): LimitVerdict => {
    receipt?.giveBack();
    return STORE_AWAY;
  };
  try {
    const take = rates.take(principal.id, principal.limits);
    if (!(take instanceof Promise)) return toVerdict(rates, principal, receipt, take);
    return take.then((one) => toVerdict(rates, principal, receipt, one), onFailure);
  } catch {
    return onFailure();
  }
}

function toVerdict(
  rates: RateStore,
  principal: Principal,
  receipt: BudgetReceipt | null,
  take: RateTake,
): LimitVerdict {
  if (take.isAdmitted) return new Admitted(rates, principal, receipt, take);
  receipt?.giveBack();
  const { remaining, retryAfterMs, resetMs } = take;
  return { isAdmitted: false, refusedBy: 'rate', retryAfterMs, remaining, resetMs, refund: nothing };
}

const nothing = (): void => undefined;

const STORE_AWAY: LimitVerdict = {
  isAdmitted: false,
  refusedBy: 'store',
  retryAfterMs: 1000,
  remaining: 0,
  resetMs: 1000,
  refund: nothing,
};

class Admitted implements LimitVerdict {
  readonly isAdmitted = true;
  readonly refusedBy = null;
  readonly retryAfterMs = 0;
  readonly remaining: number;
  readonly resetMs: number;
  readonly #rates: RateStore;
  readonly #principal: Principal;
  readonly #receipt: BudgetReceipt | null;
  #isRefunded = false;

  constructor(rates: RateStore, principal: Principal, receipt: BudgetReceipt | null, take: RateTake) {
    this.#rates = rates;
    this.#principal = principal;
    this.#receipt = receipt;
    this.remaining = take.remaining;
    this.resetMs = take.resetMs;
  }

  refund(what: 'all' | 'budget'): void {
    if (this.#isRefunded) return;
    this.#isRefunded = true;
    this.#receipt?.giveBack();
    if (what === 'all') this.#rates.refund(this.#principal.id, this.#principal.limits);
  }
}
