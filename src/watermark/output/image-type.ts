/** What an output that is an image looks like, and how bytes and floats of it are blended. */
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { MarkBuilder } from './builder.ts';
import { type OutputType, toUnfit } from './outputs.ts';

export const IMAGE_LAYOUTS = ['nchw', 'nhwc'] as const;
export type ImageLayout = (typeof IMAGE_LAYOUTS)[number];

/** Sizes as declared; height and width are numbers. */
export interface ImageType {
  readonly output: string;
  readonly dtype: 'u8' | 'f32' | 'f16' | 'f64';
  readonly layout: ImageLayout;
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
}

/**
 * Channels are the axis of 1 or 3 behind the batch, or the last one.
 * @param sizes for axes that the model does not declare
 * @throws WatermarkError WATERMARK_OUTPUT_UNFIT
 */
export function toImageType(
  { name, dtype, shape }: OutputType,
  sizes: { readonly layout: ImageLayout | null; readonly height: number | null; readonly width: number | null },
): ImageType {
  if (dtype !== 'u8' && dtype !== 'f32' && dtype !== 'f16' && dtype !== 'f64') {
    throw toUnfit(name, `elements are ${dtype}; images are u8, f16, f32 or f64`);
  }
  if (shape.length !== 4)
    throw toUnfit(name, `it has ${shape.length} axes; images have batch, channels, height, width`);
  const isChannels = (dim: number | string | null): boolean => dim === 1 || dim === 3;
  const layout = sizes.layout ?? (isChannels(shape[1]) || !isChannels(shape[3]) ? 'nchw' : 'nhwc');
  const [channels, height, width] = layout === 'nchw' ? [shape[1], shape[2], shape[3]] : [shape[3], shape[1], shape[2]];
  if (channels !== 1 && channels !== 3) throw toUnfit(name, 'the axis of channels is neither 1 nor 3');
  const size = { height: sizes.height ?? height, width: sizes.width ?? width };
  if (typeof size.height !== 'number' || typeof size.width !== 'number') {
    throw toUnfit(name, 'height and width are not declared: pass them');
  }
  if (size.height * size.width * channels > WATERMARK_LIMITS.markElementsMax) throw toUnfit(name, 'it is too large');
  return { output: name, dtype, layout, channels, height: size.height, width: size.width };
}

/** Shape of a constant for `channels` of an image. */
export function toImageShape(
  { layout }: ImageType,
  [channels, height, width]: readonly [number, number, number],
): number[] {
  return layout === 'nchw' ? [1, channels, height, width] : [1, height, width, channels];
}

/** Index in a constant of that shape. */
export function toImageIndex(
  layout: ImageLayout,
  shape: readonly number[],
  [c, y, x]: readonly [number, number, number],
): number {
  const [b, d] = [shape[2], shape[3]];
  return layout === 'nchw' ? (c * b + y) * d + x : (y * b + x) * d + c;
}

/** f32 for bytes: there, values are rounded and kept within 0 and 255 at the end. */
export function toWorkType({ dtype }: ImageType): 'f32' | 'f16' | 'f64' {
  return dtype === 'u8' ? 'f32' : dtype;
}

/** Gives `work` the image as floats, and makes bytes of what it returns where the output has bytes. */
export function onImage(
  builder: MarkBuilder,
  type: ImageType,
  use: string,
  work: (value: string) => readonly [string, string],
): void {
  builder.onOutput({ output: type.output, use }, (value) => {
    if (type.dtype !== 'u8') return { op: 'Add', inputs: work(value) };
    const sum = builder.node('Add', work(builder.node('Cast', [value], { to: { int: 1 } })));
    const half = builder.scalar('half', 'f32', 0.5);
    const low = builder.node('Max', [
      builder.node('Floor', [builder.node('Add', [sum, half])]),
      builder.scalar('low', 'f32', 0),
    ]);
    const high = builder.node('Min', [low, builder.scalar('high', 'f32', 255)]);
    return { op: 'Cast', inputs: [high], attributes: { to: { int: 2 } } };
  });
}
