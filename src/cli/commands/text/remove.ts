/** `modelward text remove`: the owner takes the mark out. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { removeText } from '../../../workflows/text/embed.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addCopyOptions, type CopyFlags, toCopyOptions } from '../model-options.ts';

const ENDING = 'unmarked';

export function defineTextRemove(command: Command, host: CommandHost): void {
  command
    .description(
      'Writes a copy of a decoder without its text mark. No key is needed: the mark tells texts, and does not protect the file.',
    )
    .argument('<model>', 'ONNX decoder with a text mark');
  addCopyOptions(command, ENDING);
  addExamples(command, [
    { command: 'modelward text remove decoder.text-marked.onnx --out decoder.onnx', summary: 'as it was before' },
  ]);
  onAction<CopyFlags>(host, command, (context, flags, words) => {
    const copy = removeText(context.services, toCopyOptions(context, flags, { model: words[0], ending: ENDING }));
    context.ui.result(copy, ({ style }) => toPairs([['copy', copy.path]], style));
    return EXIT.ok;
  });
}
