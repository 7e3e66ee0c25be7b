/** `modelward seal`: a model encrypted. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../core/errors.ts';
import { toByteText } from '../../core/quantities.ts';
import { toLocationName } from '../../workflows/locations.ts';
import { sealModel } from '../../workflows/seal-model.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addDataRootOption } from './model-options.ts';

interface SealFlags {
  readonly out?: string;
  readonly key?: string;
  readonly force?: boolean;
  readonly dataRoot?: string;
}

export function defineSeal(command: Command, host: CommandHost): void {
  command
    .description(
      'Seals a model (AES-256-GCM in the FLOE format) with its external data or shards into one file. The wrapped key goes into an envelope in the home, never beside the weights. The plaintext stays where it is.',
    )
    .argument('<file>', 'model, or any other file; or s3:// or gs:// address of one')
    .option('-o, --out <file>', 'sealed file, or s3:// or gs:// address (default: NAME.seal in the current folder)')
    .option('--key <uri>', 'key that wraps the data key, such as local:PATH (default: a key in the home)')
    .option('--force', 'replace an existing file');
  addDataRootOption(command);
  addExamples(command, [
    { command: 'modelward seal model.onnx --out release/model.seal', summary: 'seal for shipping' },
  ]);
  onAction<SealFlags>(host, command, async (context, flags, words) => {
    const path = context.toLocation(words[0]);
    const result = await withSession(context, (session) =>
      sealModel(context.services, session, {
        path,
        out: context.toLocation(flags.out ?? `${parse(toLocationName(path)).name}.seal`),
        keyUri: flags.key ?? null,
        force: flags.force ?? false,
        ...toPathOption(context, 'dataRoot', flags.dataRoot),
      }),
    );
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['sealed', `${result.sealed.path} (${toByteText(result.sealed.sizeBytes)})`],
          ['envelope', result.envelope.path],
          ['key', result.key.note === null ? result.key.scheme : `${result.key.scheme} (${result.key.note})`],
          ['ledger', `entry ${result.leafIndex}`],
          ['plaintext left', result.plaintextLeft.join(', ')],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
