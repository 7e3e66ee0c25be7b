/** The user's password file for PostgreSQL: read when an address has no password, and only when nobody else can read it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { findPassword, PASSFILE_CHARS_MAX, type PostgresAddress } from '../../postgres/index.ts';

/** @param path of the file; one that is missing, or that others can read, holds nothing, as libpq has it */
export function readPassword(path: string, server: PostgresAddress): string | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    const { mode, size } = fstatSync(fd);
    if ((process.platform !== 'win32' && (mode & 0o077) !== 0) || size > PASSFILE_CHARS_MAX) return null;
    const bytes = Buffer.alloc(size);
    const length = readSync(fd, bytes, 0, size, 0);
    return findPassword(bytes.toString('utf8', 0, length), server);
  } finally {
    closeSync(fd);
  }
}
