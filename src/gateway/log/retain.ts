/** Drops the rows of days that are older than is to be kept: whole tables, and what the rest needs to be verified stays. */
import type { Kysely } from 'kysely';
import type { Database } from '../../core/database.ts';
import { listPartitions } from './read.ts';
import { type LogTables, type PartitionName, toDay } from './tables.ts';

const DAY_MS = 86_400_000;

export interface Dropped {
  readonly day: number;
  readonly rows: number;
}

/**
 * Rows of today and of the `days` before it stay. Streams that still lack a checkpoint for rows of a day keep that day.
 * @param days 1 or more
 * @throws DatabaseError
 */
export async function retainDays(
  database: Database<LogTables>,
  { days, nowMs, isDryRun }: { readonly days: number; readonly nowMs: number; readonly isDryRun: boolean },
): Promise<readonly Dropped[]> {
  const before = toDay(nowMs - days * DAY_MS);
  const old = (await database.read(listPartitions)).filter(({ day }) => day < before);
  const dropped: Dropped[] = [];
  for (const { name, day } of old) {
    const rows = await database.write((db) => dropTable(db, name, isDryRun));
    if (rows === null) break;
    dropped.push({ day, rows });
  }
  return dropped;
}

/** Returns how many rows the table had, null when one of them has no checkpoint yet. */
async function dropTable(db: Kysely<LogTables>, name: PartitionName, isDryRun: boolean): Promise<number | null> {
  const lasts = await db
    .selectFrom(name)
    .select(({ fn }) => ['stream', fn.max('place').as('place'), fn.countAll<number | bigint | string>().as('rows')])
    .groupBy('stream')
    .execute();
  let rows = 0;
  for (const { stream, place: at, rows: count } of lasts) {
    rows += Number(count);
    const { covered } = await db
      .selectFrom('gateway_streams')
      .select('covered')
      .where('stream', '=', stream)
      .executeTakeFirstOrThrow();
    if (at >= covered) return null;
    if (isDryRun) continue;
    const query = db.selectFrom(name).select('chain').where('stream', '=', stream).where('place', '=', at);
    const { chain } = await query.executeTakeFirstOrThrow();
    await db
      .insertInto('gateway_dropped')
      .values({ stream, place: at, chain })
      .onConflict((conflict) => conflict.column('stream').doUpdateSet({ place: at, chain }))
      .execute();
  }
  if (isDryRun) return rows;
  await db.schema.dropTable(name).execute();
  await db.deleteFrom('gateway_partitions').where('name', '=', name).execute();
  return rows;
}
