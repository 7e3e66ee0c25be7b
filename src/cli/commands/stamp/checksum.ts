/** `modelward stamp checksum`: a checksum beside or inside the predictions. */
import type { Command } from 'commander';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPositiveUpTo } from '../values.ts';
import { addMarkingOptions, type MarkingFlags, runMarking } from './marking.ts';

interface ChecksumFlags extends MarkingFlags {
  readonly output?: string;
  readonly into?: string;
  readonly column?: boolean;
  readonly step: number;
}

export function defineChecksum(command: Command, host: CommandHost): void {
  command
    .description(
      'Appends a checksum of every row of predictions, as a further output or a last column. It finds truncated, mixed-up and damaged predictions. It has no key: anybody with the file can compute it for others. What binds predictions to their source is a signature made outside of the graph, where they are served.',
    )
    .option('--output <name>', 'output that is summed (default: the first)')
    .option('--into <name>', 'name of the new output (default: OUTPUT_checksum)')
    .option('--column', 'a last column of the output itself')
    .option('--step <number>', 'predictions are summed in whole steps of this size', toPositiveUpTo(Infinity), 1e-4);
  addMarkingOptions(command);
  addExamples(command, [{ command: 'modelward stamp checksum model.onnx --column', summary: 'one more column' }]);
  onAction<ChecksumFlags>(host, command, (context, flags, words) =>
    runMarking(context, flags, words, {
      kind: 'checksum',
      output: flags.output ?? null,
      into: flags.into ?? null,
      as: flags.column === true ? 'column' : 'output',
      step: flags.step,
    }),
  );
}
