/** Where rates are counted: in this process, or in a store for several machines. */
import { createCounterRates, createFailoverRates, type GatewayConfig, MemoryRates } from '../../../gateway/index.ts';
import type { RateStore } from '../../../gateway/ports.ts';
import type { GatewayHost } from './host.ts';

const PART = 'store of rates';

export function openRates({ limits: { store }, workers }: GatewayConfig, host: GatewayHost): RateStore {
  const { nowUs, onTrouble, shared, cluster } = host;
  if (store.kind === 'memory' || shared.counter === null) return cluster?.rates ?? new MemoryRates({ nowUs });
  const { machines, whenAway } = store;
  return createFailoverRates({
    store: createCounterRates(shared.counter),
    ...{ processes: machines * workers, whenAway, nowUs },
    onChange: (code) => {
      if (code === null) shared.onRecovered(PART);
      else onTrouble(code, PART);
    },
  });
}
