/** Puts rows into the table of a day, by few texts of statements. */
import type { CompiledQuery, Kysely } from 'kysely';
import type { LogTables, PartitionName, RequestRecord } from './tables.ts';

/** Rows of one statement: few texts serve batches of any size, and the database reads each of them once. */
const NEAR_ROWS = [256, 64, 16, 4, 1];

/** Each statement is a way there and back, so that it takes what there is; PostgreSQL takes 65,535 values, of which a row has 20. */
const FAR_ROWS = 1024;

const TEXTS_KEPT = 2 * NEAR_ROWS.length;

export interface RecordInsert {
  /** Rows that are best given at once: records that are let go of early are swept up for little. */
  readonly rowsAtOnce: number;
  run(db: Kysely<LogTables>, name: PartitionName, records: readonly RequestRecord[]): Promise<void>;
}

/** @param isFar the database is another machine's */
export function createInsert(isFar: boolean): RecordInsert {
  // By table and number of rows: to put a text together takes as long as to write its rows.
  const texts = new Map<string, string>();
  return {
    rowsAtOnce: isFar ? FAR_ROWS : NEAR_ROWS[0],
    run: async (db, name, records) => {
      for (let from = 0; from < records.length; ) {
        const rows = toStatementRows(records.length - from, isFar);
        const part = records.slice(from, from + rows);
        await db.executeQuery(toQuery(toText(texts, db, { name, records: part }), toValues(part)));
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

function toText(
  texts: Map<string, string>,
  db: Kysely<LogTables>,
  { name, records }: { readonly name: PartitionName; readonly records: readonly RequestRecord[] },
): string {
  const id = `${name} ${records.length}`;
  let text = texts.get(id);
  if (text === undefined) {
    text = db.insertInto(name).values(records).compile().sql;
    // Of one day: the tables of others are not written any more.
    if (texts.size >= TEXTS_KEPT) texts.clear();
    texts.set(id, text);
  }
  return text;
}

/** In the order of the members of a record, as in the text. */
function toValues(records: readonly RequestRecord[]): unknown[] {
  const values: unknown[] = [];
  for (const record of records) for (const column in record) values.push(record[column as keyof RequestRecord]);
  return values;
}
