/** `modelward keys reseal`: a new data key for a sealed model whose data key leaked. */
import type { Command } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { toByteText } from '../../core/quantities.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';

interface ResealFlags {
  readonly out: string;
  readonly key?: string;
  readonly envelope?: string;
  readonly to?: string;
  readonly force?: boolean;
}

export function addReseal(keys: Command, host: CommandHost): void {
  const command = keys
    .command('reseal')
    .summary('seal a sealed model anew, under a new data key')
    .description(
      'For a data key that leaked, which no rotation mends: decrypts a sealed file and encrypts it under a new data key, in memory and segment by segment, into a new sealed file with an envelope of its own. No plaintext is written. The old file stays: withdraw its copies, since who has the old data key opens them.',
    )
    .argument('<sealed>', 'sealed file, or s3:// or gs:// address of one')
    .requiredOption('-o, --out <file>', 'new sealed file, or s3:// or gs:// address')
    .option('--key <uri>', 'key that opens it (default: the key of this home)')
    .option('--envelope <file>', 'its key envelope (default: the one in the home)')
    .option('--to <uri>', 'key that wraps the new data key (default: the key of this home)')
    .option('--force', 'replace an existing file');
  addExamples(command, [
    { command: 'modelward keys reseal model.seal --out release/model.seal', summary: 'same files, another data key' },
  ]);
  onAction<ResealFlags>(host, command, async (context, flags, words) => {
    const { resealModel } = await import('../../workflows/keys/reseal.ts');
    const result = await withSession(context, (session) =>
      resealModel(context.services, session, {
        path: context.toLocation(words[0]),
        out: context.toLocation(flags.out),
        keyUri: flags.key ?? null,
        toUri: flags.to ?? null,
        force: flags.force ?? false,
        ...toPathOption(context, 'envelopePath', flags.envelope),
      }),
    );
    context.ui.note(`who has the old data key still opens copies of seal ${result.from.sealId}: withdraw them`);
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['sealed', `${result.sealed.path} (${toByteText(result.sealed.sizeBytes)})`],
          ['envelope', result.envelope.path],
          ['key', result.key.note === null ? result.key.scheme : `${result.key.scheme} (${result.key.note})`],
          ['ledger', `entry ${result.leafIndex}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
