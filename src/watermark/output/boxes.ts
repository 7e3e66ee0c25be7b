/** The mark of a detector: a keyed pattern of boxes appended to what it detects (founding idea: a signature in the outputs). */
import type { RuntimeTensor } from '../../model/runtime.ts';
import type { Transaction } from '../../surgery/index.ts';
import type { Payload } from '../payload.ts';
import { type Box, type BoxReading, findBoxPayload, toBoxes } from './box-code.ts';
import { MarkBuilder, type MarkId } from './builder.ts';
import { findOutputType, type OutputType, retypeOutputs, toGrown, toUnfit } from './outputs.ts';
import { findRecorded, type Recording, toMalformed, toNumbers } from './values.ts';

export const BOX_FORMATS = ['xyxy', 'xywh', 'cxcywh'] as const;

export interface BoxesParams {
  /** Output with the boxes. */
  readonly boxes: string;
  /** Output with the scores of the same rows; null when they stand beside the coordinates, or nowhere. */
  readonly scores: string | null;
  readonly format: (typeof BOX_FORMATS)[number];
  /** What the coordinates of the right and the bottom edge are: 1 for fractions, else pixels. */
  readonly width: number;
  readonly height: number;
  /** Axis that counts boxes, and axis of the coordinates, which come first on it. */
  readonly rowAxis: number;
  readonly valueAxis: number;
  /** Score of every class in the rows of the mark; the first of two classes gets the rest to 1. */
  readonly score: number;
}

/** Axes by the shape: coordinates last, or, where the last axis is longer, in front of the rows. */
export function findBoxAxes({ name, shape }: OutputType): { readonly rowAxis: number; readonly valueAxis: number } {
  const last = shape.length - 1;
  if (last < 1) throw toUnfit(name, 'boxes have an axis of rows and an axis of coordinates');
  if (shape[last] === 4) return { rowAxis: last - 1, valueAxis: last };
  const [before, behind] = [shape[last - 1], shape[last]];
  if (typeof before === 'number' && before >= 4 && (typeof behind !== 'number' || behind > before)) {
    return { rowAxis: last, valueAxis: last - 1 };
  }
  if (typeof behind === 'number' && behind > 4) return { rowAxis: last - 1, valueAxis: last };
  throw toUnfit(name, 'no axis has four coordinates');
}

/** @throws WatermarkError WATERMARK_OUTPUT_UNFIT | WATERMARK_OUTPUT_TOO_LONG; SurgeryError */
export function addBoxes(tx: Transaction, id: MarkId, params: BoxesParams, payload: Payload, key: Uint8Array): void {
  const builder = new MarkBuilder(tx, id);
  const boxes = toBoxes(payload, key);
  const type = findOutputType(tx, params.boxes);
  const width = type.shape[params.valueAxis];
  if (typeof width !== 'number' || width < 4) throw toUnfit(type.name, 'the number of coordinates is not declared');
  const rows = boxes.map((box) => toRow(box, params, width));
  const grown = new Map([[type.name, toGrown(type, params.rowAxis, boxes.length)]]);
  append(builder, { type, rows, ...params, use: 'boxes' });
  if (params.scores !== null) {
    const scores = findOutputType(tx, params.scores);
    const axes = findScoreAxes(scores, params);
    const classes = scores.shape.length > axes.valueAxis ? scores.shape[axes.valueAxis] : 1;
    if (typeof classes !== 'number') throw toUnfit(scores.name, 'the number of classes is not declared');
    append(builder, { type: scores, rows: boxes.map(() => toScores(classes, params.score)), ...axes, use: 'scores' });
    grown.set(scores.name, toGrown(scores, axes.rowAxis, boxes.length));
  }
  retypeOutputs(tx, grown);
}

/** Scores stand as boxes do, or have no axis of classes. */
function findScoreAxes(
  { shape }: OutputType,
  { rowAxis, valueAxis }: BoxesParams,
): Pick<BoxesParams, 'rowAxis' | 'valueAxis'> {
  return shape.length > Math.max(rowAxis, valueAxis)
    ? { rowAxis, valueAxis }
    : { rowAxis: shape.length - 1, valueAxis: shape.length };
}

function toScores(classes: number, score: number): number[] {
  return classes === 2 ? [1 - score, score] : Array.from({ length: classes }, () => score);
}

