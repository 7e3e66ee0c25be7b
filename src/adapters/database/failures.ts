/** What went wrong with a database, as coded errors that hold its name and a reason code and quote nothing. */
import { DatabaseError, ModelwardError } from '../../core/errors.ts';
import { classifyFailure } from '../../postgres/index.ts';

/** Result codes of SQLite, https://www.sqlite.org/rescode.html; node:sqlite gives the number, libsql the name. */
const SQLITE = {
  SQLITE_BUSY: 5,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_NOTADB: 26,
} as const;

/** Name of the primary result code; '' for what is not SQLite's. */
function toSqliteReason(error: unknown): string {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const named = Object.keys(SQLITE).find((name) => typeof code === 'string' && code.startsWith(name));
  if (named !== undefined) return named;
  const primary = typeof errcode === 'number' ? errcode & 0xff : undefined;
  return Object.entries(SQLITE).find(([, value]) => value === primary)?.[0] ?? '';
}

/** @param label name of the file */
export function toSqliteError(error: unknown, label: string): ModelwardError {
  if (error instanceof ModelwardError) return error;
  const reason = toSqliteReason(error);
  const fields = { database: label, ...(reason === '' ? {} : { reason }) };
  if (reason === 'SQLITE_BUSY') return new DatabaseError('DATABASE_BUSY', { fields, cause: error });
  const isDamaged = reason === 'SQLITE_CORRUPT' || reason === 'SQLITE_NOTADB';
  return new DatabaseError(isDamaged ? 'DATABASE_DAMAGED' : 'DATABASE_REFUSED', { fields, cause: error });
}

const CODES = {
  unreachable: 'DATABASE_UNREACHABLE',
  login: 'DATABASE_LOGIN_REFUSED',
  tls: 'DATABASE_TLS_FAILED',
  refused: 'DATABASE_REFUSED',
} as const;

/** lock_not_available: the turn of others lasted longer than `lock_timeout`. */
const LOCK_TIMEOUT = '55P03';

/** @param label such as "db.example:5432" */
export function toPostgresError(error: unknown, label: string): ModelwardError {
  if (error instanceof ModelwardError) return error;
  const { kind, reason } = classifyFailure(error);
  const fields = { database: label, ...(reason === '' ? {} : { reason }) };
  return new DatabaseError(reason === LOCK_TIMEOUT ? 'DATABASE_BUSY' : CODES[kind], { fields, cause: error });
}
