/** Lays samples out as a model's input wants them: shape, channel order, scale, element type. */
import { RuntimeError } from '../../core/errors.ts';
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import { DTYPES, findElementCount } from '../../model/dtype.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';
import type { ValueInfo } from '../../model/types.ts';
import { encodeValues } from '../values.ts';
import type { ImageSize, LabelledData } from './types.ts';

type Dim = number | string | null;
type Order = 'same' | 'hwc-to-chw' | 'chw-to-hwc';

/** How many samples one run takes: any number, exactly so many, or one without an axis for it. */
export type Batch =
  | { readonly kind: 'free' }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'none' };

/** Scaling of byte images; what people do before a model of images. */
export const SCALES = {
  none: (value: number): number => value,
  unit: (value: number): number => value / 255,
  signed: (value: number): number => value / 127.5 - 1,
  /** Means and deviations of ImageNet's red, green and blue, as torchvision's models want them. */
  imagenet: (value: number, channel: number): number =>
    (value / 255 - [0.485, 0.456, 0.406][channel]) / [0.229, 0.224, 0.225][channel],
} as const satisfies Record<string, (value: number, channel: number) => number>;

export type Scale = keyof typeof SCALES;

export interface Fit {
  readonly input: string;
  readonly batch: Batch;
  /** Scales worth trying; ["none"] unless the data is bytes and the input is floating-point. */
  readonly scales: readonly Scale[];
  /** Values of `count` samples from `start`; a fixed batch repeats its last sample to be full. */
  readonly encode: (start: number, count: number, scale: Scale) => RuntimeTensor;
}

interface Layout {
  readonly batch: Batch;
  readonly order: Order;
  /** The input's shape for one sample, without the batch axis. */
  readonly shape: readonly number[];
  readonly image: ImageSize | null;
}

/**
 * The first input that the samples fit. Rules, in this order, with and then without a batch axis:
 * 1. equal dimensions, ones and unknown ones aside; 2. channels moved from last to first or back (1, 3 or 4 channels);
 * 3. equal numbers of values, row by row (flattened images). Image files are resized to the input's height and width.
 * @throws RuntimeError DATA_SHAPE_MISMATCH | RUNTIME_DTYPE_UNSUPPORTED; RUNTIME_RUN_FAILED when a fixed batch asks for more
 *   than FIDELITY_LIMITS.sampleElementsMax values
 */
export function fitData(data: LabelledData, inputs: readonly ValueInfo[]): Fit {
  for (const input of inputs) {
    if (input.dtype === null || input.shape === null) continue;
    const layout =
      data.sampleShape === null ? findImageLayout(data, input.shape) : findLayout(data.sampleShape, input.shape);
    if (layout === undefined) continue;
    assertFillable(input.name, layout);
    const { dtype } = input;
    const isScaled = data.isBytes && DTYPES[dtype].kind === 'float';
    return {
      input: input.name,
      batch: layout.batch,
      scales: isScaled ? findScales(layout, data) : ['none'],
      encode: (start, count, scale) => encodeBatch(data, layout, start, count, scale, dtype),
    };
  }
  throw new RuntimeError('DATA_SHAPE_MISMATCH', {
    fields: {
      sample: data.sampleShape === null ? 'images' : `[${data.sampleShape.join(', ')}]`,
      inputs: inputs.map((input) => `${input.name} [${(input.shape ?? []).map((dim) => dim ?? '?').join(', ')}]`),
    },
  });
}

/** The batch comes from the model's file: a run allocates that many rows. */
function assertFillable(name: string, { batch, shape }: Layout): void {
  const whole = batch.kind === 'fixed' ? [batch.size, ...shape] : shape;
  const count = findElementCount(whole);
  if (count !== undefined && count <= FIDELITY_LIMITS.sampleElementsMax) return;
  throw new RuntimeError('RUNTIME_RUN_FAILED', {
    message: 'An input of the model is too large to fill.',
    fields: { name, shape: whole, limit: FIDELITY_LIMITS.sampleElementsMax },
  });
}

function findScales(layout: Layout, data: LabelledData): readonly Scale[] {
  const shape = layout.image === null ? (data.sampleShape ?? []) : [layout.image.channels];
  return shape.includes(3) && layout.shape.length === 3
    ? ['unit', 'none', 'signed', 'imagenet']
    : ['unit', 'none', 'signed'];
}

function findLayout(sample: readonly number[], input: readonly Dim[]): Layout | undefined {
  const [first = null, ...rest] = input;
  if (input.length > 0) {
    const matched = matchSample(sample, rest);
    const batch: Batch = typeof first === 'number' ? { kind: 'fixed', size: first } : { kind: 'free' };
    if (matched !== undefined && first !== 0) return { batch, image: null, ...matched };
  }
  const whole = matchSample(sample, input);
  return whole === undefined ? undefined : { batch: { kind: 'none' }, image: null, ...whole };
}

