/** The log a page at a time, the newest or the oldest first, for callers who come back for the next one. */
import { z } from 'zod';
import type { Database } from '../../core/database.ts';
import { listPartitions, type LogQuery, narrowRows } from './read.ts';
import { type LogTables, type PartitionName, type RequestRecord, toDay } from './tables.ts';

/** Where a page ended: the table of its day, and the last row. */
export interface LogCursor {
  readonly day: number;
  readonly timeMs: number;
  readonly stream: string;
  readonly place: number;
}

export interface LogPageOptions {
  readonly order: 'newest' | 'oldest';
  readonly after: LogCursor | null;
  /** Rows at most. */
  readonly count: number;
}

export interface LogPage {
  readonly rows: readonly RequestRecord[];
  /** null when there are no more. */
  readonly next: LogCursor | null;
}

/** By day, each day by time. Rows that come meanwhile are no hindrance. @throws DatabaseError */
export async function readLogPage(
  database: Database<LogTables>,
  query: LogQuery,
  { order, after, count }: LogPageOptions,
): Promise<LogPage> {
  const all = await database.read(listPartitions);
  const days = (order === 'newest' ? all.toReversed() : all).filter(
    ({ day }) =>
      isDayAsked(query, day) && (after === null || (order === 'newest' ? day <= after.day : day >= after.day)),
  );
  const found: Found[] = [];
  for (const { name, day } of days) {
    const wanted = count + 1 - found.length;
    if (wanted <= 0) break;
    const from = after?.day === day ? after : null;
    const rows = await readDay(database, name, { query, order, after: from, count: wanted });
    found.push(...rows.map((row) => ({ day, row })));
  }
  const shown = found.slice(0, count);
  const last = shown.at(-1);
  const isMore = found.length > count && last !== undefined;
  return { rows: shown.map(({ row }) => row), next: isMore ? toCursor(last) : null };
}

interface Found {
  readonly day: number;
  readonly row: RequestRecord;
}

/** A row may lie a day later than its time says, when the clock was set back. */
function isDayAsked({ sinceMs = 0 }: LogQuery, day: number): boolean {
  return sinceMs <= 0 || day >= toDay(sinceMs);
}

function toCursor({ day, row: { time_ms: timeMs, stream, place } }: Found): LogCursor {
  return { day, timeMs, stream, place };
}

interface DayOptions extends LogPageOptions {
  readonly query: LogQuery;
}

function readDay(
  database: Database<LogTables>,
  name: PartitionName,
  { query, order, after, count }: DayOptions,
): Promise<RequestRecord[]> {
  const { sinceMs = 0, untilMs = Number.MAX_SAFE_INTEGER } = query;
  const isNewest = order === 'newest';
  const direction = isNewest ? 'desc' : 'asc';
  const beyond = isNewest ? '<' : '>';
  return database.read((db) => {
    let rows = narrowRows(db.selectFrom(name).selectAll(), query)
      .where('time_ms', '>=', sinceMs)
      .where('time_ms', '<', untilMs);
    if (after !== null) {
      const { timeMs, stream, place } = after;
      rows = rows
        // The same as the first part of what follows, in a form for which indexes serve.
        .where('time_ms', isNewest ? '<=' : '>=', timeMs)
        .where((where) =>
          where.or([
            where('time_ms', beyond, timeMs),
            where('stream', beyond, stream),
            where.and([where('stream', '=', stream), where('place', beyond, place)]),
          ]),
        );
    }
    return rows
      .orderBy('time_ms', direction)
      .orderBy('stream', direction)
      .orderBy('place', direction)
      .limit(count)
      .execute();
  });
}

const whole = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const cursorShape = z.tuple([whole, whole, z.string().max(64), whole]);

/** A cursor as text for the next request. */
export function toCursorText({ day, timeMs, stream, place }: LogCursor): string {
  return Buffer.from(JSON.stringify([day, timeMs, stream, place])).toString('base64url');
}

/** Null for a text that is none. */
export function findCursor(text: string): LogCursor | null {
  try {
    const parsed = cursorShape.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    if (!parsed.success) return null;
    const [day, timeMs, stream, place] = parsed.data;
    return { day, timeMs, stream, place };
  } catch {
    return null;
  }
}
