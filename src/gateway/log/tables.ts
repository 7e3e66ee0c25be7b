/** The tables of the log: one definition for SQLite and PostgreSQL (docs/spec/request-log.md section 6). */
import type { Kysely, Selectable } from 'kysely';
import type { DatabaseArea, Migration } from '../../core/database.ts';

/** Hashes are hex. */
export interface RequestTable {
  stream: string;
  place: number;
  time_ms: number;
  duration_us: number;
  status: number;
  items: number;
  input_bytes: number;
  answer_bytes: number;
  is_keyed: number;
  input_hash: string;
  tensor_hash: string | null;
  answer_hash: string | null;
  request_id: string;
  principal: string;
  tenant: string;
  model: string;
  version: string;
  protocol: string;
  code: string | null;
  /** Behind this row. */
  chain: string;
}

export interface StreamTable {
  stream: string;
  /** Index of the next row, and the chain before it. */
  next_place: number;
  chain: string;
  /** File of the spool and offset in it, from which the next row is read. */
  segment: string;
  offset_bytes: number;
  /** Rows before this one have a checkpoint. */
  covered: number;
  checkpoints: number;
  /** Of the last checkpoint's bytes, hex. */
  checkpoint_hash: string | null;
  /** Of the last row's table, yyyymmdd; 0 before the first. */
  day: number;
  started_ms: number;
  ended_ms: number | null;
}

export interface CheckpointTable {
  stream: string;
  seq: number;
  from_place: number;
  to_place: number;
  time_ms: number;
  /** The signed bytes, text. */
  body: string;
  /** Base64. */
  signature: string;
  key_id: string;
}

export interface LogTables {
  gateway_streams: StreamTable;
  gateway_checkpoints: CheckpointTable;
  /** `name` of the table of one UTC day, `day` as yyyymmdd. */
  gateway_partitions: { name: string; day: number };
  /** Where rows were dropped: the last of them. */
  gateway_dropped: { stream: string; place: number; chain: string };
  [partition: `gateway_requests_${number}`]: RequestTable;
}

export type RequestRecord = Selectable<RequestTable>;
export type StreamRecord = Selectable<StreamTable>;
export type CheckpointRecord = Selectable<CheckpointTable>;
export type PartitionName = `gateway_requests_${number}`;

const first: Migration = async (db) => {
  await db.schema
    .createTable('gateway_streams')
    .addColumn('stream', 'text', (column) => column.primaryKey())
    .addColumn('next_place', 'bigint', (column) => column.notNull())
    .addColumn('chain', 'text', (column) => column.notNull())
    .addColumn('segment', 'text', (column) => column.notNull())
    .addColumn('offset_bytes', 'bigint', (column) => column.notNull())
    .addColumn('covered', 'bigint', (column) => column.notNull())
    .addColumn('checkpoints', 'bigint', (column) => column.notNull())
    .addColumn('checkpoint_hash', 'text')
    .addColumn('day', 'integer', (column) => column.notNull())
    .addColumn('started_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_ms', 'bigint')
    .execute();
  await db.schema
    .createTable('gateway_checkpoints')
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('from_place', 'bigint', (column) => column.notNull())
    .addColumn('to_place', 'bigint', (column) => column.notNull())
    .addColumn('time_ms', 'bigint', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('signature', 'text', (column) => column.notNull())
    .addColumn('key_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('gateway_checkpoints_key', ['stream', 'seq'])
    .execute();
  await db.schema
    .createTable('gateway_partitions')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('day', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('gateway_dropped')
    .addColumn('stream', 'text', (column) => column.primaryKey())
    .addColumn('place', 'bigint', (column) => column.notNull())
    .addColumn('chain', 'text', (column) => column.notNull())
    .execute();
};

/** For `openDatabase`. */
export const GATEWAY_LOG_AREA: DatabaseArea = { name: 'gateway_log', migrations: [first] };

/** The UTC day of a time, as yyyymmdd. */
export function toDay(timeMs: number): number {
  const date = new Date(timeMs);
  return date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
}

export function toPartition(day: number): PartitionName {
  return `gateway_requests_${day}`;
}

/**
 * Makes the table of a day and its index; nothing when it is there. Hashes have none: they come in no order, so that each row would
 * write a page of its own, and who asks for one asks for that of the body or of the tensors, whichever it is.
 */
export async function createPartition(db: Kysely<LogTables>, name: PartitionName): Promise<void> {
  await db.schema
    .createTable(name)
    .ifNotExists()
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('place', 'bigint', (column) => column.notNull())
    .addColumn('time_ms', 'bigint', (column) => column.notNull())
    .addColumn('duration_us', 'bigint', (column) => column.notNull())
    .addColumn('status', 'integer', (column) => column.notNull())
    .addColumn('items', 'bigint', (column) => column.notNull())
    .addColumn('input_bytes', 'bigint', (column) => column.notNull())
    .addColumn('answer_bytes', 'bigint', (column) => column.notNull())
    .addColumn('is_keyed', 'integer', (column) => column.notNull())
    .addColumn('input_hash', 'text', (column) => column.notNull())
    .addColumn('tensor_hash', 'text')
    .addColumn('answer_hash', 'text')
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('tenant', 'text', (column) => column.notNull())
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('version', 'text', (column) => column.notNull())
    .addColumn('protocol', 'text', (column) => column.notNull())
    .addColumn('code', 'text')
    .addColumn('chain', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint(`${name}_key`, ['stream', 'place'])
    .execute();
  await db.schema.createIndex(`${name}_principal`).ifNotExists().on(name).columns(['principal', 'time_ms']).execute();
  await db
    .insertInto('gateway_partitions')
    .values({ name, day: Number(name.slice(-8)) })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}
