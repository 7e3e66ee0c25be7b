/** Which databases hold keys, budgets and the log: the home's own files, or the one that a configuration names. */
import type { DatabaseConfig } from '../../../../gateway/index.ts';
import type { CliContext } from '../../../context.ts';
import { chooseTable } from '../../apikey/flags.ts';
import { type DatabaseAddress, toHomeKeyTable } from '../../apikey/compose.ts';
import { toHomeLog } from '../../log/compose.ts';

export interface ServedDatabases {
  /** Of keys and budgets. */
  readonly keys: DatabaseAddress;
  readonly log: DatabaseAddress;
}

/** @throws DatabaseError of the address; CliError of the file that holds it */
export async function chooseDatabases(context: CliContext, database: DatabaseConfig): Promise<ServedDatabases> {
  const { services } = context;
  if (database === undefined) return { keys: toHomeKeyTable(services), log: toHomeLog(services) };
  const address = await chooseTable(
    context,
    'url' in database ? { database: database.url } : { databaseFile: database.file },
  );
  return { keys: address, log: address };
}
