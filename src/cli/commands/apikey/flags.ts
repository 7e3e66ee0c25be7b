/** Options that all commands about API keys take: which table, and the pepper of its hashes. */
import type { Command } from 'commander';
import { findHexBytes, zeroize } from '../../../core/bytes.ts';
import { CliError } from '../../../core/errors.ts';
import { createKeyHasher, type KeyHasher } from '../../../gateway/index.ts';
import type { ApiKeyStore } from '../../../gateway/ports.ts';
import type { ApiKeyDesk } from '../../../workflows/gateway/index.ts';
import { type CliContext, withSession } from '../../context.ts';
import { readSecretFile } from '../../ui/secret.ts';
import { type DatabaseAddress, openKeyTable, readKeyTableAddress, toHomeKeyTable } from './compose.ts';

export interface TableFlags {
  readonly database?: string;
  readonly databaseFile?: string;
}

export interface DeskFlags extends TableFlags {
  readonly pepperFile?: string;
}

export function addTableOptions(command: Command): Command {
  return command
    .option('--database <url>', "table of keys: sqlite:FILE, or postgres://… without a password (default: the home's)")
    .option('--database-file <file>', 'file with the address of the table, mode 600');
}

export function addDeskOptions(command: Command): Command {
  return addTableOptions(command).option(
    '--pepper-file <file>',
    'hashes are made with this secret: 32 bytes or more in hex, mode 600; the same for the gateway',
  );
}

/** @throws CliError CLI_USAGE | CLI_SECRET_…; DatabaseError of the address */
export async function chooseTable(context: CliContext, flags: TableFlags): Promise<DatabaseAddress> {
  const { database, databaseFile } = flags;
  if (database !== undefined && databaseFile !== undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give one of --database URL and --database-file FILE.' });
  }
  const toAbsolute = (path: string): string => context.toAbsolute(path);
  if (database !== undefined) return readKeyTableAddress(database, { isPasswordAllowed: false, toAbsolute });
  if (databaseFile === undefined) return toHomeKeyTable(context.services);
  const text = Buffer.from(readSecretFile(context.toAbsolute(databaseFile))).toString('utf8');
  return readKeyTableAddress(text, { isPasswordAllowed: true, toAbsolute });
}

/** @throws CliError CLI_SECRET_…; GatewayError APIKEY_PEPPER_INVALID */
export function readHasher(context: CliContext, { pepperFile }: Pick<DeskFlags, 'pepperFile'>): KeyHasher {
  if (pepperFile === undefined) return createKeyHasher(null);
  const text = readSecretFile(context.toAbsolute(pepperFile));
  const pepper = findHexBytes(Buffer.from(text).toString('latin1')) ?? new Uint8Array();
  try {
    return createKeyHasher(pepper);
  } finally {
    zeroize(text, pepper);
  }
}

export async function withKeyTable<T>(
  context: CliContext,
  flags: TableFlags,
  work: (store: ApiKeyStore) => Promise<T>,
): Promise<T> {
  const store = await openKeyTable(context.services, await chooseTable(context, flags));
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** With the owner, whose ledger has every change. */
export function withDesk<T>(context: CliContext, flags: DeskFlags, work: (desk: ApiKeyDesk) => Promise<T>): Promise<T> {
  const { clock, random } = context.services;
  const hasher = readHasher(context, flags);
  return withSession(context, ({ recorder }) =>
    withKeyTable(context, flags, (store) => work({ store, hasher, recorder, clock, random })),
  );
}
