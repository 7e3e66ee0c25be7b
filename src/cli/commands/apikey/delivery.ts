/** Where the text of a new key goes: into a file of mode 600; to the terminal only when that was asked for. */
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { zeroize } from '../../../core/bytes.ts';
import { EXIT, SourceError } from '../../../core/errors.ts';
import { type ApiKeyChange, type Deliver, type IssuedApiKey, toApiKeyFile } from '../../../workflows/gateway/index.ts';
import { writeBytes } from '../../../workflows/write-bytes.ts';
import type { CliContext } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';

export interface DeliveryFlags {
  readonly out?: string;
  readonly print?: boolean;
}

export function addDeliveryOptions(command: Command): Command {
  return command
    .option('-o, --out <file>', 'the key, as JSON, readable by you alone (default: ID.apikey.json)')
    .option('--print', 'print the key instead; terminals and their logs keep what they show');
}

/** Runs a change that makes a key. A file of a key that was not made after all is removed. */
export async function deliverKey(
  context: CliContext,
  flags: DeliveryFlags,
  change: (deliver: Deliver) => Promise<ApiKeyChange>,
): Promise<typeof EXIT.ok> {
  const outcome: Outcome = { file: null, printed: null };
  const deliver: Deliver = (issued) => {
    if (flags.print === true) outcome.printed = issued;
    else outcome.file = writeKey(context, issued, flags.out);
  };
  try {
    return printChange(context, await change(deliver), outcome);
  } catch (error) {
    if (outcome.file !== null) context.services.storage.remove(outcome.file);
    throw error;
  }
}

interface Outcome {
  file: string | null;
  printed: IssuedApiKey | null;
}

/** @throws SourceError WRITE_EXISTS: no file is replaced, it could hold another key */
function writeKey(context: CliContext, issued: IssuedApiKey, out: string | undefined): string {
  const { storage } = context.services;
  const path = context.toAbsolute(out ?? join('.', `${issued.record.id}.apikey.json`));
  if (storage.exists(path)) throw new SourceError('WRITE_EXISTS', { fields: { file: basename(path) } });
  const bytes = toApiKeyFile(issued);
  try {
    writeBytes(storage, { path, mode: 0o600, bytes, replace: false });
  } finally {
    zeroize(bytes);
  }
  return path;
}

function printChange(
  context: CliContext,
  { record, leafIndex }: ApiKeyChange,
  { file, printed }: Outcome,
): typeof EXIT.ok {
  const { id, name, tenant } = record;
  const shown = printed === null ? { file } : { apiKey: printed.apiKey, tagKey: printed.tagKey };
  context.ui.result({ id, name, tenant, ...shown, leafIndex }, ({ style }) =>
    toPairs(
      [
        ['key', id],
        ['name', name],
        ['tenant', tenant],
        ...(printed === null
          ? [['file', file ?? '-'] as const]
          : [['secret', printed.apiKey] as const, ['tag key', printed.tagKey] as const]),
        ['ledger', `entry ${leafIndex}`],
      ],
      style,
    ),
  );
  return EXIT.ok;
}
