/** `modelward stamp list`: the marks in a model file. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { listMarks } from '../../../workflows/output-mark/read.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withLazySession } from '../../context.ts';
import { toTable } from '../../ui/table.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from '../model-options.ts';

export function defineList(command: Command, host: CommandHost): void {
  addOpenOptions(command.argument('<model>', 'ONNX model, plain or sealed'));
  addExamples(command, [{ command: 'modelward stamp list model.stamped.onnx', summary: 'kinds and ids' }]);
  onAction<OpenFlags>(host, command, async (context, flags, words) => {
    const marks = await withLazySession(context, (open) =>
      listMarks(context.services, open, toOpenOptions(context, flags, words[0])),
    );
    context.ui.result({ marks }, ({ style }) =>
      marks.length === 0
        ? 'no output mark is in the graph\n'
        : toTable({
            columns: [{ title: 'kind' }, { title: 'id' }],
            rows: marks.map(({ kind, id }) => [kind, id]),
            style,
          }),
    );
    return EXIT.ok;
  });
}
