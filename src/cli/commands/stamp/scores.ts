/** `modelward stamp scores`: a keyed dither below the shown precision. */
import type { Command } from 'commander';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { addPayloadOptions, type PayloadFlags, toPayload } from '../payload.ts';
import { toPositiveUpTo } from '../values.ts';
import { addMarkingOptions, type MarkingFlags, runMarking, toKey } from './marking.ts';

interface ScoresFlags extends MarkingFlags, PayloadFlags {
  readonly output?: string;
  readonly step: number;
}

export function defineScores(command: Command, host: CommandHost): void {
  command
    .description(
      'Replaces what scores have below the precision that is shown by a keyed sign. Recorded scores are tested against the key with an exact p-value. Rounding to the shown precision removes it.',
    )
    .option('--output <name>', 'output with the scores (default: the first)')
    .option(
      '--step <number>',
      'precision that is shown: scores rounded to it stay as they are',
      toPositiveUpTo(1),
      1e-4,
    );
  addPayloadOptions(addMarkingOptions(command));
  addExamples(command, [
    { command: 'modelward stamp scores model.onnx --text "Acme API" --step 1e-3', summary: 'recognise resold answers' },
  ]);
  onAction<ScoresFlags>(host, command, (context, flags, words) =>
    runMarking(context, flags, words, {
      kind: 'scores',
      output: flags.output ?? null,
      step: flags.step,
      payload: toPayload(context, flags),
      key: toKey(context),
    }),
  );
}
