/** Whether the log is what was written: rows, chains, checkpoints, and what the ledger has of them. */
import { toHex } from '../../core/bytes.ts';
import { findBase64Bytes } from '../../core/bytes.ts';
import type { Database } from '../../core/database.ts';
import { CompactRange, hashLeaf } from '../../core/merkle.ts';
import { toChainStart, toNextChain } from './chain.ts';
import { type Checkpoint, toCheckpointHash, toHashBytes } from './checkpoint.ts';
import { findCheckpoint, isCheckpointSigned } from './read-checkpoint.ts';
import { readStream } from './read.ts';
import { encodeRow, ROW_BYTES_MAX } from './row.ts';
import { findLogRow } from './rows.ts';
import type { CheckpointRecord, LogTables, RequestRecord, StreamRecord } from './tables.ts';

/** What can be wrong, and where: a place of a stream, or the number of a checkpoint. */
export interface LogFault {
  readonly kind:
    | 'gap'
    | 'row'
    | 'chain'
    | 'missing-rows'
    | 'checkpoint'
    | 'checkpoint-order'
    | 'checkpoint-root'
    | 'checkpoint-signature'
    | 'checkpoint-key'
    | 'anchor';
  readonly stream: string;
  readonly place: number;
}

export interface StreamReport {
  readonly stream: string;
  /** Rows that are kept, and the place behind the last one. */
  readonly rows: number;
  readonly next: number;
  /** Rows that were dropped by age. */
  readonly dropped: number;
  readonly checkpoints: number;
  /** Rows before this place are covered by a checkpoint that the ledger has; 0 for none. */
  readonly anchored: number;
  /** Rows before this place are covered by a checkpoint. */
  readonly covered: number;
  /** Whether its process ended in order: its last checkpoint says so, under its signature, and no row is behind it. */
  readonly isEnded: boolean;
}

export interface LogReport {
  readonly streams: readonly StreamReport[];
  readonly faults: readonly LogFault[];
  /** True when there are more faults than are listed. */
  readonly isCut: boolean;
}

export interface VerifyLogOptions {
  readonly database: Database<LogTables>;
  /** Public keys of the gateway (DER of the SPKI) by their id. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
  /** Hashes of checkpoints in the ledger, by stream. */
  readonly anchors: ReadonlyMap<string, readonly string[]>;
  readonly faultsMax?: number;
}

/** Memory does not grow with the log. @throws DatabaseError */
export async function verifyLog(options: VerifyLogOptions): Promise<LogReport> {
  const { database, anchors, faultsMax = 1000 } = options;
  const faults: LogFault[] = [];
  let isCut = false;
  const tell = (fault: LogFault): void => {
    if (faults.length < faultsMax) faults.push(fault);
    else isCut = true;
  };
  const streams = await database.read((db) => db.selectFrom('gateway_streams').selectAll().orderBy('stream').execute());
  const reports: StreamReport[] = [];
  for (const stream of streams) reports.push(await verifyStream(options, stream, tell));
  const known = new Set(streams.map(({ stream }) => stream));
  for (const stream of anchors.keys()) if (!known.has(stream)) tell({ kind: 'anchor', stream, place: 0 });
  return { streams: reports, faults, isCut };
}

type Tell = (fault: LogFault) => void;

async function verifyStream(options: VerifyLogOptions, record: StreamRecord, tell: Tell): Promise<StreamReport> {
  const { database } = options;
  const { stream } = record;
  const dropped = await database.read((db) =>
    db.selectFrom('gateway_dropped').selectAll().where('stream', '=', stream).executeTakeFirst(),
  );
  const first = dropped === undefined ? 0 : dropped.place + 1;
  const walk = createWalk(
    stream,
    first,
    dropped === undefined ? toChainStart(stream) : toHashBytes(dropped.chain),
    tell,
  );
  const checkpoints = createCheckpoints(options, record, tell);
  let next = await checkpoints.next();
  for await (const row of readStream(database, stream)) {
    while (next !== null && next.to <= row.place) {
      walk.check(next);
      next = await checkpoints.next();
    }
    walk.add(row);
  }
  for (; next !== null; next = await checkpoints.next()) walk.check(next);
  if (walk.next < record.next_place) tell({ kind: 'missing-rows', stream, place: walk.next });
  const { count, covered, anchored, isLast } = checkpoints.end();
  const ended = { checkpoints: count, covered, anchored, isEnded: isLast && walk.next === covered };
  return { stream, rows: walk.rows, next: walk.next, dropped: first, ...ended };
}

