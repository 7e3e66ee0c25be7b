/** Where a database is: `sqlite:FILE` or `postgres://…`. */
import { DatabaseError } from '../../core/errors.ts';
import { parsePostgresAddress, type PostgresAddress } from '../../postgres/index.ts';

export type DatabaseAddress =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly server: PostgresAddress };

export interface ParseDatabaseAddressOptions {
  /** False where the text could be seen by others: in arguments and in the environment. */
  readonly isPasswordAllowed: boolean;
  readonly toAbsolute: (path: string) => string;
}

/** @throws DatabaseError DATABASE_URL_MALFORMED | DATABASE_PASSWORD_EXPOSED */
export function parseDatabaseAddress(
  text: string,
  { isPasswordAllowed, toAbsolute }: ParseDatabaseAddressOptions,
): DatabaseAddress {
  const file = /^sqlite:([^\0]+)$/.exec(text)?.[1];
  if (file !== undefined) return { kind: 'sqlite', path: toAbsolute(file) };
  const server = parsePostgresAddress(text, {
    isPasswordAllowed,
    toError: (fault) =>
      fault.kind === 'exposed'
        ? new DatabaseError('DATABASE_PASSWORD_EXPOSED')
        : new DatabaseError('DATABASE_URL_MALFORMED', { fields: { at: fault.at } }),
  });
  return { kind: 'postgres', server };
}
