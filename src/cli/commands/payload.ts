/** What labels and output marks say, from the command line: exactly one of five options. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { CliError } from '../../core/errors.ts';
import { type Payload, toTextPayload } from '../../watermark/index.ts';
import type { CliContext } from '../context.ts';

export interface PayloadFlags {
  readonly text?: string;
  readonly licence?: string;
  /** True for a fresh one. */
  readonly uuid?: string | true;
  readonly checksum?: string;
  readonly logo?: string;
}

export function addPayloadOptions(command: Command): Command {
  return command
    .option('--text <text>', 'what it says: a text')
    .option('--licence <statement>', 'what it says: a licence or copyright statement')
    .option('--uuid [uuid]', 'what it says: this UUID, or a fresh one')
    .option('--checksum <hex>', 'what it says: a digest')
    .option('--logo <file>', 'what it shows: a picture file; PNG, JPEG or SVG where it is drawn');
}

/** @throws CliError CLI_USAGE; WatermarkError WATERMARK_PAYLOAD_MALFORMED; SourceError */
export function toPayload(context: CliContext, { text, licence, uuid, checksum, logo }: PayloadFlags): Payload {
  const given = [text, licence, uuid, checksum, logo].filter((option) => option !== undefined);
  if (given.length !== 1) {
    throw new CliError('CLI_USAGE', {
      message: 'Give exactly one of --text, --licence, --uuid, --checksum and --logo.',
    });
  }
  if (text !== undefined) return toTextPayload('text', text);
  if (licence !== undefined) return toTextPayload('licence', licence);
  if (checksum !== undefined) return toTextPayload('checksum', checksum);
  if (logo !== undefined) return { kind: 'logo', bytes: context.services.storage.read(context.toAbsolute(logo)) };
  return toTextPayload('uuid', uuid === undefined || uuid === true ? randomUUID() : uuid);
}
