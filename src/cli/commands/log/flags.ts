/** Options that commands about the log of requests take: which database, and which rows. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Database } from '../../../core/database.ts';
import { CliError } from '../../../core/errors.ts';
import type { LogQuery, LogTables } from '../../../gateway/index.ts';
import type { CliContext } from '../../context.ts';
import { readSecretFile } from '../../ui/secret.ts';
import { readHashKey } from '../serve/operations/hash-key.ts';
import { toCountWithin, toDate } from '../values.ts';
import { type DatabaseAddress, openLogDatabase, readLogAddress, toHomeLog } from './compose.ts';

export interface LogFlags {
  readonly database?: string;
  readonly databaseFile?: string;
}

export function addLogOptions(command: Command): Command {
  return command
    .option(
      '--database <url>',
      "database of the log: sqlite:FILE, or postgres://… without a password (default: the home's)",
    )
    .option('--database-file <file>', 'file with the address of the database, mode 600');
}

export async function withLog<T>(
  context: CliContext,
  flags: LogFlags,
  work: (database: Database<LogTables>) => Promise<T>,
): Promise<T> {
  const database = await openLogDatabase(await chooseLog(context, flags));
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** @throws CliError CLI_USAGE | CLI_SECRET_…; DatabaseError of the address */
function chooseLog(context: CliContext, { database, databaseFile }: LogFlags): Promise<DatabaseAddress> {
  if (database !== undefined && databaseFile !== undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give one of --database URL and --database-file FILE.' });
  }
  const toAbsolute = (path: string): string => context.toAbsolute(path);
  if (database !== undefined) return readLogAddress(database, { isPasswordAllowed: false, toAbsolute });
  if (databaseFile === undefined) return Promise.resolve(toHomeLog(context.services));
  const text = Buffer.from(readSecretFile(toAbsolute(databaseFile))).toString('utf8');
  return readLogAddress(text, { isPasswordAllowed: true, toAbsolute });
}

export interface QueryFlags extends LogFlags {
  readonly key?: string;
  readonly principal?: string;
  readonly tenant?: string;
  readonly model?: string;
  readonly status?: number;
  readonly code?: string;
  readonly request?: string;
  readonly inputHash?: string;
  readonly input?: string;
  readonly hashKeyFile?: string;
  readonly since?: string;
  readonly until?: string;
}

export function addQueryOptions(command: Command): Command {
  return addLogOptions(command)
    .option('--key <id>', 'requests of this API key')
    .option('--principal <id>', 'of this caller as the log names him: key:…, jwt:…, mtls:…')
    .option('--tenant <name>', 'of this customer')
    .option('--model <name>', 'to this model')
    .option('--status <code>', 'answered by this HTTP status', toCountWithin(100, 599))
    .option('--code <name>', 'refused or failed by this code, such as GATEWAY_INPUT_SHAPE')
    .option('--request <id>', 'of this id, as "x-request-id" of the answer has it')
    .option('--input-hash <hex>', 'with this SHA-256 of the body, or this hash of the tensors', toHash)
    .option('--input <file>', 'with the bytes of this file as body')
    .option(
      '--hash-key-file <file>',
      "for --input: the key of the gateway's hashes of inputs (log.hashKeyFile), mode 600",
    )
    .option('--since <time>', 'from this time on, such as 2026-11-21T09:00:00Z', toDate)
    .option('--until <time>', 'before this time', toDate);
}

/** @throws CliError CLI_USAGE; SourceError */
export async function toQuery(context: CliContext, flags: QueryFlags): Promise<LogQuery> {
  const { key, principal, tenant, model, status, code, request: requestId, since, until } = flags;
  if (key !== undefined && principal !== undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give one of --key ID and --principal ID.' });
  }
  return {
    ...{ principal: key === undefined ? principal : `key:${key}`, tenant, model, status, code, requestId },
    inputHash: await toInputHash(context, flags),
    sinceMs: since === undefined ? undefined : Date.parse(since),
    untilMs: until === undefined ? undefined : Date.parse(until),
  };
}

async function toInputHash(
  context: CliContext,
  { inputHash, input, hashKeyFile }: QueryFlags,
): Promise<string | undefined> {
  if (input === undefined) return inputHash;
  if (inputHash !== undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give one of --input FILE and --input-hash HEX.' });
  }
  const [{ hmacSha256, sha256 }, { toHex, zeroize }] = await Promise.all([
    import('../../../core/hash.ts'),
    import('../../../core/bytes.ts'),
  ]);
  const body = context.services.storage.read(context.toAbsolute(input));
  const key = hashKeyFile === undefined ? null : readHashKey(context.toAbsolute(hashKeyFile));
  if (key === null) return toHex(sha256(body));
  try {
    return toHex(hmacSha256(key, body));
  } finally {
    zeroize(key);
  }
}

function toHash(text: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new InvalidArgumentError('Not a SHA-256 in hex.');
  return text.toLowerCase();
}