function matchSample(sample: readonly number[], wanted: readonly Dim[]): Pick<Layout, 'order' | 'shape'> | undefined {
  const same = matchDims(sample, wanted);
  if (same !== undefined) return { order: 'same', shape: same };
  if (sample.length === 3 && wanted.length === 3) {
    const [a, b, c] = sample as [number, number, number];
    const isFew = (channels: number): boolean => [1, 3, 4].includes(channels);
    const first = isFew(c) ? matchDims([c, a, b], wanted) : undefined;
    if (first !== undefined) return { order: 'hwc-to-chw', shape: first };
    const last = isFew(a) ? matchDims([b, c, a], wanted) : undefined;
    if (last !== undefined) return { order: 'chw-to-hwc', shape: last };
  }
  const known = wanted.filter((dim) => typeof dim === 'number');
  const isKnown = known.length === wanted.length && wanted.length > 0;
  return isKnown && findElementCount(known) === findElementCount(sample) ? { order: 'same', shape: known } : undefined;
}

/** `wanted` with its unknown dimensions filled in from `sample`, or undefined; ones may be missing on either side. */
function matchDims(sample: readonly number[], wanted: readonly Dim[]): readonly number[] | undefined {
  if (
    sample.length === wanted.length &&
    sample.every((dim, axis) => typeof wanted[axis] !== 'number' || wanted[axis] === dim)
  ) {
    return sample;
  }
  const dense = sample.filter((dim) => dim !== 1);
  let at = 0;
  const shape = wanted.map((dim) => (dim === 1 ? 1 : dense[at++]));
  const isEqual = wanted.every((dim, axis) => typeof dim !== 'number' || dim === shape[axis]);
  return at === dense.length && isEqual ? shape : undefined;
}

/** Images fit inputs of rank 4 (or 3 without a batch axis) with 1 or 3 channels first or last. */
function findImageLayout(data: LabelledData, input: readonly Dim[]): Layout | undefined {
  if (input.length !== 4 && input.length !== 3) return undefined;
  const [a = null, b = null, c = null] = input.slice(-3);
  const first = input.length === 4 ? input[0] : undefined;
  const batch: Batch =
    first === undefined
      ? { kind: 'none' }
      : typeof first === 'number'
        ? { kind: 'fixed', size: first }
        : { kind: 'free' };
  const stored = data.findImageSize(0);
  const toSize = (height: Dim, width: Dim, channels: 1 | 3): ImageSize => ({
    height: typeof height === 'number' ? height : (stored?.height ?? 1),
    width: typeof width === 'number' ? width : (stored?.width ?? 1),
    channels,
  });
  const isFirst = a === 1 || a === 3;
  if (!isFirst && c !== 1 && c !== 3) return undefined;
  const image = isFirst ? toSize(b, c, a) : toSize(a, b, c === 1 ? 1 : 3);
  const { height, width, channels } = image;
  const count = findElementCount([height, width, channels]);
  if (count === undefined || count === 0 || count > FIDELITY_LIMITS.sampleElementsMax) return undefined;
  return {
    batch,
    image,
    order: isFirst ? 'hwc-to-chw' : 'same',
    shape: isFirst ? [channels, height, width] : [height, width, channels],
  };
}

function encodeBatch(
  data: LabelledData,
  layout: Layout,
  start: number,
  count: number,
  scale: Scale,
  dtype: RuntimeTensor['dtype'],
): RuntimeTensor {
  const rows = layout.batch.kind === 'fixed' ? layout.batch.size : count;
  const sampleElements = findElementCount(layout.shape) ?? 0;
  const values = new Float64Array(rows * sampleElements);
  for (let row = 0; row < rows; row++) {
    const index = start + Math.min(row, count - 1);
    const raw = layout.image === null ? data.read(index) : data.readImage(index, layout.image);
    const stored =
      layout.image === null
        ? (data.sampleShape ?? [])
        : [layout.image.height, layout.image.width, layout.image.channels];
    values.set(reorder(raw, stored, layout.order, scale), row * sampleElements);
  }
  const shape = layout.batch.kind === 'none' ? layout.shape : [rows, ...layout.shape];
  return { dtype, shape, data: encodeValues(dtype, values) };
}

/** Scales, and moves channels. The channel of a value matters to the scale of colour images only. */
function reorder(raw: Float64Array, stored: readonly number[], order: Order, scale: Scale): Float64Array {
  const apply = SCALES[scale];
  const isLast = stored.length === 3 && order !== 'chw-to-hwc' && stored[2] <= 4;
  const channels = stored.length === 3 ? (isLast ? stored[2] : stored[0]) : 1;
  const plane = raw.length / channels;
  const out = new Float64Array(raw.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < plane; pixel++) {
      const last = pixel * channels + channel;
      const first = channel * plane + pixel;
      const value = apply(raw[isLast ? last : first], Math.min(channel, 2));
      const toLast = order === 'chw-to-hwc' || (order === 'same' && isLast);
      out[toLast ? last : first] = value;
    }
  }
  return out;
}
