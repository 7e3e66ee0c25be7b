/** Opens a database by its address. */
import type { Database, DatabaseArea } from '../../core/database.ts';
import type { Pause } from '../../core/ports.ts';
import type { DatabaseAddress } from './address.ts';

export interface OpenDatabaseOptions {
  readonly address: DatabaseAddress;
  readonly area: DatabaseArea;
  readonly pause: Pause;
  /** Path of the file of PostgreSQL passwords, `$PGPASSFILE`; null for the user's own. */
  readonly passfile: string | null;
}

/**
 * Opens it, and makes or updates the tables of `area`.
 * @throws DatabaseError every DATABASE_ code but those of the address; SourceError for TLS files that the address names
 */
export async function openDatabase<Tables>(options: OpenDatabaseOptions): Promise<Database<Tables>> {
  const { address, area, pause, passfile } = options;
  if (address.kind === 'postgres') {
    const { openPostgres } = await import('./postgres.ts');
    return openPostgres({ server: address.server, area, passfile });
  }
  const [{ openSqlite }, { loadSqlite }] = await Promise.all([import('./sqlite.ts'), import('./sqlite-driver.ts')]);
  return openSqlite({ path: address.path, area, pause, open: await loadSqlite() });
}
