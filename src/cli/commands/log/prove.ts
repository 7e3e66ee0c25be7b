/** `modelward log prove`. */
import type { Command } from 'commander';
import { utf8 } from '../../../core/bytes.ts';
import { CliError, EXIT } from '../../../core/errors.ts';
import type { LogPlace } from '../../../gateway/ports.ts';
import { proveRequest } from '../../../workflows/gateway/index.ts';
import { makeParent, writeBytes } from '../../../workflows/write-bytes.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { toCountWithin } from '../values.ts';
import { addLogOptions, type LogFlags, withLog } from './flags.ts';

interface ProveFlags extends LogFlags {
  readonly stream?: string;
  readonly index?: number;
  readonly out?: string;
}

export function defineProve(command: Command, host: CommandHost): void {
  command
    .description(
      'Writes the row of a request, the signed checkpoint that covers it, and the hashes that lead from one to the other. With the gateway\'s public key ("log key") anybody checks it offline: "modelward verify-response --proof". The row names the caller, the model and hashes, not the input.',
    )
    .argument('[request]', 'id of the request, as "x-request-id" of its answer has it')
    .option('--stream <name>', 'instead of the id: stream, as "modelward-log" of the answer has it')
    .option('--index <number>', 'index in that stream', toCountWithin(0, Number.MAX_SAFE_INTEGER))
    .option('-o, --out <file>', 'write the proof into this file; one that is there is not replaced');
  addLogOptions(command);
  addExamples(command, [
    {
      command: 'modelward log prove 019aa4d2-6f00-7a10-8000-0123456789ab -o answer.proof.json',
      summary: 'an exhibit to hand out',
    },
  ]);
  onAction<ProveFlags>(host, command, async (context, flags, words) => {
    const asked = toAsked(flags, words);
    const proof = await withLog(context, flags, (database) => proveRequest(database, asked));
    const { index, keyId, path } = proof;
    if (flags.out === undefined) {
      context.ui.result(proof, () => `${JSON.stringify(proof)}\n`);
      return EXIT.ok;
    }
    const file = context.toAbsolute(flags.out);
    const { storage } = context.services;
    makeParent(storage, file);
    writeBytes(storage, { path: file, mode: 0o644, bytes: utf8(`${JSON.stringify(proof)}\n`), replace: false });
    context.ui.result({ file, index, keyId }, ({ style }) =>
      toPairs(
        [
          ['file', file],
          ['row', `${index}, by ${path.length} hashes`],
          ['key', keyId],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

/** @throws CliError CLI_USAGE */
function toAsked({ stream, index }: ProveFlags, words: readonly string[]): LogPlace | { requestId: string } {
  const requestId = words.at(0);
  if (requestId !== undefined && stream === undefined && index === undefined) return { requestId };
  if (requestId === undefined && stream !== undefined && index !== undefined) return { stream, index };
  throw new CliError('CLI_USAGE', { message: 'Give the id of a request, or --stream NAME and --index NUMBER.' });
}
