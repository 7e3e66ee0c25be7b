/** Tables and counters of a gateway, by what its configuration names. */
import type { GatewayConfig } from '../../../../gateway/index.ts';
import type { ApiKeyStore, BudgetStore, RateCounter } from '../../../../gateway/ports.ts';
import type { CliContext } from '../../../context.ts';
import { type DatabaseAddress, openBudgets, openKeyTable } from '../../apikey/compose.ts';
import { openRateCounter } from './compose.ts';
import { chooseDatabases } from './database.ts';

export interface OpenedStores {
  readonly keys: ApiKeyStore;
  readonly budgets: BudgetStore;
  /** Null where this process counts rates. */
  readonly counter: RateCounter | null;
  /** Where the log of requests goes. */
  readonly log: DatabaseAddress;
  /** Never throws. */
  close(): Promise<void>;
}

/**
 * @throws DatabaseError; GatewayError LIMITS_URL_MALFORMED | LIMITS_PACKAGE_MISSING; CliError of files with secrets; SourceError.
 *   What was opened is closed again.
 */
export async function openStores(
  context: CliContext,
  { database, limits }: Pick<GatewayConfig, 'database' | 'limits'>,
): Promise<OpenedStores> {
  const { services } = context;
  const opened: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> } | null>(one: T): T => {
    if (one !== null) opened.push(one);
    return one;
  };
  const close = async (): Promise<void> => {
    await Promise.allSettled(opened.map((one) => one.close()));
  };
  try {
    const places = await chooseDatabases(context, database);
    const counter = keep(await openRateCounter(context, limits.store));
    const keys = keep(await openKeyTable(services, places.keys));
    const budgets = keep(await openBudgets(services, places.keys));
    return { keys, budgets, counter, log: places.log, close };
  } catch (error) {
    await close();
    throw error;
  }
}
