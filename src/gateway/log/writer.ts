/** Moves the rows of one stream from its spool into the database, chains them, and signs checkpoints. */
import type { Kysely } from 'kysely';
import { toBase64, toHex } from '../../core/bytes.ts';
import type { Database } from '../../core/database.ts';
import { GATEWAY_LOG_LIMITS } from '../../core/limits/gateway-log.ts';
import { CompactRange, hashLeaf } from '../../core/merkle.ts';
import type { Clock } from '../../core/ports.ts';
import type { GatewaySigner, SpoolFolder } from '../ports.ts';
import { toChainStart, toNextChain } from './chain.ts';
import { type SignedCheckpoint, signCheckpoint, toCheckpointHash, toHashBytes } from './checkpoint.ts';
import { createInsert, type RecordInsert } from './insert.ts';
import { encodeRow, findHexRow, ROW_BYTES_MAX } from './row.ts';
import { findLogRow, toRecord } from './rows.ts';
import { findFirstIndex, readPiece, type SpoolMark, type SpoolPiece, toSegmentName } from './spool.ts';
import {
  createPartition,
  type LogTables,
  type PartitionName,
  type RequestRecord,
  toDay,
  toPartition,
} from './tables.ts';

export interface LogWriterOptions {
  readonly database: Database<LogTables>;
  readonly stream: string;
  readonly folder: SpoolFolder;
  readonly signer: GatewaySigner;
  readonly clock: Clock;
  /** Told, at the start and then, up to where the database has the spool. */
  readonly onMoved: (mark: SpoolMark) => void;
}

export interface LogWriter {
  /** Moves what is there, at most one transaction's worth. Returns how many rows were moved. @throws DatabaseError; errors of the spool */
  move(): Promise<number>;
  /** False when the last move took all there was: more comes together while the next one waits. */
  readonly isBehind: boolean;
  /** Signs what has no checkpoint yet; null when there is nothing, and it is not the last one. @throws DatabaseError */
  checkpoint(isLast: boolean): Promise<SignedCheckpoint | null>;
  /** The newest one that the database has, whoever signed it; null before the first. */
  readonly newest: CheckpointName | null;
  /** False when a file of the spool holds what cannot be read: as the last move found it. Such a file stays. */
  readonly isWhole: boolean;
}

/** What the ledger says of a checkpoint. */
export interface CheckpointName {
  readonly seq: number;
  /** SHA-256 of the checkpoint's bytes, hex. */
  readonly hash: string;
}

/** Where a writer is: what the database has. */
interface Position {
  next: number;
  chain: Uint8Array;
  segment: string;
  offset: number;
  /** Rows from here on have no checkpoint. */
  covered: number;
  /** Over their leaves. */
  range: CompactRange;
  checkpoints: number;
  checkpointHash: string | null;
  /** Day of the last row's table, yyyymmdd: rows lie in the order of their places, whatever the clock does. */
  day: number;
  /** Tables that are known to be there. */
  readonly partitions: Set<PartitionName>;
  isBehind: boolean;
  /** What comes next in the file is no record, and never will be. */
  isTorn: boolean;
}

interface Writing extends LogWriterOptions {
  readonly insert: RecordInsert;
}

/** Goes on where an earlier writer of the stream was ended. @throws DatabaseError */
export async function openLogWriter(options: LogWriterOptions): Promise<LogWriter> {
  const position = await readPosition(options);
  options.onMoved(toMark(position));
  const writing = { ...options, insert: createInsert(options.database.isShared) };
  return {
    move: () => move(writing, position),
    get isBehind() {
      return position.isBehind;
    },
    checkpoint: (isLast) => checkpoint(options, position, isLast),
    get newest() {
      const { checkpoints, checkpointHash: hash } = position;
      return hash === null ? null : { seq: checkpoints - 1, hash };
    },
    get isWhole() {
      const { folder } = options;
      // An empty one says that the stream's newest checkpoint is to be told again.
      const isLeft = (name: string): boolean =>
        name < position.segment && findFirstIndex(name) !== null && folder.read(name, 0, 1).length > 0;
      return !position.isTorn && !folder.list().some(isLeft);
    },
  };
}

