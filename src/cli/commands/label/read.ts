/** `modelward label read`: what the least significant bits say. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { findLabel } from '../../../workflows/label.ts';
import { writeBytes } from '../../../workflows/write-bytes.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withLazySession } from '../../context.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from '../model-options.ts';

interface ReadFlags extends OpenFlags {
  readonly out?: string;
}

export function defineRead(command: Command, host: CommandHost): void {
  command
    .argument('<model>', 'model, plain or sealed')
    .option('-o, --out <file>', 'write the bytes of the label to a new file');
  addOpenOptions(command);
  addExamples(command, [{ command: 'modelward label read model.labelled.onnx', summary: 'which copy is this?' }]);
  onAction<ReadFlags>(host, command, async (context, flags, words) => {
    const payload = await withLazySession(context, (open) =>
      findLabel(context.services, open, toOpenOptions(context, flags, words[0])),
    );
    if (flags.out !== undefined) {
      const path = context.toAbsolute(flags.out);
      writeBytes(context.services.storage, { path, mode: 0o644, bytes: payload, replace: false });
    }
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
