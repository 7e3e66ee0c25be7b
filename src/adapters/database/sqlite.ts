/** An embedded database in one file, behind the database port: write-ahead log, every commit synced. */
import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Kysely, SqliteStatement } from 'kysely';
import type { Database, DatabaseArea } from '../../core/database.ts';
import { DatabaseError } from '../../core/errors.ts';
import { DATABASE_LIMITS } from '../../core/limits/database.ts';
import type { Pause } from '../../core/ports.ts';
import { toSqliteError } from './failures.ts';
import { kysely } from './kysely.ts';
import { isCurrent, migrate } from './migrate.ts';
import type { OpenSqlite, SqliteFile } from './sqlite-driver.ts';

/** Statements that change something, to be run again without being read again: a log writes the same one each time. */
const STATEMENTS_KEPT = 16;

export interface OpenSqliteOptions {
  /** Absolute; its folder must exist. */
  readonly path: string;
  readonly area: DatabaseArea;
  readonly open: OpenSqlite;
  readonly pause: Pause;
}

/** @throws DatabaseError DATABASE_BUSY | DATABASE_REFUSED | DATABASE_DAMAGED | DATABASE_NEWER */
export async function openSqlite<Tables>(options: OpenSqliteOptions): Promise<Database<Tables>> {
  const { path, area, pause } = options;
  const file = await openFile(options);
  const root = new kysely.Kysely<Tables>({ dialect: new kysely.SqliteDialect({ database: file }) });
  // Kysely gives its one connection to one caller at a time.
  const inside = <T>(begin: string, work: (db: Kysely<Tables>) => Promise<T>): Promise<T> =>
    root.connection().execute(async (connection) => {
      await whenFree(pause, () => {
        file.exec(begin);
      });
      try {
        const result = await work(connection);
        file.exec('commit');
        return result;
      } catch (error) {
        rollBack(file);
        throw error;
      }
    });
  const database: Database<Tables> = {
    label: basename(path),
    isShared: false,
    write: (work) => inside('begin immediate', work),
    read: (work) => inside('begin deferred', work),
    close: () => root.destroy().catch(() => undefined),
  };
  try {
    if (!(await isCurrent(database, area))) {
      await database.write((db) => migrate(db as unknown as Kysely<unknown>, area));
    }
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Some errors (a full disk) end the transaction by themselves. */
function rollBack(file: SqliteFile): void {
  try {
    file.exec('rollback');
  } catch {
    // There is nothing left to undo.
  }
}

async function openFile({ path, open, pause }: OpenSqliteOptions): Promise<SqliteFile> {
  const label = basename(path);
  let file: SqliteFile | undefined;
  try {
    makeFile(path);
    const opened = toCoded(open(path), label);
    file = opened;
    await whenFree(pause, () => {
      opened.prepare('pragma journal_mode = wal').all([]);
    });
    // The log is synced with each commit, so that what was told is there after a power cut.
    opened.exec('pragma synchronous = full');
    return opened;
  } catch (error) {
    file?.close();
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EROFS' || code === 'EISDIR') {
      throw new DatabaseError('DATABASE_REFUSED', { fields: { database: label, reason: code }, cause: error });
    }
    throw toSqliteError(error, label);
  }
}

/**
 * SQLite gives its own files the mode of the first: that is for its user alone. One that is there is not opened: to close it would
 * drop the locks of this process on it (POSIX), and another process that ends would take the write-ahead log away from under it.
 * @throws what the system says of a file that cannot be made, read or written
 */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    accessSync(path, constants.R_OK | constants.W_OK);
    if (statSync(path).isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  }
}

/** What the engine throws, coded; what a caller throws in his transaction is left as it is. */
function toCoded(file: SqliteFile, label: string): SqliteFile {
  const run = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw toSqliteError(error, label);
    }
  };
  const kept = new Map<string, SqliteStatement>();
  return {
    exec: (sql) => {
      run(() => {
        file.exec(sql);
      });
    },
    prepare: (sql) => {
      const before = kept.get(sql);
      if (before !== undefined) return before;
      const statement = run(() => file.prepare(sql));
      const coded: SqliteStatement = {
        reader: statement.reader,
        all: (values) => run(() => statement.all(values)),
        run: (values) => run(() => statement.run(values)),
        iterate: (values) => statement.iterate(values),
      };
      // One that gives rows can be in the middle of them when it is asked for again.
      if (!coded.reader) {
        if (kept.size >= STATEMENTS_KEPT) kept.clear();
        kept.set(sql, coded);
      }
      return coded;
    },
    close: () => {
      kept.clear();
      file.close();
    },
  };
}

/** SQLite's own waiting would stop the whole process, which may itself hold what the other one waits for. */
async function whenFree(pause: Pause, work: () => void): Promise<void> {
  const { turnWaitMs, turnPollMs } = DATABASE_LIMITS;
  for (let left: number = turnWaitMs; ; left -= turnPollMs) {
    try {
      work();
      return;
    } catch (error) {
      const isBusy = error instanceof DatabaseError && error.code === 'DATABASE_BUSY';
      if (!isBusy || left <= 0) throw error;
      await pause(turnPollMs);
    }
  }
}
