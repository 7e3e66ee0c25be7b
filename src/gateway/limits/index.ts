/** How much may be asked: rates, budgets, requests at a time, and addresses that show no credential. */
export { type AddressLimiter, createAddressLimiter } from './addresses.ts';
export { toDay } from './budget-slots.ts';
export { type BudgetBook, createBudgetBook } from './budgets.ts';
export { createCounterRates } from './counter-rates.ts';
export { createFailoverRates, type FailoverOptions } from './failover.ts';
export { toLimitHeaders } from './headers.ts';
export { type BudgetLimits, createLimiter, type LimiterOptions } from './limiter.ts';
export { createAddressRelay, createLineAddresses } from './line-addresses.ts';
export { createLinePermits, servePermits } from './line-permits.ts';
export { isOfProtocol } from './line-questions.ts';
export { createLineRates, serveRates } from './line-rates.ts';
export { MemoryRates } from './memory-rates.ts';
export { createPermits, type LocalPermits, type Permit, type PermitAsk, type Permits } from './permits.ts';
