/** `modelward label write`: a fragile label in the least significant bits. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { parse } from 'node:path';
import { utf8 } from '../../../core/bytes.ts';
import { CliError, EXIT } from '../../../core/errors.ts';
import { writeLabel, type WriteLabelOptions } from '../../../workflows/label.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addCopyOptions, type CopyFlags, toCopyOptions } from '../model-options.ts';

const ENDING = 'labelled';

interface WriteFlags extends CopyFlags {
  readonly text?: string;
  readonly uuid?: boolean;
  readonly checksum?: boolean;
  readonly file?: string;
}

export function defineWrite(command: Command, host: CommandHost): void {
  command
    .description(
      'Writes a label into a copy. Any conversion, training, pruning or rounding destroys it, and anybody can overwrite it: use it to recognise a file, not to prove ownership.',
    )
    .argument('<model>', 'ONNX, safetensors, GGUF or TFLite model')
    .option('--text <text>', 'the label as text')
    .option('--uuid', 'a fresh random UUID as label, printed')
    .option('--checksum', "the SHA-256 of the model's file before it is labelled, printed")
    .option('--file <file>', 'the bytes of a file as label: a logo');
  addCopyOptions(command, ENDING);
  addExamples(command, [
    { command: 'modelward label write model.onnx --text "acme, licence 7"', summary: 'a note inside the weights' },
    { command: 'modelward label write model.onnx --file logo.png', summary: 'a logo inside the weights' },
  ]);
  onAction<WriteFlags>(host, command, (context, flags, words) => {
    const { payload, text } = toPayload(context, flags);
    const result = writeLabel(context.services, {
      ...toCopyOptions(context, flags, { model: words[0], ending: ENDING }),
      payload,
    });
    const shown = text ?? result.checksum;
    context.ui.result({ ...result, label: shown }, ({ style }) =>
      toPairs(
        [
          ['model', parse(words[0]).base],
          ['labelled', result.labelled.path],
          ['label', `${shown ?? 'file'} (${result.payloadBytes} of at most ${result.capacityBytes} bytes)`],
          ['note', result.statement],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

/** Exactly one source of the label. `text` is null where it is not known before: a checksum, the bytes of a file. */
function toPayload(
  context: CliContext,
  flags: WriteFlags,
): { payload: WriteLabelOptions['payload']; text: string | null } {
  const given = [flags.text, flags.uuid, flags.checksum, flags.file].filter((option) => option !== undefined);
  if (given.length !== 1) {
    throw new CliError('CLI_USAGE', { message: 'Give exactly one of --text, --uuid, --checksum and --file.' });
  }
  if (flags.checksum === true) return { payload: 'checksum', text: null };
  if (flags.file !== undefined) {
    return { payload: context.services.storage.read(context.toAbsolute(flags.file)), text: null };
  }
  const text = flags.text ?? randomUUID();
  return { payload: utf8(text), text };
}
