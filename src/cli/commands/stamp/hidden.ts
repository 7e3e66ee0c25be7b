/** `modelward stamp hidden`: a faint keyed pattern in the image. */
import type { Command } from 'commander';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { addPayloadOptions, toPayload } from '../payload.ts';
import { toCountUpTo, toPositiveUpTo } from '../values.ts';
import { addImageOptions, type ImageFlags, toImageWish } from './image-options.ts';
import { addMarkingOptions, runMarking, toKey } from './marking.ts';

interface HiddenFlags extends ImageFlags {
  readonly amplitude?: number;
  readonly cell: number;
}

export function defineHidden(command: Command, host: CommandHost): void {
  command.description(
    'Adds a pattern that is a few steps of brightness strong. Recorded images are tested against the key. Scaling, cropping and strong compression remove it.',
  );
  addImageOptions(command)
    .option('--amplitude <number>', 'change of every pixel (default: 3 steps of 8 bits)', toPositiveUpTo(Infinity))
    .option('--cell <pixels>', 'side of the squares of the pattern', toCountUpTo(256), 4);
  addPayloadOptions(addMarkingOptions(command));
  addExamples(command, [
    { command: 'modelward stamp hidden upscaler.onnx --text Acme', summary: 'recognise its images' },
  ]);
  onAction<HiddenFlags>(host, command, (context, flags, words) =>
    runMarking(context, flags, words, {
      kind: 'hidden',
      ...toImageWish(flags),
      amplitude: flags.amplitude ?? null,
      cell: flags.cell,
      payload: toPayload(context, flags),
      key: toKey(context),
    }),
  );
}
