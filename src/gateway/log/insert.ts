/** Puts rows into the table of a day, by few texts of statements. */
import type { CompiledQuery, Kysely } from 'kysely';
import type { LogTables, PartitionName, RequestRecord } from './tables.ts';

/** Rows of one statement: few texts serve batches of any size, and the database reads each of them once. */
const NEAR_ROWS = [256, 64, 16, 4, 1];

/** Each statement is a way there and back, so that it takes what there is; PostgreSQL takes 65,535 values, of which a row has 20. */
const FAR_ROWS = 1024;

/** What rows that came together most often have in common: it is given once for all rows of a statement. */
const COMMON = ['status', 'items', 'is_keyed', 'tenant', 'model', 'version', 'protocol', 'code'] as const;

/** Of each size those of rows with and without something in common, for two days. */
const TEXTS_KEPT = 4 * NEAR_ROWS.length;

export interface RecordInsert {
  /** Rows that are best given at once: records that are let go of early are swept up for little. */
  readonly rowsAtOnce: number;
  run(db: Kysely<LogTables>, name: PartitionName, records: readonly RequestRecord[]): Promise<void>;
}

/** Rows of one statement, in the order of their places. */
interface Part {
  readonly name: PartitionName;
  readonly records: readonly RequestRecord[];
  /** Columns that the first row gives for all of them. */
  readonly once: ReadonlySet<string>;
}

const NOTHING: ReadonlySet<string> = new Set();
const STREAM: ReadonlySet<string> = new Set(['stream']);
const STREAM_AND_COMMON: ReadonlySet<string> = new Set(['stream', ...COMMON]);

/** @param isFar the database is another machine's */
export function createInsert(isFar: boolean): RecordInsert {
  // To put a text together takes as long as to write its rows.
  const texts = new Map<string, string>();
  return {
    rowsAtOnce: isFar ? FAR_ROWS : NEAR_ROWS[0],
    run: async (db, name, records) => {
      for (let from = 0; from < records.length; ) {
        const rows = toStatementRows(records.length - from, isFar);
        const some = records.slice(from, from + rows);
        const part = { name, records: some, once: isFar ? NOTHING : hasCommon(some) ? STREAM_AND_COMMON : STREAM };
        await db.executeQuery(toQuery(findText(texts, db, part), toValues(part)));
        from += rows;
      }
    },
  };
}

/** As Kysely makes one of a text; written out, so that nothing of it is loaded for this alone. */
function toQuery(sql: string, parameters: readonly unknown[]): CompiledQuery {
  const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] } as const;
  return { sql, parameters, query, queryId: { queryId: 'insert' } };
}

function toStatementRows(left: number, isFar: boolean): number {
  return isFar ? Math.min(left, FAR_ROWS) : NEAR_ROWS.find((rows) => rows <= left)!;
}

function hasCommon(records: readonly RequestRecord[]): boolean {
  const [first] = records;
  return records.every((record) => COMMON.every((column) => record[column] === first[column]));
}

function findText(texts: Map<string, string>, db: Kysely<LogTables>, part: Part): string {
  const { name, records, once } = part;
  const id = `${name} ${records.length} ${once.size}`;
  let text = texts.get(id);
  if (text === undefined) {
    text = toText(db, part);
    // Of one day: the tables of others are not written any more.
    if (texts.size >= TEXTS_KEPT) texts.clear();
    texts.set(id, text);
  }
  return text;
}

/**
 * SQLite numbers a "?" as one more than the largest before it: those of the first row are the numbers of its columns, by which later
 * rows name what it has given (sqlite.org/lang_expr.html, "Parameters").
 */
function toText(db: Kysely<LogTables>, { name, records, once }: Part): string {
  if (once === NOTHING) return db.insertInto(name).values(records).compile().sql;
  const first = db.insertInto(name).values(records[0]).compile().sql;
  const next = Object.keys(records[0]).map((column, index) => (once.has(column) ? `?${index + 1}` : '?'));
  return first + `, (${next.join(', ')})`.repeat(records.length - 1);
}

/** In the order of the members of a record, as in the text. */
function toValues({ records, once }: Part): unknown[] {
  const [first, ...others] = records;
  const values: unknown[] = Object.values(first);
  const columns = Object.keys(first).filter((column) => !once.has(column)) as (keyof RequestRecord)[];
  for (const record of others) for (const column of columns) values.push(record[column]);
  return values;
}