/** Goes along the rows of a stream and says where they are not what was written. */
function createWalk(stream: string, first: number, start: Uint8Array, tell: Tell) {
  const bytes = Buffer.alloc(ROW_BYTES_MAX);
  let [chain, next, rows] = [start, first, 0];
  let range = new CompactRange();
  let rangeFrom = first;
  return {
    get next() {
      return next;
    },
    get rows() {
      return rows;
    },
    add: (record: RequestRecord): void => {
      const { place } = record;
      if (place !== next) tell({ kind: 'gap', stream, place: next });
      const row = findLogRow(record);
      if (row === null) tell({ kind: 'row', stream, place });
      const leaf = row === null ? toHashBytes('0'.repeat(64)) : hashLeaf(bytes.subarray(0, encodeRow(row, bytes)));
      chain = toNextChain(chain, leaf);
      if (toHex(chain) !== record.chain) {
        tell({ kind: 'chain', stream, place });
        if (/^[0-9a-f]{64}$/.test(record.chain)) chain = toHashBytes(record.chain);
      }
      range.append(leaf);
      next = place + 1;
      rows += 1;
    },
    /** Against a checkpoint whose rows have all been added. */
    check: ({ from, to, root, chain: claimed, seq }: Checkpoint): void => {
      const isWhole = from === rangeFrom && to === next;
      // Rows that were dropped by age leave the chain, and no leaves.
      const isPartly = from < first && to >= first;
      const isGone = to < first;
      if (isWhole && toHex(range.toRoot()) !== root) tell({ kind: 'checkpoint-root', stream, place: seq });
      else if (!isWhole && !isPartly && !isGone) tell({ kind: 'checkpoint-root', stream, place: seq });
      if (to === next && to > first && toHex(chain) !== claimed) tell({ kind: 'chain', stream, place: to - 1 });
      range = new CompactRange();
      rangeFrom = Math.max(to, first);
    },
  };
}

/**
 * Reads the checkpoints of a stream in their order; those that are not signed, out of order or missing are told. Those that a
 * gateway at work adds meanwhile are left out: their rows may not have been read.
 */
function createCheckpoints(
  { database, keys, anchors }: VerifyLogOptions,
  { stream, checkpoints: total }: StreamRecord,
  tell: Tell,
) {
  const missing = new Set(anchors.get(stream) ?? []);
  let page: CheckpointRecord[] = [];
  let [seq, covered, anchored] = [0, 0, 0];
  let prev: string | null = null;
  let isLast = false;
  const read = async (): Promise<CheckpointRecord | undefined> => {
    if (page.length === 0) {
      page = await database.read((db) =>
        db
          .selectFrom('gateway_checkpoints')
          .selectAll()
          .where('stream', '=', stream)
          .where('seq', '>=', seq)
          .where('seq', '<', total)
          .orderBy('seq')
          .limit(500)
          .execute(),
      );
    }
    return page.shift();
  };
  const next = async (): Promise<Checkpoint | null> => {
    const record = await read();
    if (record === undefined) return null;
    const place = record.seq;
    const checkpoint = findCheckpoint(record.body);
    if (checkpoint?.stream !== stream || checkpoint.seq !== place) {
      tell({ kind: 'checkpoint', stream, place });
      seq = place + 1;
      return next();
    }
    const key = keys.get(record.key_id);
    const signature = findBase64Bytes(record.signature);
    const isSigned = key !== undefined && signature?.length === 64 && isCheckpointSigned(record.body, signature, key);
    if (key === undefined) tell({ kind: 'checkpoint-key', stream, place });
    else if (!isSigned) tell({ kind: 'checkpoint-signature', stream, place });
    isLast = isSigned && checkpoint.isLast;
    if (place !== seq || checkpoint.prev !== prev || checkpoint.from !== covered) {
      tell({ kind: 'checkpoint-order', stream, place });
    }
    prev = toCheckpointHash(record.body);
    seq = place + 1;
    covered = checkpoint.to;
    if (missing.delete(prev)) anchored = covered;
    return checkpoint;
  };
  const end = () => {
    if (seq < total) tell({ kind: 'checkpoint', stream, place: seq });
    if (missing.size > 0) tell({ kind: 'anchor', stream, place: seq });
    return { count: seq, covered, anchored, isLast };
  };
  return { next, end };
}
