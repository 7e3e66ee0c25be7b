/** SQLite as this Node has it: built in, else libsql. Both are loaded when a database is opened and never else. */
import type { SqliteDatabase, SqliteStatement } from 'kysely';
import { DatabaseError } from '../../core/errors.ts';

export interface SqliteFile extends SqliteDatabase {
  /** Runs a statement without rows to its end, so that one that found the file taken is not left in progress. */
  exec(sql: string): void;
}

/** Opens a file without waiting for locks: whoever waits lets the process go on meanwhile. */
export type OpenSqlite = (path: string) => SqliteFile;

export type SqliteDriverName = 'node:sqlite' | 'libsql';

/** The part of node:sqlite that is used; its `columns` tells which statements give rows (Node 22.16). */
interface NodeSqlite {
  readonly DatabaseSync: new (path: string, options: { readonly timeout: number }) => NodeDatabase;
  readonly StatementSync: { readonly prototype: object };
}

interface NodeDatabase {
  exec(sql: string): void;
  prepare(sql: string): NodeStatement;
  close(): void;
}

interface NodeStatement {
  columns(): readonly object[];
  all(...values: readonly unknown[]): unknown[];
  run(...values: readonly unknown[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
  iterate(...values: readonly unknown[]): IterableIterator<unknown>;
}

/**
 * @param names in the order of preference
 * @throws DatabaseError DATABASE_SQLITE_MISSING
 */
export async function loadSqlite(names: readonly SqliteDriverName[] = ['node:sqlite', 'libsql']): Promise<OpenSqlite> {
  for (const name of names) {
    const open = name === 'libsql' ? await loadLibsql() : await loadBuiltIn();
    if (open !== undefined) return open;
  }
  throw new DatabaseError('DATABASE_SQLITE_MISSING');
}

async function loadBuiltIn(): Promise<OpenSqlite | undefined> {
  const module = await withoutWarning(() => tryImport<NodeSqlite>('node:sqlite'));
  if (module === undefined || !('columns' in module.StatementSync.prototype)) return undefined;
  const { DatabaseSync } = module;
  return (path) => toKysely(new DatabaseSync(path, { timeout: 0 }));
}

async function loadLibsql(): Promise<OpenSqlite | undefined> {
  type Libsql = new (path: string, options: { readonly timeout: number }) => SqliteFile;
  const module = await tryImport<{ readonly default: Libsql }>('libsql');
  if (module === undefined) return undefined;
  const { default: Libsql } = module;
  return (path) => new Libsql(path, { timeout: 0 });
}

/** An absent package, a Node without the module, and a binary that this system cannot load are all no driver. */
async function tryImport<T>(name: string): Promise<T | undefined> {
  try {
    return (await import(name)) as T;
  } catch {
    return undefined;
  }
}

/** Node says on each start that its own SQLite is experimental; users of a command cannot do anything about it. */
async function withoutWarning<T>(work: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(process, 'emitWarning')!;
  process.emitWarning = () => undefined;
  try {
    return await work();
  } finally {
    Object.defineProperty(process, 'emitWarning', before);
  }
}

function toKysely(database: NodeDatabase): SqliteFile {
  return {
    exec: (sql) => {
      database.exec(sql);
    },
    close: () => {
      database.close();
    },
    prepare: (sql): SqliteStatement => {
      const statement = database.prepare(sql);
      return {
        reader: statement.columns().length > 0,
        all: (values) => statement.all(...values),
        run: (values) => statement.run(...values),
        iterate: (values) => statement.iterate(...values),
      };
    },
  };
}
