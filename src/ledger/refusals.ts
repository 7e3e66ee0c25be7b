/** Refusals, counted per cause and minute so that a flood costs a few entries (docs/spec/ledger.md §9). */
import { z } from 'zod';
import { concatBytes, findBase64Bytes, toBase64, utf8 } from '../core/bytes.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';
import type { Storage } from '../source/ports.ts';
import { findFile, replaceFile } from './durable-files.ts';
import type { EntryInput } from './entry.ts';
import { isSignatureValid, type VerifierKey } from './note-key.ts';
import type { NoteSigner, Refusal } from './ports.ts';

const MINUTE_MS = 60_000;
const OTHER = 'other';
const LABEL = 'modelward ledger refusals v1';

/** What an entry can name: four digits of the year. */
const instantMs = z.int().min(0).max(LEDGER_LIMITS.instantMsMax);
const rowSchema = z.strictObject({
  cause: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  actor: z.string().min(1).max(512),
  subject: z.string().min(1).max(512),
  minuteMs: instantMs,
  count: z.int().min(1),
  firstMs: instantMs,
  lastMs: instantMs,
});
const fileSchema = z.strictObject({
  size: z.int().min(0),
  rows: z.array(rowSchema).max(LEDGER_LIMITS.refusalRowsMax + 1),
  signature: z.string().max(100),
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

/**
 * Rows stored by an earlier writer of this ledger. A file that cannot be read, or that the ledger's key did not sign,
 * counts as empty: it must not block key use, and nobody else may have entries of theirs recorded.
 */
export function loadRefusals(storage: Storage, path: string, key: VerifierKey): WaitingRefusals {
  const none = { size: 0, rows: [] };
  const bytes = findFile(storage, path);
  const file = bytes === undefined ? undefined : fileSchema.safeParse(findJson(bytes)).data;
  if (file === undefined) return none;
  const { signature, ...waiting } = file;
  const isOurs = isSignatureValid(
    key,
    toSignedBytes(waiting, key.name),
    findBase64Bytes(signature) ?? new Uint8Array(),
  );
  return isOurs ? waiting : none;
}

/** Replaces the file, signed. */
export function storeRefusals(options: {
  readonly storage: Storage;
  readonly path: string;
  readonly waiting: WaitingRefusals;
  readonly signer: NoteSigner;
}): void {
  const { storage, path, waiting, signer } = options;
  const signature = toBase64(signer.sign(toSignedBytes(waiting, signer.name)));
  replaceFile({ storage, path, bytes: utf8(JSON.stringify({ ...waiting, signature })), isNameDurable: true });
}

function findJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Never the text of a checkpoint or of a stored head: the first line is of neither. */
function toSignedBytes({ size, rows }: WaitingRefusals, name: string): Uint8Array {
  return concatBytes(
    utf8(`${LABEL}\n${name}\n`),
    toCanonicalJsonBytes({ size, rows: rows.map((row) => ({ ...row })) }),
  );
}
