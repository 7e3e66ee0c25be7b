/** Pictures of one input before and after a mark: images as PNG, detections as boxes over the input. */
import { PNG } from 'pngjs';
import { toBase64 } from '../../core/bytes.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';
import type { MarkPicture, MarkPictures } from '../../report/index.ts';
import {
  type BoxesParams,
  type ImageLayout,
  type OutputMark,
  toBoxes,
  toRecordedNumbers,
} from '../../watermark/index.ts';
import type { Shown } from './effect.ts';

/** Detections that are drawn: those of the highest scores, above this one. */
const BOXES_MAX = 50;
const SCORE_MIN = 0.5;

/** Null for marks that nobody could see in a picture. */
export function toPictures(mark: OutputMark, { feeds, before, after }: Shown): MarkPictures | null {
  if (mark.kind === 'image' || mark.kind === 'hidden') {
    const [old, now] = [before.get(mark.params.output), after.get(mark.params.output)];
    if (old === undefined || now === undefined) return null;
    const range = mark.params.dtype === 'u8' ? 255 : mark.kind === 'image' ? mark.params.range : 1;
    const draw = (value: RuntimeTensor): MarkPicture =>
      toPicture(value, { layout: mark.params.layout, low: 0, high: range });
    return { before: draw(old), after: draw(now) };
  }
  if (mark.kind !== 'boxes') return null;
  const [old, now] = [before.get(mark.params.boxes), after.get(mark.params.boxes)];
  if (old === undefined || now === undefined) return null;
  const ground = toGround(feeds, mark.params);
  const scoresOf = (run: Shown['before']): RuntimeTensor | null =>
    mark.params.scores === null ? null : (run.get(mark.params.scores) ?? null);
  return {
    before: { ...ground, boxes: listDetections(old, scoresOf(before), mark.params), marks: [] },
    after: {
      ...ground,
      boxes: listDetections(now, scoresOf(after), mark.params),
      marks: toBoxes(mark.payload, mark.key).map(([x, y, width, height]) => ({ x, y, width, height })),
    },
  };
}

/** The first input that is a picture, from its darkest to its brightest value; grey where there is none. */
function toGround(feeds: Shown['feeds'], { width, height }: BoxesParams): MarkPicture {
  for (const value of feeds.values()) {
    const { shape } = value;
    if (shape.length !== 4) continue;
    const layout = shape[1] === 3 || shape[1] === 1 ? 'nchw' : shape[3] === 3 || shape[3] === 1 ? 'nhwc' : null;
    if (layout === null) continue;
    const numbers = toRecordedNumbers(value);
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const number of numbers) [low, high] = [Math.min(low, number), Math.max(high, number)];
    return toPicture(value, { layout, low, high: high > low ? high : low + 1 });
  }
  const isPixels = width > 1 || height > 1;
  return { width: isPixels ? width : 640, height: isPixels ? height : 480, png: null, boxes: [], marks: [] };
}

interface Scale {
  readonly layout: ImageLayout;
  /** Values that become black and white. */
  readonly low: number;
  readonly high: number;
}

/** The first image of a batch. */
function toPicture(value: RuntimeTensor, { layout, low, high }: Scale): MarkPicture {
  const [, a, b, c] = value.shape;
  const [channels, height, width] = layout === 'nchw' ? [a, b, c] : [c, a, b];
  const numbers = toRecordedNumbers(value);
  const png = new PNG({ width, height });
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let colour = 0; colour < 3; colour++) {
        const channel = Math.min(colour, channels - 1);
        const at = layout === 'nchw' ? (channel * height + y) * width + x : (y * width + x) * channels + channel;
        const level = (255 * (numbers[at] - low)) / (high - low);
        png.data[4 * (y * width + x) + colour] = Math.min(255, Math.max(0, Math.round(level)));
      }
      png.data[4 * (y * width + x) + 3] = 255;
    }
  }
  return { width, height, png: toBase64(new Uint8Array(PNG.sync.write(png))), boxes: [], marks: [] };
}

/** Detections of the first picture, as parts of it. */
function listDetections(boxes: RuntimeTensor, scores: RuntimeTensor | null, params: BoxesParams): MarkPicture['boxes'] {
  const { rowAxis, valueAxis, format, width, height } = params;
  const count = boxes.shape[rowAxis];
  const at = (value: RuntimeTensor, numbers: Float64Array, row: number, column: number): number =>
    valueAxis > rowAxis ? numbers[row * value.shape[valueAxis] + column] : numbers[column * count + row];
  const [coordinates, source] = [toRecordedNumbers(boxes), scores ?? boxes];
  const scoreNumbers = scores === null ? coordinates : toRecordedNumbers(scores);
  // Beside coordinates all that follows is a score; of two classes the second one is the object.
  const first = scores === null ? 4 : (source.shape[valueAxis] ?? 1) === 2 ? 1 : 0;
  const columns = source.shape[valueAxis] ?? 1;
  const rows = Array.from({ length: count }, (_, row) => {
    let score = 0;
    for (let column = first; column < columns; column++) score = Math.max(score, at(source, scoreNumbers, row, column));
    return { row, score };
  });
  return rows
    .filter(({ score }) => score >= SCORE_MIN)
    .sort((a, b) => b.score - a.score)
    .slice(0, BOXES_MAX)
    .map(({ row }) => {
      const [a, b, c, d] = [0, 1, 2, 3].map((column) => at(boxes, coordinates, row, column));
      const [x, y, w, h] = [a / width, b / height, c / width, d / height];
      if (format === 'xyxy') return { x, y, width: w - x, height: h - y };
      return format === 'xywh' ? { x, y, width: w, height: h } : { x: x - w / 2, y: y - h / 2, width: w, height: h };
    });
}
