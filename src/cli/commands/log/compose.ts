/** Puts the database of the log of requests in. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DatabaseAddress } from '../../../adapters/database/index.ts';
import type { Database } from '../../../core/database.ts';
import { GatewayError } from '../../../core/errors.ts';
import { GATEWAY_LOG_AREA, type LogTables } from '../../../gateway/index.ts';
import type { Services } from '../../../workflows/services.ts';
import { pause } from '../../compose.ts';

export type { DatabaseAddress };

/** @throws DatabaseError DATABASE_URL_MALFORMED | DATABASE_PASSWORD_EXPOSED */
export async function readLogAddress(
  text: string,
  options: { readonly isPasswordAllowed: boolean; readonly toAbsolute: (path: string) => string },
): Promise<DatabaseAddress> {
  const { parseDatabaseAddress } = await import('../../../adapters/database/index.ts');
  return parseDatabaseAddress(text, options);
}

/** The embedded log of a home. */
export function toHomeLog({ home }: Pick<Services, 'home'>): DatabaseAddress {
  return { kind: 'sqlite', path: join(home.root, 'gateway', 'log.db') };
}

/** A log that is there: none is made by looking at it. @throws GatewayError GATEWAY_LOG_NOT_FOUND; DatabaseError */
export async function openLogDatabase(address: DatabaseAddress): Promise<Database<LogTables>> {
  if (address.kind === 'sqlite' && !existsSync(address.path)) {
    throw new GatewayError('GATEWAY_LOG_NOT_FOUND', { fields: { file: basename(address.path) } });
  }
  const { openDatabase } = await import('../../../adapters/database/index.ts');
  const passfile = process.env.PGPASSFILE ?? null;
  return openDatabase<LogTables>({ address, area: GATEWAY_LOG_AREA, pause, passfile });
}