function toMark({ segment, offset: offsetBytes }: Position): SpoolMark {
  return { segment, offsetBytes };
}

async function readPosition({ database, stream, clock }: LogWriterOptions): Promise<Position> {
  return await database.write(async (db) => {
    const found = await db.selectFrom('gateway_streams').selectAll().where('stream', '=', stream).executeTakeFirst();
    if (found === undefined) {
      const chain = toChainStart(stream);
      const from = { next_place: 0, chain: toHex(chain), segment: toSegmentName(0), offset_bytes: 0, covered: 0 };
      const row = {
        stream,
        ...from,
        checkpoints: 0,
        checkpoint_hash: null,
        day: 0,
        started_ms: clock.nowMs(),
        ended_ms: null,
      };
      await db.insertInto('gateway_streams').values(row).execute();
      const at = { next: 0, chain, segment: from.segment, offset: 0, covered: 0 };
      const start = { checkpoints: 0, checkpointHash: null, day: 0, isBehind: false, isTorn: false };
      return { ...at, ...start, range: new CompactRange(), partitions: new Set() };
    }
    const at = { next: found.next_place, chain: toHashBytes(found.chain), covered: found.covered };
    return {
      ...{ ...at, segment: found.segment, offset: found.offset_bytes },
      range: await readUncovered(db, { stream, from: found.covered, to: found.next_place }),
      ...{ checkpoints: found.checkpoints, checkpointHash: found.checkpoint_hash },
      ...{ day: found.day, partitions: new Set(), isBehind: false, isTorn: false },
    };
  });
}

/** The leaves of rows that a writer that was ended had moved, and not signed for. */
async function readUncovered(
  db: Kysely<LogTables>,
  { stream, from, to }: { readonly stream: string; readonly from: number; readonly to: number },
): Promise<CompactRange> {
  const range = new CompactRange();
  if (from === to) return range;
  const partitions = await db.selectFrom('gateway_partitions').select('name').execute();
  const records: RequestRecord[] = [];
  for (const { name } of partitions) {
    const query = db
      .selectFrom(name as PartitionName)
      .selectAll()
      .where('stream', '=', stream);
    records.push(...(await query.where('place', '>=', from).where('place', '<', to).execute()));
  }
  const bytes = Buffer.alloc(ROW_BYTES_MAX);
  for (const record of records.sort((a, b) => a.place - b.place)) {
    const row = findLogRow(record);
    // A record that was changed has no bytes: what is signed for it is its chain, and verifying finds it.
    range.append(row === null ? toHashBytes(record.chain) : hashLeaf(bytes.subarray(0, encodeRow(row, bytes))));
  }
  return range;
}

async function move(options: Writing, position: Position): Promise<number> {
  const { folder } = options;
  // Listed before the file is read: one that had another behind it by then gets no more rows, so that nothing more is in it.
  const names = folder.list();
  const piece = readNext(folder, names, position);
  if (piece === null || piece.rows.length === 0) {
    position.isBehind = false;
    position.isTorn = piece?.isTorn === true;
    return findNextSegment(folder, names, position) ? move(options, position) : 0;
  }
  await writeRows(options, position, piece);
  position.isBehind = piece.isFull || position.segment !== names.at(-1);
  return piece.rows.length;
}

/** As much as one transaction takes. */
interface NextPiece extends SpoolPiece {
  /** True when there may be more. */
  readonly isFull: boolean;
}

/** Null where the file is not there (yet), or was moved whole. */
function readNext(folder: SpoolFolder, names: readonly string[], { segment, offset }: Position): NextPiece | null {
  if (!names.includes(segment)) return null;
  const { readBytes, rowsPerWrite } = GATEWAY_LOG_LIMITS;
  const bytes = folder.read(segment, offset, readBytes);
  const piece = readPiece(bytes, rowsPerWrite);
  return { ...piece, isFull: bytes.length === readBytes || piece.rows.length === rowsPerWrite };
}

