/** `log verify`, `query`, `export`, `prove`, `retain`: the log of requests, for its operator. */
import { toHex, utf8 } from '../../core/bytes.ts';
import type { Database } from '../../core/database.ts';
import { GatewayError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import {
  type Dropped,
  type LogQuery,
  type LogReport,
  type LogTables,
  proveRow,
  queryLog,
  type RequestProof,
  type RequestRecord,
  retainDays,
  verifyLog,
} from '../../gateway/index.ts';
import type { LogPlace } from '../../gateway/ports.ts';
import { stageFile } from '../../source/staged-file.ts';
import type { Recorder } from '../recorder.ts';
import type { Services } from '../services.ts';
import { withStaged } from '../staged.ts';
import { makeParent } from '../write-bytes.ts';
import { readLogStatements } from './anchors.ts';

export interface LogDesk {
  readonly database: Database<LogTables>;
  readonly recorder: Pick<Recorder, 'reader'>;
}

export interface VerifiedLog extends LogReport {
  /** Ids of the keys that checkpoints were taken by. */
  readonly keys: readonly string[];
  readonly isIntact: boolean;
}

/**
 * Every row, chain and checkpoint, against the keys and checkpoints that the ledger has.
 * @param others public keys (DER of the SPKI) of gateways whose homes are elsewhere: their ledgers have their checkpoints
 * @throws DatabaseError; LedgerError
 */
export async function verifyRequestLog(
  { database, recorder }: LogDesk,
  others: readonly Uint8Array[] = [],
): Promise<VerifiedLog> {
  const { keys: stated, anchors } = readLogStatements(recorder.reader());
  const keys = new Map([...others.map((key) => [toHex(sha256(key)), key] as const), ...stated]);
  const report = await verifyLog({ database, keys, anchors });
  return { ...report, keys: [...keys.keys()], isIntact: report.faults.length === 0 };
}

/** One request as it is shown: hashes are hex, times RFC 3339; never an input. */
export interface RequestLine {
  readonly time: string;
  readonly requestId: string;
  readonly principal: string;
  readonly tenant: string;
  readonly model: string;
  readonly version: string;
  readonly protocol: string;
  readonly status: number;
  readonly code: string | null;
  readonly items: number;
  readonly inputBytes: number;
  readonly answerBytes: number;
  readonly durationUs: number;
  /** SHA-256 of the body, or with `isInputKeyed` its HMAC under the gateway's key. */
  readonly inputHash: string;
  readonly tensorHash: string | null;
  readonly isInputKeyed: boolean;
  readonly answerHash: string | null;
  readonly stream: string;
  readonly index: number;
}

export function toRequestLine(row: RequestRecord): RequestLine {
  return {
    ...{ time: new Date(row.time_ms).toISOString(), requestId: row.request_id },
    ...{ principal: row.principal, tenant: row.tenant, model: row.model, version: row.version },
    ...{ protocol: row.protocol, status: row.status, code: row.code, items: row.items },
    ...{ inputBytes: row.input_bytes, answerBytes: row.answer_bytes, durationUs: row.duration_us },
    ...{ inputHash: row.input_hash, tensorHash: row.tensor_hash, isInputKeyed: row.is_keyed !== 0 },
    ...{ answerHash: row.answer_hash, stream: row.stream, index: row.place },
  };
}

export interface FoundRequests {
  /** The oldest first. */
  readonly requests: readonly RequestLine[];
  /** There are more than `count`. */
  readonly isCut: boolean;
}

/** At most `count` rows that fit. @throws DatabaseError */
export async function findRequests(
  database: Database<LogTables>,
  query: LogQuery,
  count: number,
): Promise<FoundRequests> {
  const requests: RequestLine[] = [];
  for await (const row of queryLog(database, query)) {
    if (requests.length === count) return { requests, isCut: true };
    requests.push(toRequestLine(row));
  }
  return { requests, isCut: false };
}

/**
 * Rows that fit, one JSON object a line, a page in memory at a time.
 * @returns how many
 * @throws DatabaseError; what `write` throws
 */
export async function exportRequests(
  database: Database<LogTables>,
  query: LogQuery,
  write: (line: string) => void,
): Promise<number> {
  let rows = 0;
  for await (const row of queryLog(database, query)) {
    write(`${JSON.stringify(toRequestLine(row))}\n`);
    rows += 1;
  }
  return rows;
}

/**
 * As {@link exportRequests}, into a new file that is whole or not there.
 * @param options.path absolute
 * @throws SourceError WRITE_EXISTS | WRITE_FAILED; DatabaseError
 */
export async function writeRequests(
  services: Pick<Services, 'storage' | 'onInterrupt'>,
  database: Database<LogTables>,
  { query, path }: { readonly query: LogQuery; readonly path: string },
): Promise<number> {
  const { storage } = services;
  makeParent(storage, path);
  return withStaged(services, stageFile({ storage, path, mode: 0o600, replace: false }), async (out) => {
    const rows = await exportRequests(database, query, (line) => {
      out.write(utf8(line));
    });
    out.commit();
    return rows;
  });
}

/**
 * @param asked place of the row, or the id of its request: then the last row of it, which has the answer
 * @throws GatewayError GATEWAY_LOG_ROW_UNKNOWN | GATEWAY_LOG_ROW_UNCOVERED; DatabaseError
 */
export async function proveRequest(
  database: Database<LogTables>,
  asked: LogPlace | { readonly requestId: string },
): Promise<RequestProof> {
  return proveRow(database, 'stream' in asked ? asked : await findPlace(database, asked.requestId));
}

async function findPlace(database: Database<LogTables>, requestId: string): Promise<LogPlace> {
  let place: LogPlace | null = null;
  for await (const { stream, place: index } of queryLog(database, { requestId })) {
    if (place === null || index > place.index) place = { stream, index };
  }
  if (place === null) throw new GatewayError('GATEWAY_LOG_ROW_UNKNOWN', { fields: { request: requestId } });
  return place;
}

/**
 * Drops whole days that are older than is kept; the ledger says which, before they are gone.
 * @throws DatabaseError; LedgerError: then nothing was dropped
 */
export async function retainRequests(
  {
    database,
    recorder,
  }: { readonly database: Database<LogTables>; readonly recorder: Pick<Recorder, 'record' | 'actor'> },
  options: { readonly days: number; readonly nowMs: number; readonly isDryRun: boolean },
): Promise<readonly Dropped[]> {
  const planned = await retainDays(database, { ...options, isDryRun: true });
  if (options.isDryRun || planned.length === 0) return planned;
  await recorder.record(
    planned.map(({ day, rows }) => ({
      ...{ type: 'request-log-dropped', actor: recorder.actor, subject: String(day) },
      ...{ digests: {}, detail: { rows, daysKept: options.days } },
    })),
  );
  return retainDays(database, options);
}
