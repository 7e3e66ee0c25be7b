/** Puts the databases of API keys and budgets in. */
import { join } from 'node:path';
import type { DatabaseAddress } from '../../../adapters/database/index.ts';
import type { Database, DatabaseArea } from '../../../core/database.ts';
import { toApiKeyRecord } from '../../../gateway/index.ts';
import type { ApiKeyStore, BudgetStore } from '../../../gateway/ports.ts';
import type { Services } from '../../../workflows/services.ts';
import { pause } from '../../compose.ts';

export type { DatabaseAddress };

/** @throws DatabaseError DATABASE_URL_MALFORMED | DATABASE_PASSWORD_EXPOSED */
export async function readKeyTableAddress(
  text: string,
  options: { readonly isPasswordAllowed: boolean; readonly toAbsolute: (path: string) => string },
): Promise<DatabaseAddress> {
  const { parseDatabaseAddress } = await import('../../../adapters/database/index.ts');
  return parseDatabaseAddress(text, options);
}

/** The embedded table of a home. */
export function toHomeKeyTable({ home }: Pick<Services, 'home'>): DatabaseAddress {
  return { kind: 'sqlite', path: join(home.root, 'gateway', 'keys.db') };
}

type Place = Pick<Services, 'storage' | 'home'>;

/** @throws DatabaseError */
export async function openKeyTable(services: Place, address: DatabaseAddress): Promise<ApiKeyStore> {
  const { API_KEY_AREA, openApiKeyStore } = await import('../../../adapters/api-keys/index.ts');
  return openApiKeyStore({ database: await open(services, address, API_KEY_AREA), toRecord: toApiKeyRecord });
}

/** @throws DatabaseError */
export async function openBudgets(services: Place, address: DatabaseAddress): Promise<BudgetStore> {
  const { BUDGET_AREA, openBudgetStore } = await import('../../../adapters/budgets/index.ts');
  return openBudgetStore(await open(services, address, BUDGET_AREA));
}

async function open<Tables>(
  { storage, home }: Place,
  address: DatabaseAddress,
  area: DatabaseArea,
): Promise<Database<Tables>> {
  const { openDatabase } = await import('../../../adapters/database/index.ts');
  const folder = join(home.root, 'gateway');
  for (const path of [home.root, folder]) if (!storage.exists(path)) storage.makeFolder(path, 0o700);
  return openDatabase<Tables>({ address, area, pause, passfile: process.env.PGPASSFILE ?? null });
}
