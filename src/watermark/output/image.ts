/** The visible mark of an image output: text or a logo, at a place and with an opacity. */
import type { Transaction } from '../../surgery/index.ts';
import type { Payload } from '../payload.ts';
import { MarkBuilder, type MarkId } from './builder.ts';
import { type ImageType, onImage, toImageIndex, toImageShape, toWorkType } from './image-type.ts';
import { type Overlay, toOverlay } from './overlay.ts';
import { findRecorded, type Recording, toMalformed, toNumbers } from './values.ts';

export const POSITIONS = ['top-left', 'top-right', 'bottom-left', 'bottom-right', 'center'] as const;

export interface ImageParams extends ImageType {
  readonly position: (typeof POSITIONS)[number];
  /** 0 to 1. */
  readonly opacity: number;
  /** Largest part of height and width that the mark takes, 0 to 1. */
  readonly size: number;
  /** The value of full brightness: 1, 255, … */
  readonly range: number;
}

/** Distance from the edges, as a part of the shorter side. */
const MARGIN = 0.02;

/**
 * y = x + (x · -A + P), A the opacity and P the painted colour, both 0 outside of the mark: constants of its own size are padded.
 * @throws WatermarkError WATERMARK_OUTPUT_UNFIT | WATERMARK_PAYLOAD_MALFORMED; SurgeryError
 */
export function addImage(tx: Transaction, id: MarkId, params: ImageParams, payload: Payload): void {
  const builder = new MarkBuilder(tx, id);
  const { channels, layout, opacity, range } = params;
  const placed = place(payload, params);
  const { overlay } = placed;
  const toShape = (count: number): number[] => toImageShape(params, [count, overlay.height, overlay.width]);
  const [coverShape, paintShape] = [toShape(1), toShape(channels)];
  const cover = new Float64Array(overlay.height * overlay.width);
  const paint = new Float64Array(channels * overlay.height * overlay.width);
  eachPixel(overlay, (y, x, at) => {
    cover[toImageIndex(layout, coverShape, [0, y, x])] = -opacity * overlay.values[at + 3];
    for (let c = 0; c < channels; c++) {
      const colour = channels === 1 ? toLuma(overlay.values, at) : overlay.values[at + c];
      paint[toImageIndex(layout, paintShape, [c, y, x])] = opacity * range * colour;
    }
  });
  const pads = toPads(params, placed);
  const coverName = pad(builder, params, { name: 'cover', shape: coverShape, values: cover, pads });
  const paintName = pad(builder, params, { name: 'paint', shape: paintShape, values: paint, pads });
  onImage(builder, params, 'image', (value) => [
    value,
    builder.node('Add', [builder.node('Mul', [value, coverName]), paintName]),
  ]);
}

/** Zeros before and behind each axis. */
function toPads(params: ImageParams, { overlay, top, left }: ReturnType<typeof place>): number[] {
  const before = toImageShape(params, [0, top, left]);
  const [bottom, right] = [params.height - top - overlay.height, params.width - left - overlay.width];
  const behind = toImageShape(params, [0, bottom, right]);
  // The batch is 1 in shapes; nothing is added there.
  return [0, ...before.slice(1), 0, ...behind.slice(1)];
}

interface Patch {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float64Array;
  readonly pads: readonly number[];
}

/** From here on, Pad takes its sizes as an input. */
const PAD_INPUT_OPSET = 11;

function pad(builder: MarkBuilder, params: ImageParams, { name, shape, values, pads }: Patch): string {
  const dtype = toWorkType(params);
  // Pad does not take half precision everywhere.
  const patch = builder.floats(name, dtype === 'f16' ? 'f32' : dtype, shape, values);
  const isInput = (builder.tx.opset('') ?? 0) >= PAD_INPUT_OPSET;
  const padded = isInput
    ? builder.node('Pad', [patch, builder.constant(`${name}/pads`, { dtype: 'i64', shape: [8], values: [...pads] })])
    : builder.node('Pad', [patch], { pads: { ints: [...pads] } });
  return dtype === 'f16' ? builder.node('Cast', [padded], { to: { int: 10 } }) : padded;
}

function place(
  payload: Payload,
  params: ImageParams,
): { readonly overlay: Overlay; readonly top: number; readonly left: number } {
  const { height, width, position, size } = params;
  const margin = Math.floor(MARGIN * Math.min(height, width));
  const overlay = toOverlay(payload, {
    height: Math.max(1, Math.floor(size * height) - 2 * margin),
    width: Math.max(1, Math.floor(size * width) - 2 * margin),
  });
  const far = { top: height - margin - overlay.height, left: width - margin - overlay.width };
  const middle = { top: Math.floor((height - overlay.height) / 2), left: Math.floor((width - overlay.width) / 2) };
  if (position === 'center') return { overlay, ...middle };
  return {
    overlay,
    top: position.startsWith('top') ? margin : far.top,
    left: position.endsWith('left') ? margin : far.left,
  };
}

function eachPixel({ height, width }: Overlay, visit: (y: number, x: number, at: number) => void): void {
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) visit(y, x, 4 * (y * width + x));
}

/** ITU-R BT.601. */
function toLuma(values: Float64Array, at: number): number {
  return 0.299 * values[at] + 0.587 * values[at + 1] + 0.114 * values[at + 2];
}

export interface ImageReading {
  readonly images: number;
  /** Correlation of the place with the mark, of the mean image: 1 is the mark itself, 0 anything else. */
  readonly correlation: number;
  readonly isFound: boolean;
}

/** Pictures without the mark stay far below: their edges do not follow the letters. It is a look, not a test. */
const FOUND_MIN = 0.3;

/** How much the place of the mark looks like the mark. @throws WatermarkError WATERMARK_RECORDING_MALFORMED */
export function readImage(recording: Recording, params: ImageParams, payload: Payload): ImageReading {
  const recorded = findRecorded(recording, params.output);
  const numbers = toNumbers(recorded);
  const shape = toImageShape(params, [params.channels, params.height, params.width]);
  const perImage = shape.reduce((product, dim) => product * dim, 1);
  const images = numbers.length / perImage;
  if (!Number.isInteger(images) || images < 1) throw toMalformed('the images have another size', params.output);
  const { overlay, top, left } = place(payload, params);
  const seen: number[] = [];
  const expected: number[] = [];
  eachPixel(overlay, (y, x, at) => {
    // What covers nothing says nothing; letters and their rim say bright and dark.
    if (overlay.values[at + 3] < 0.5) return;
    let sum = 0;
    for (let image = 0; image < images; image++) {
      for (let c = 0; c < params.channels; c++) {
        sum += numbers[image * perImage + toImageIndex(params.layout, shape, [c, top + y, left + x])];
      }
    }
    seen.push(sum);
    expected.push(toLuma(overlay.values, at));
  });
  const correlation = correlate(seen, expected);
  return { images, correlation, isFound: correlation >= FOUND_MIN };
}

function correlate(a: readonly number[], b: readonly number[]): number {
  const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((value, i) => {
    ab += (value - meanA) * (b[i] - meanB);
    aa += (value - meanA) ** 2;
    bb += (b[i] - meanB) ** 2;
  });
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
