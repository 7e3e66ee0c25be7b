/** `modelward label`: a fragile label in the least significant bits; it identifies an unchanged file, and is no mark. */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parse } from 'node:path';
import { utf8 } from '../../core/bytes.ts';
import { CliError, EXIT } from '../../core/errors.ts';
import { findLabel, writeLabel } from '../../workflows/label.ts';
import { openSession } from '../../workflows/session.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addLabelGraph } from './label-graph.ts';

interface WriteFlags {
  readonly text?: string;
  readonly uuid?: boolean;
  readonly file?: string;
  readonly out?: string;
  readonly force?: boolean;
  readonly dataRoot?: string;
}

export function defineLabel(label: Command, host: CommandHost): void {
  addWrite(label, host);
  addRead(label, host);
  addLabelGraph(label, host);
}

function addWrite(label: Command, host: CommandHost): void {
  const command = label
    .command('write')
    .summary('store text, a UUID or a file in the least significant bits of weights and biases')
    .description(
      'Writes a label into a copy. Any conversion, training, pruning or rounding destroys it, and anybody can overwrite it: use it to recognise a file, not to prove ownership.',
    )
    .argument('<model>', 'ONNX, safetensors, GGUF or TFLite model')
    .option('--text <text>', 'the label as text')
    .option('--uuid', 'a fresh random UUID as label, printed')
    .option('--file <file>', 'the bytes of a file as label: a logo, a checksum')
    .option('-o, --out <file>', 'labelled copy (default: NAME.labelled.EXT in the current folder)')
    .option('--force', 'replace an existing output')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [
    { command: 'modelward label write model.onnx --text "acme, licence 7"', summary: 'a note inside the weights' },
    { command: 'modelward label write model.onnx --file logo.png', summary: 'a logo inside the weights' },
  ]);
  onAction<WriteFlags>(host, command, (context, flags, words) => {
    const { base, ext, name } = parse(words[0]);
    const { payload, shown } = toPayload(context, flags);
    const result = writeLabel(context.services, {
      path: context.toAbsolute(words[0]),
      out: context.toAbsolute(flags.out ?? `${name}.labelled${ext}`),
      payload,
      force: flags.force ?? false,
      ...toPathOption(context, 'dataRoot', flags.dataRoot),
    });
    context.ui.result({ ...result, label: shown }, ({ style }) =>
      toPairs(
        [
          ['model', base],
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

/** Exactly one source of the label. `shown` is its text; null for a file. */
function toPayload(context: CliContext, flags: WriteFlags): { payload: Uint8Array; shown: string | null } {
  const given = [flags.text, flags.uuid, flags.file].filter((option) => option !== undefined);
  if (given.length !== 1) {
    throw new CliError('CLI_USAGE', { message: 'Give exactly one of --text, --uuid and --file.' });
  }
  if (flags.file !== undefined) {
    return { payload: context.services.storage.read(context.toAbsolute(flags.file)), shown: null };
  }
  const shown = flags.text ?? randomUUID();
  return { payload: utf8(shown), shown };
}

interface ReadFlags {
  readonly out?: string;
  readonly envelope?: string;
  readonly key?: string;
  readonly dataRoot?: string;
}

function addRead(label: Command, host: CommandHost): void {
  const command = label
    .command('read')
    .summary('read the label of a model')
    .argument('<model>', 'model, plain or sealed')
    .option('-o, --out <file>', 'write the bytes of the label to a new file')
    .option('--envelope <file>', 'key envelope of a sealed model')
    .option('--key <uri>', 'key that opens a sealed model')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [{ command: 'modelward label read model.onnx', summary: 'which copy is this?' }]);
  onAction<ReadFlags>(host, command, async (context, flags, words) => {
    const payload = await findLabel(context.services, () => openSession(context.services), {
      path: context.toAbsolute(words[0]),
      keyUri: flags.key ?? null,
      ...toPathOption(context, 'envelopePath', flags.envelope),
      ...toPathOption(context, 'dataRoot', flags.dataRoot),
    });
    if (flags.out !== undefined) writeFileSync(context.toAbsolute(flags.out), payload, { flag: 'wx' });
    const text = toText(payload);
    context.ui.result({ label: text, bytes: payload.length, base64: Buffer.from(payload).toString('base64') }, () =>
      text === null ? `${payload.length} bytes that are not text (--out FILE writes them)\n` : `${text}\n`,
    );
    return EXIT.ok;
  });
}

/** The bytes as text, or null when they are not UTF-8. */
function toText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
