/** `modelward stamp image`: a text or a logo drawn into the image. */
import { type Command, Option } from 'commander';
import { type ImageParams, POSITIONS } from '../../../watermark/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { addPayloadOptions, toPayload } from '../payload.ts';
import { toPositiveUpTo } from '../values.ts';
import { addImageOptions, type ImageFlags, toImageWish } from './image-options.ts';
import { addMarkingOptions, runMarking } from './marking.ts';

interface VisibleFlags extends ImageFlags {
  readonly position: ImageParams['position'];
  readonly opacity: number;
  readonly size: number;
  readonly range?: number;
}

export function defineImage(command: Command, host: CommandHost): void {
  command.description(
    'Draws a text, UUID or checksum in a built-in font, or a logo, into every image that the model makes. Logos are PNG, JPEG, or SVG of shapes, colours and gradients (with the package @resvg/resvg-wasm).',
  );
  addImageOptions(command)
    .addOption(new Option('--position <where>', 'where it stands').choices(POSITIONS).default('bottom-right'))
    .option('--opacity <number>', '0 to 1', toPositiveUpTo(1), 0.5)
    .option('--size <number>', 'largest part of height and width, 0 to 1', toPositiveUpTo(1), 0.4)
    .option('--range <number>', 'value of full brightness (default: 255 for bytes, else 1)', toPositiveUpTo(Infinity));
  addPayloadOptions(addMarkingOptions(command));
  addExamples(command, [
    {
      command: 'modelward stamp image upscaler.onnx --logo logo.png --position top-left',
      summary: 'a logo with its alpha',
    },
  ]);
  onAction<VisibleFlags>(host, command, (context, flags, words) =>
    runMarking(context, flags, words, {
      kind: 'image',
      ...toImageWish(flags),
      position: flags.position,
      opacity: flags.opacity,
      size: flags.size,
      range: flags.range ?? null,
      payload: toPayload(context, flags),
    }),
  );
}
