/** Brings the tables of an area to the newest version, inside the turn of a writer: of two that start, one does it. */
import type { Kysely } from 'kysely';
import type { Database, DatabaseArea } from '../../core/database.ts';
import { DatabaseError } from '../../core/errors.ts';
import { kysely } from './kysely.ts';

const { sql } = kysely;

interface VersionTable {
  modelward_version: { area: string; version: number };
}

/** True when nothing is to be done: then nobody waits for a turn, and no right to make tables is needed. */
export async function isCurrent<Tables>(database: Database<Tables>, area: DatabaseArea): Promise<boolean> {
  try {
    const version = await database.read((db) => readVersion(db as unknown as Kysely<VersionTable>, area.name));
    return version === area.migrations.length;
  } catch (error) {
    // No table of versions yet.
    if (error instanceof DatabaseError && error.code === 'DATABASE_REFUSED') return false;
    throw error;
  }
}

async function readVersion(db: Kysely<VersionTable>, area: string): Promise<number> {
  const query = db.selectFrom('modelward_version').select('version').where('area', '=', area);
  return (await query.executeTakeFirst())?.version ?? 0;
}

/**
 * @param db a transaction that no other writer of this area is beside
 * @throws DatabaseError DATABASE_NEWER
 */
export async function migrate(db: Kysely<unknown>, { name, migrations }: DatabaseArea): Promise<void> {
  const versions = db as Kysely<VersionTable>;
  await versions.schema
    .createTable('modelward_version')
    .ifNotExists()
    .addColumn('area', 'text', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .execute();
  const version = await readVersion(versions, name);
  if (version > migrations.length) {
    throw new DatabaseError('DATABASE_NEWER', { fields: { area: name, found: version, known: migrations.length } });
  }
  if (version === migrations.length) return;
  for (const step of migrations.slice(version)) await step(db);
  await versions
    .insertInto('modelward_version')
    .values({ area: name, version: migrations.length })
    .onConflict((conflict) => conflict.column('area').doUpdateSet({ version: sql<number>`excluded.version` }))
    .execute();
}