/** Goes to the file behind, and removes the one that was moved whole. False when there is none yet. */
function findNextSegment(folder: SpoolFolder, names: readonly string[], position: Position): boolean {
  const next = names.find((name) => name > position.segment && findFirstIndex(name) !== null);
  if (next === undefined) return false;
  if (names.includes(position.segment) && !position.isTorn) folder.remove(position.segment);
  position.segment = next;
  position.offset = 0;
  // Where rows are missing, the places tell: verifying finds the gap.
  position.next = findFirstIndex(next)!;
  return true;
}

async function writeRows(options: Writing, position: Position, piece: SpoolPiece): Promise<void> {
  const { database, stream, insert, onMoved } = options;
  const leaves = piece.rows.map(hashLeaf);
  const names = new Set<PartitionName>();
  const end = await database.write(async (db) => {
    let at: Place = position;
    for (let from = 0; from < leaves.length; from += insert.rowsAtOnce) {
      const to = from + insert.rowsAtOnce;
      const part = toTables(stream, at, { rows: piece.rows.slice(from, to), leaves: leaves.slice(from, to) });
      for (const [name, records] of part.tables) {
        if (!position.partitions.has(name) && !names.has(name)) await createPartition(db, name);
        names.add(name);
        await insert.run(db, name, records);
      }
      at = part.end;
    }
    const { next, chain, day } = at;
    const offset = position.offset + piece.bytes;
    const place = { next_place: next, chain: toHex(chain), segment: position.segment, offset_bytes: offset };
    const changed = { ...place, day, ended_ms: null };
    await db.updateTable('gateway_streams').set(changed).where('stream', '=', stream).execute();
    return { next, chain, day, offset };
  });
  for (const name of names) position.partitions.add(name);
  Object.assign(position, end);
  for (const leaf of leaves) position.range.append(leaf);
  onMoved(toMark(position));
}

/** Between two rows. */
interface Place {
  readonly next: number;
  readonly chain: Uint8Array;
  readonly day: number;
}

interface Batch {
  readonly rows: readonly Uint8Array[];
  /** Of each row. */
  readonly leaves: readonly Uint8Array[];
}

/** The records of a batch by the table that they belong in, and the place behind them. */
function toTables(
  stream: string,
  start: Place,
  { rows, leaves }: Batch,
): { readonly tables: Map<PartitionName, RequestRecord[]>; readonly end: Place } {
  const tables = new Map<PartitionName, RequestRecord[]>();
  let { chain, day } = start;
  for (let at = 0; at < rows.length; at++) {
    const row = findHexRow(rows[at]);
    if (row === null) throw new TypeError('internal error: a row of the spool that is none');
    chain = toNextChain(chain, leaves[at]);
    day = Math.max(day, toDay(row.timeMs));
    const name = toPartition(day);
    const records = tables.get(name) ?? [];
    tables.set(name, records);
    records.push(toRecord(row, { stream, index: start.next + at }, chain));
  }
  return { tables, end: { next: start.next + rows.length, chain, day } };
}

async function checkpoint(
  { database, stream, signer, clock }: LogWriterOptions,
  position: Position,
  isLast: boolean,
): Promise<SignedCheckpoint | null> {
  const { covered, next, chain, range, checkpoints } = position;
  if (covered === next && !isLast) return null;
  const timeMs = clock.nowMs();
  const body = {
    chain: toHex(chain),
    from: covered,
    isLast,
    prev: position.checkpointHash,
    root: toHex(range.toRoot()),
  };
  const signed = signCheckpoint({ ...body, seq: checkpoints, stream, timeMs, to: next, v: 1 }, signer);
  const hash = toCheckpointHash(signed.body);
  await database.write(async (db) => {
    const key = { stream, seq: checkpoints, from_place: covered, to_place: next, time_ms: timeMs };
    const signature = toBase64(signed.signature);
    await db
      .insertInto('gateway_checkpoints')
      .values({ ...key, body: signed.body, signature, key_id: signed.keyId })
      .execute();
    await db
      .updateTable('gateway_streams')
      .set({ covered: next, checkpoints: checkpoints + 1, checkpoint_hash: hash, ended_ms: isLast ? timeMs : null })
      .where('stream', '=', stream)
      .execute();
  });
  Object.assign(position, {
    covered: next,
    range: new CompactRange(),
    checkpoints: checkpoints + 1,
    checkpointHash: hash,
  });
  return signed;
}
