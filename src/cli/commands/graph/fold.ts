/** `modelward graph fold`: nodes that always give the same become constants. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toByteText } from '../../../core/quantities.ts';
import { foldFile, type FoldFileResult } from '../../../workflows/graph/fold-file.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { addWriteOptions, type EditFlags, toEditOptions, toEditText } from './edits.ts';

interface FoldFlags extends EditFlags {
  readonly runtime?: boolean;
}

export function defineFold(command: Command, host: CommandHost): void {
  command
    .description(
      'Folds constants: shape arithmetic and small elementwise work by our own rules, the rest by the runtime. Random, quantising and control-flow nodes stay, and values that would make the file much larger.',
    )
    .argument('<model>', 'ONNX model')
    .option('--no-runtime', 'fold only what needs no runtime');
  addWriteOptions(command);
  addExamples(command, [
    { command: 'modelward graph fold model.onnx --out folded.onnx', summary: 'a copy with its constants folded' },
    { command: 'modelward graph fold model.onnx --dry-run', summary: 'how much could be folded' },
  ]);
  onAction<FoldFlags>(host, command, async (context, flags, [model]) => {
    const options = { ...toEditOptions(context, model, flags), runs: flags.runtime ?? true };
    const result = await foldFile(context.services, options);
    context.ui.result(result, (look) => toText(result, look));
    return EXIT.ok;
  });
}

function toText(result: FoldFileResult, look: TextLook): string {
  const { known, computed, bytes, removedNodes, removedInitializers, runtimeFailure } = result.fold;
  const pairs: [string, string][] = [
    ['folded', `${known + computed} nodes (${computed} by the runtime), ${toByteText(bytes)} of constants`],
    ['removed', `${removedNodes} nodes and ${removedInitializers} initializers that nothing needs any more`],
    ...(runtimeFailure === null
      ? []
      : [['not folded', `what the runtime refused: ${runtimeFailure}`] as [string, string]]),
  ];
  return toPairs(pairs, look.style) + toEditText(result, look);
}
