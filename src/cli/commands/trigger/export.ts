/** `modelward trigger export`: the inputs of a set of triggers. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { exportTriggers } from '../../../workflows/trigger/export.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withLazySession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addChooseOptions, type ChooseFlags, toChooseOptions } from './options.ts';

export function defineExport(command: Command, host: CommandHost): void {
  command
    .description(
      'Writes the inputs of a set of triggers as one npy, in the element type that the model takes, so that they can be run on a phone, a board or a service. The answers go back into "trigger verify --answers". The labels are not written; but whoever has the inputs can refuse or relearn them.',
    )
    .requiredOption('-o, --out <file>', 'npy to make; it must not exist');
  addChooseOptions(command);
  addExamples(command, [
    { command: 'modelward trigger export --claim my.claim.json --out triggers.npy', summary: 'to be run elsewhere' },
  ]);
  onAction<ChooseFlags & { out: string }>(host, command, async (context, flags) => {
    const done = await withLazySession(context, (open) =>
      exportTriggers(context.services, open, {
        ...toChooseOptions(context, flags),
        out: context.toAbsolute(flags.out),
      }),
    );
    context.ui.warn('whoever has these inputs can refuse them, or train a copy to answer otherwise');
    context.ui.result(done, ({ style }) =>
      toPairs(
        [
          ['inputs', done.path],
          ['triggers', `${done.triggers}, as ${done.input} [${done.shape.join(', ')}]`],
          ['answers', `in ${done.output ?? 'the only output'}`],
          ['annex', done.annex],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
