/** Refusals, counted per cause and minute so that a flood costs a few entries (docs/spec/ledger.md §9). */
import { z } from 'zod';
import { utf8 } from '../core/bytes.ts';
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';
import type { Storage } from '../source/ports.ts';
import { findFile, replaceFile } from './durable-files.ts';
import type { EntryInput } from './entry.ts';
import type { Refusal } from './ports.ts';

const MINUTE_MS = 60_000;
const OTHER = 'other';

const rowSchema = z.strictObject({
  cause: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  actor: z.string().min(1).max(512),
  subject: z.string().min(1).max(512),
  minuteMs: z.int().min(0),
  count: z.int().min(1),
  firstMs: z.int().min(0),
  lastMs: z.int().min(0),
});
const fileSchema = z.strictObject({
  size: z.int().min(0),
  rows: z.array(rowSchema).max(LEDGER_LIMITS.refusalRowsMax + 1),
});

/** Refusals of one cause in one minute; actor and subject are those of the first. */
export type RefusalRow = z.infer<typeof rowSchema>;

/** Waiting rows, and the size of the ledger when they were stored. */
export interface WaitingRefusals {
  readonly size: number;
  readonly rows: readonly RefusalRow[];
}

/** Adds one refusal; new causes fold into "other" when the minute, or the whole list, has no room for them. */
export function countRefusal(rows: readonly RefusalRow[], refusal: Refusal, nowMs: number): RefusalRow[] {
  const minuteMs = nowMs - (nowMs % MINUTE_MS);
  const ofMinute = rows.filter((row) => row.minuteMs === minuteMs);
  const isKnown = ofMinute.some((row) => row.cause === refusal.cause);
  const hasRoom =
    ofMinute.length < LEDGER_LIMITS.refusalCausesPerMinuteMax && rows.length < LEDGER_LIMITS.refusalRowsMax;
  const cause = isKnown || hasRoom ? refusal.cause : OTHER;
  // With no room at all, even "other" of this minute joins the newest row of that name.
  const at = rows.findLastIndex((row) => row.cause === cause && (row.minuteMs === minuteMs || !hasRoom));
  if (at >= 0) return rows.map((row, i) => (i === at ? { ...row, count: row.count + 1, lastMs: nowMs } : row));
  return [...rows, { ...refusal, cause, minuteMs, count: 1, firstMs: nowMs, lastMs: nowMs }];
}

/** Splits off the rows whose minute is over. */
export function splitOverdue(
  rows: readonly RefusalRow[],
  nowMs: number,
): { overdue: RefusalRow[]; rest: RefusalRow[] } {
  const minuteMs = nowMs - (nowMs % MINUTE_MS);
  return {
    overdue: rows.filter((row) => row.minuteMs !== minuteMs),
    rest: rows.filter((row) => row.minuteMs === minuteMs),
  };
}

export function toRefusalEntry(row: RefusalRow): EntryInput {
  return {
    type: 'refusal',
    actor: row.actor,
    subject: row.subject,
    digests: {},
    detail: {
      cause: row.cause,
      minute: new Date(row.minuteMs).toISOString(),
      count: row.count,
      first: new Date(row.firstMs).toISOString(),
      last: new Date(row.lastMs).toISOString(),
    },
  };
}

/** True when an entry records exactly this row. */
export function isRecorded(row: RefusalRow, detail: Readonly<Record<string, unknown>>): boolean {
  return detail.cause === row.cause && detail.minute === new Date(row.minuteMs).toISOString();
}

/** Rows stored by an earlier writer; a file that cannot be read counts as empty, for it must not block key use. */
export function loadRefusals(storage: Storage, path: string): WaitingRefusals {
  const bytes = findFile(storage, path);
  const none = { size: 0, rows: [] };
  if (bytes === undefined) return none;
  try {
    const result = fileSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return result.success ? result.data : none;
  } catch {
    return none;
  }
}

export function storeRefusals(storage: Storage, path: string, waiting: WaitingRefusals): void {
  replaceFile({ storage, path, bytes: utf8(JSON.stringify(waiting)), isNameDurable: true });
}
