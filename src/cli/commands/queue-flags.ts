/** Options of the commands that use the queue, and where its address comes from: a password only from a private file. */
import type { Command } from 'commander';
import { CliError, type ErrorCode, QueueError } from '../../core/errors.ts';
import { openFleetQueue } from '../compose.ts';
import type { CliContext } from '../context.ts';
import { readSecretFile } from '../ui/secret.ts';

export interface QueueFlags {
  /** True for --queue without a value. */
  readonly queue?: string | true;
  readonly queueFile?: string;
  readonly queueSchema: string;
  readonly root?: string;
}

export function addQueueOptions(command: Command): Command {
  return command
    .option('--queue [url]', 'address of the PostgreSQL server, without a password (default: $MODELWARD_QUEUE_URL)')
    .option('--queue-file <file>', 'file with the address, mode 600 (default: $MODELWARD_QUEUE_FILE)')
    .option('--queue-schema <name>', 'database schema of the queue', 'modelward');
}

type Opened = Awaited<ReturnType<typeof openFleetQueue>>;

export interface QueueUse {
  /** As in `openFleetQueue`. */
  readonly leaseSeconds: number | null;
  readonly connectionsMax: number;
}

/** Opens the queue that the options or the environment name. @throws CliError CLI_SECRET_…; QueueError */
export function openQueue(context: CliContext, flags: QueueFlags, use: QueueUse): Promise<Opened> {
  return openFleetQueue({ ...findAddress(context, flags, process.env), schema: flags.queueSchema, ...use });
}

interface Address {
  readonly url: string;
  readonly isPasswordAllowed: boolean;
}

/** What the command line says goes before the environment, and a file before an address. */
function findAddress(
  context: CliContext,
  { queue, queueFile }: QueueFlags,
  env: Readonly<Record<string, string | undefined>>,
): Address {
  if (queueFile !== undefined) return readAddress(context.toAbsolute(queueFile));
  if (typeof queue === 'string') return { url: queue, isPasswordAllowed: false };
  const { MODELWARD_QUEUE_FILE: file, MODELWARD_QUEUE_URL: url } = env;
  if (file !== undefined && file !== '') return readAddress(context.toAbsolute(file));
  if (url !== undefined && url !== '') return { url, isPasswordAllowed: false };
  throw new QueueError('QUEUE_URL_MISSING');
}

/** In the words of the file that it is: the errors speak of passphrases. */
const FILE_MESSAGES: Partial<Record<ErrorCode, string>> = {
  CLI_SECRET_FILE_EXPOSED: 'The queue file can be read by other users.',
  CLI_SECRET_UNREADABLE: 'The queue file cannot be read.',
  CLI_SECRET_EMPTY: 'The queue file is empty.',
  CLI_SECRET_TOO_LONG: 'The queue file holds more than an address.',
};

function readAddress(path: string): Address {
  try {
    return { url: Buffer.from(readSecretFile(path)).toString('utf8'), isPasswordAllowed: true };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const message = FILE_MESSAGES[error.code] ?? error.message;
    throw new CliError(error.code, { message, fields: error.fields, cause: error });
  }
}
