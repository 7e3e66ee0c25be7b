/** Parts of a gateway that have no say in a test: rates are those of keys alone, nothing is sealed, told or measured. */
import { createLimiter, MemoryRates } from '../../src/gateway/limits/index.ts';
import type { GatewayParts } from '../../src/gateway/pipeline/parts.ts';
import type { LogRow, Principal } from '../../src/gateway/ports.ts';

export const readNowUs = (): number => Math.round(performance.now() * 1000);

/** @param rows where rows of the log go */
export function makeBareParts(rows: LogRow[]) {
  const rates = new MemoryRates({ nowUs: readNowUs });
  return {
    limiter: createLimiter({ rates, budgets: null, tenants: new Map(), models: new Map() }),
    sealer: { toHeaders: () => [], toParameters: () => undefined, toLastEvent: () => null },
    log: { append: (row: LogRow) => ({ stream: 's', index: rows.push(row) - 1 }) },
    meter: { onAnswer: () => undefined },
    settings: { name: 'modelward', version: '1', isHealthOpen: false, batchMax: 8, hashKey: null },
    makeRequestId: () => '00000000-0000-7000-8000-000000000000',
    ...{ nowMs: () => 0, nowUs: readNowUs },
  } satisfies Partial<GatewayParts>;
}

/** Knows one caller, by the key "good". */
export const makeGoodIdentifier = (principal: Principal): GatewayParts['identifier'] => ({
  identify: ({ headers }) =>
    headers.authorization === 'Bearer good'
      ? { isKnown: true, principal }
      : { isKnown: false, code: 'GATEWAY_CREDENTIAL_INVALID' },
});
