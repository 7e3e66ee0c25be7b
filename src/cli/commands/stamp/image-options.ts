/** Options of the marks in images: which output, in which order of axes, how large. */
import { type Command, Option } from 'commander';
import { IMAGE_LAYOUTS, type ImageLayout } from '../../../watermark/index.ts';
import type { ImageWish } from '../../../workflows/output-mark/specs.ts';
import type { PayloadFlags } from '../payload.ts';
import { type PictureSize, toSize } from '../values.ts';
import type { MarkingFlags } from './marking.ts';

export interface ImageFlags extends MarkingFlags, PayloadFlags {
  readonly output?: string;
  readonly layout?: ImageLayout;
  readonly imageSize?: PictureSize;
}

export function addImageOptions(command: Command): Command {
  const layout = new Option('--layout <order>', 'order of the axes (default: by the shape)').choices(IMAGE_LAYOUTS);
  return command
    .option('--output <name>', 'output with the image (default: the first of four axes)')
    .addOption(layout)
    .option('--image-size <WxH>', 'size of the image, where the model does not declare it', toSize);
}

export function toImageWish({ output, layout, imageSize }: ImageFlags): ImageWish {
  return {
    output: output ?? null,
    layout: layout ?? null,
    height: imageSize?.height ?? null,
    width: imageSize?.width ?? null,
  };
}
