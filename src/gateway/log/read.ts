/** Reads rows back: by place for verifying, by key, time and hash for people. */
import type { Kysely, SelectQueryBuilder } from 'kysely';
import type { Database } from '../../core/database.ts';
import { GATEWAY_LOG_LIMITS } from '../../core/limits/gateway-log.ts';
import { type LogTables, type PartitionName, type RequestRecord, toDay } from './tables.ts';

/** Tables of days, the oldest first. */
export async function listPartitions(db: Kysely<LogTables>): Promise<readonly { name: PartitionName; day: number }[]> {
  const rows = await db.selectFrom('gateway_partitions').selectAll().orderBy('day').execute();
  return rows.map(({ name, day }) => ({ name: name as PartitionName, day }));
}

/** Rows of a stream that are kept, in the order of their places, a page at a time. @throws DatabaseError */
export async function* readStream(
  database: Database<LogTables>,
  stream: string,
  { from = 0, to = Number.MAX_SAFE_INTEGER }: { readonly from?: number; readonly to?: number } = {},
): AsyncGenerator<RequestRecord> {
  const partitions = await database.read(listPartitions);
  let next = from;
  for (const { name } of partitions) {
    for (;;) {
      const page = await database.read((db) =>
        db
          .selectFrom(name)
          .selectAll()
          .where('stream', '=', stream)
          .where('place', '>=', next)
          .where('place', '<', to)
          .orderBy('place')
          .limit(GATEWAY_LOG_LIMITS.pageRows)
          .execute(),
      );
      yield* page;
      if (page.length > 0) next = page[page.length - 1].place + 1;
      if (page.length < GATEWAY_LOG_LIMITS.pageRows) break;
    }
  }
}

export interface LogQuery {
  readonly principal?: string | undefined;
  readonly tenant?: string | undefined;
  readonly model?: string | undefined;
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  readonly requestId?: string | undefined;
  /** Hex, of the raw body or of the tensors. */
  readonly inputHash?: string | undefined;
  /** Milliseconds since 1970: from, and up to (not including). */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/** Rows that fit, the oldest day first, each day by time. @throws DatabaseError */
export async function* queryLog(database: Database<LogTables>, query: LogQuery): AsyncGenerator<RequestRecord> {
  const { sinceMs = 0, untilMs = Number.MAX_SAFE_INTEGER } = query;
  const partitions = await database.read(listPartitions);
  // A row may lie a day later than its time says, when the clock was set back.
  for (const { name, day } of partitions) {
    if (sinceMs > 0 && day < toDay(sinceMs)) continue;
    let after = { time: -1, stream: '', place: -1 };
    for (;;) {
      const page = await readPage(database, name, { ...query, sinceMs, untilMs }, after);
      yield* page;
      if (page.length < GATEWAY_LOG_LIMITS.pageRows) break;
      const last = page[page.length - 1];
      after = { time: last.time_ms, stream: last.stream, place: last.place };
    }
  }
}

interface Cursor {
  readonly time: number;
  readonly stream: string;
  readonly place: number;
}

function readPage(
  database: Database<LogTables>,
  name: PartitionName,
  query: LogQuery & { readonly sinceMs: number; readonly untilMs: number },
  after: Cursor,
): Promise<RequestRecord[]> {
  return database.read((db) => {
    const rows = db
      .selectFrom(name)
      .selectAll()
      .where('time_ms', '>=', Math.max(query.sinceMs, after.time))
      .where('time_ms', '<', query.untilMs)
      .where((where) =>
        where.or([
          where('time_ms', '>', after.time),
          where('stream', '>', after.stream),
          where.and([where('stream', '=', after.stream), where('place', '>', after.place)]),
        ]),
      );
    const narrowed = narrowRows(rows, query).orderBy('time_ms').orderBy('stream').orderBy('place');
    return narrowed.limit(GATEWAY_LOG_LIMITS.pageRows).execute();
  });
}

type Rows = SelectQueryBuilder<LogTables, PartitionName, RequestRecord>;

/** Those rows alone that fit all that the query names but the times. */
export function narrowRows(all: Rows, query: LogQuery): Rows {
  let rows = all;
  if (query.principal !== undefined) rows = rows.where('principal', '=', query.principal);
  if (query.tenant !== undefined) rows = rows.where('tenant', '=', query.tenant);
  if (query.model !== undefined) rows = rows.where('model', '=', query.model);
  if (query.status !== undefined) rows = rows.where('status', '=', query.status);
  if (query.code !== undefined) rows = rows.where('code', '=', query.code);
  if (query.requestId !== undefined) rows = rows.where('request_id', '=', query.requestId);
  if (query.inputHash !== undefined) {
    const { inputHash } = query;
    rows = rows.where((where) => where.or([where('input_hash', '=', inputHash), where('tensor_hash', '=', inputHash)]));
  }
  return rows;
}
