/** `modelward stamp remove`: a copy without the mark. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { removeOutputMark } from '../../../workflows/output-mark/read.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addCopyOptions, type CopyFlags, toCopyOptions } from '../model-options.ts';

const ENDING = 'unstamped';

interface RemoveFlags extends CopyFlags {
  readonly mark: string;
}

export function defineRemove(command: Command, host: CommandHost): void {
  command.argument('<model>', 'ONNX model').requiredOption('--mark <file>', 'its mark file');
  addCopyOptions(command, ENDING);
  addExamples(command, [
    {
      command: 'modelward stamp remove model.stamped.onnx --mark model.stamped.onnx.mark.json',
      summary: 'as it was before',
    },
  ]);
  onAction<RemoveFlags>(host, command, (context, flags, words) => {
    const removed = removeOutputMark(context.services, {
      ...toCopyOptions(context, flags, { model: words[0], ending: ENDING }),
      markPath: context.toAbsolute(flags.mark),
    });
    context.ui.result(removed, ({ style }) => toPairs([['written', removed.path]], style));
    return EXIT.ok;
  });
}
