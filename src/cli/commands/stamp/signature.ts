/** `modelward stamp signature`: an output that always says the same. */
import type { Command } from 'commander';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { addPayloadOptions, type PayloadFlags, toPayload } from '../payload.ts';
import { addMarkingOptions, type MarkingFlags, runMarking } from './marking.ts';

interface SignatureFlags extends MarkingFlags, PayloadFlags {
  readonly output?: string;
}

export function defineSignature(command: Command, host: CommandHost): void {
  command.option('--output <name>', 'name of the new output (default: signature)');
  addPayloadOptions(addMarkingOptions(command));
  addExamples(command, [
    { command: 'modelward stamp signature model.onnx --licence "(c) Acme"', summary: 'a licence in every answer' },
  ]);
  onAction<SignatureFlags>(host, command, (context, flags, words) =>
    runMarking(context, flags, words, {
      kind: 'signature',
      output: flags.output ?? null,
      payload: toPayload(context, flags),
    }),
  );
}