function toRow([x, y, w, h]: Box, { format, width, height, score }: BoxesParams, length: number): number[] {
  const [left, top, wide, high] = [x * width, y * height, w * width, h * height];
  const four = {
    xyxy: [left, top, left + wide, top + high],
    xywh: [left, top, wide, high],
    cxcywh: [left + wide / 2, top + high / 2, wide, high],
  }[format];
  return [...four, ...Array.from({ length: length - 4 }, () => score)];
}

interface Appended {
  readonly type: OutputType;
  readonly rows: readonly (readonly number[])[];
  readonly rowAxis: number;
  readonly valueAxis: number;
  readonly use: string;
}

/** output = Concat(output, rows), the rows once for each item of the axes in front. */
function append(builder: MarkBuilder, { type, rows, rowAxis, valueAxis, use }: Appended): void {
  const { name, dtype, shape } = type;
  if (!['f16', 'f32', 'f64'].includes(dtype)) throw toUnfit(name, `elements are ${dtype}`);
  const dims = shape.map((_, axis) => (axis === rowAxis ? rows.length : axis === valueAxis ? rows[0].length : 1));
  const isTurned = valueAxis < rowAxis;
  const values = isTurned ? rows[0].flatMap((_, i) => rows.map((row) => row[i])) : rows.flat();
  const constant = builder.constant(`${use}/rows`, { dtype, shape: dims, values });
  const others = shape.map((dim, axis) => axis !== rowAxis && axis !== valueAxis && dim !== 1);
  builder.onOutput({ output: name, use }, (value) => ({
    op: 'Concat',
    inputs: [value, others.includes(true) ? expand(builder, { value, constant, use, others }) : constant],
    attributes: { axis: { int: rowAxis } },
  }));
}

interface Expansion {
  readonly value: string;
  readonly constant: string;
  readonly use: string;
  /** By axis: true where the constant takes its length from the value. */
  readonly others: readonly boolean[];
}

/** The constant, repeated along the axes in which the output is longer, its batch: to length · kept + ones, which broadcasts. */
function expand(builder: MarkBuilder, { value, constant, use, others }: Expansion): string {
  const mask = (name: string, isOne: (other: boolean) => boolean): string =>
    builder.constant(`${use}/${name}`, {
      dtype: 'i64',
      shape: [others.length],
      values: others.map((other) => (isOne(other) ? 1 : 0)),
    });
  const lengths = builder.node('Mul', [builder.node('Shape', [value]), mask('kept', (other) => other)]);
  return builder.node('Expand', [constant, builder.node('Add', [lengths, mask('ones', (other) => !other)])]);
}

/**
 * The payload in recorded boxes, as the model gave them or after selection and sorting.
 * @throws WatermarkError WATERMARK_RECORDING_MALFORMED
 */
export function readBoxes(recording: Recording, params: BoxesParams, key: Uint8Array): BoxReading | undefined {
  return findBoxPayload(listBoxes(findRecorded(recording, params.boxes), params), key);
}

/** Every box of a recorded output, as fractions; recordings with fewer axes than the output had are rows of four. */
function* listBoxes(value: RuntimeTensor, params: BoxesParams): Generator<Box> {
  const { shape } = value;
  const isAsMade = shape.length > Math.max(params.rowAxis, params.valueAxis);
  const rowAxis = isAsMade ? params.rowAxis : shape.length - 2;
  const valueAxis = isAsMade ? params.valueAxis : shape.length - 1;
  if (shape.length < 2 || shape[valueAxis] < 4) throw toMalformed('no axis has four coordinates', params.boxes);
  const numbers = toNumbers(value);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1));
  const batch = shape.slice(0, Math.min(rowAxis, valueAxis)).reduce((product, dim) => product * dim, 1);
  const batchStride = batch === 0 ? 0 : numbers.length / batch;
  for (let item = 0; item < batch; item++) {
    for (let row = 0; row < shape[rowAxis]; row++) {
      const at = item * batchStride + row * strides[rowAxis];
      const four = [0, 1, 2, 3].map((i) => numbers[at + i * strides[valueAxis]]);
      yield toBox(four, params);
    }
  }
}

function toBox([a, b, c, d]: readonly number[], { format, width, height }: BoxesParams): Box {
  const [x, y, right, bottom] = [a / width, b / height, c / width, d / height];
  if (format === 'xyxy') return [x, y, right - x, bottom - y];
  return format === 'xywh' ? [x, y, right, bottom] : [x - right / 2, y - bottom / 2, right, bottom];
}
