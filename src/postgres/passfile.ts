/** Passwords where PostgreSQL's own programs look for them: a private file with one line for each server and user. */
import type { PostgresAddress } from './address.ts';

/** Longest file that is read, in characters: a line each for thousands of servers. */
export const PASSFILE_CHARS_MAX = 1024 * 1024;

/**
 * The password of the first line that fits, as libpq picks it; null without one.
 * @param text lines `HOST:PORT:DATABASE:USER:PASSWORD`; "*" fits anything, "\:" and "\\" stand for themselves
 * @see https://www.postgresql.org/docs/15/libpq-pgpass.html
 */
export function findPassword(
  text: string,
  { host, port, database, user }: Pick<PostgresAddress, 'host' | 'port' | 'database' | 'user'>,
): string | null {
  // A socket's folder is written as localhost.
  const wanted = [host.startsWith('/') ? ['localhost', host] : [host], [String(port)], [database], [user]];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const fields = splitFields(line.replace(/\r$/, ''));
    if (fields.length !== 5) continue;
    const isFit = wanted.every((names, at) => fields[at] === '*' || names.includes(fields[at]));
    if (isFit) return fields[4];
  }
  return null;
}

/** The first four colons part the fields; in the password, later ones need no escape. */
function splitFields(line: string): string[] {
  const fields = [''];
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === '\\' && at + 1 < line.length) fields[fields.length - 1] += line[++at];
    else if (line[at] === ':' && fields.length < 5) fields.push('');
    else fields[fields.length - 1] += line[at];
  }
  return fields;
}
