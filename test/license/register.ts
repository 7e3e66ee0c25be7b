/** Registers of tests: real databases, in a file or on a server. */
import { openDatabase, parseDatabaseAddress } from '../../src/adapters/database/index.ts';
import { LICENSE_AREA, openSqlStore, type RegisterTables } from '../../src/adapters/license-store/index.ts';
import type { Database } from '../../src/core/database.ts';
import type { LicenseStore } from '../../src/license/ports.ts';

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** @param url such as `sqlite:/a/register.db` */
export function openTestDatabase(url: string): Promise<Database<RegisterTables>> {
  const address = parseDatabaseAddress(url, { isPasswordAllowed: true, toAbsolute: (path) => path });
  return openDatabase<RegisterTables>({ address, area: LICENSE_AREA, pause, passfile: null });
}

/** Opens it when it is first used. */
export function openTestStore(url: string): LicenseStore {
  let opened: Promise<LicenseStore> | undefined;
  const open = (): Promise<LicenseStore> => (opened ??= openTestDatabase(url).then(openSqlStore));
  return {
    transact: async (work) => (await open()).transact(work),
    listLicenses: async (page) => (await open()).listLicenses(page),
    readStandings: async () => (await open()).readStandings(),
    close: async () => (await opened)?.close(),
  };
}
