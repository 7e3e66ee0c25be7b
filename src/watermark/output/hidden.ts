/** The hidden mark of an image output: a keyed pattern of small cells, a few steps brighter or darker. */
import { createPrfStream } from '../../core/prf.ts';
import { toSoftEvidenceBits } from '../../core/stats.ts';
import type { Transaction } from '../../surgery/index.ts';
import { MarkBuilder, type MarkId } from './builder.ts';
import { type ImageType, onImage, toImageIndex, toImageShape, toWorkType } from './image-type.ts';
import { MARK_DOMAIN, toMarkKey } from './keys.ts';
import { findRecorded, type Recording, toMalformed, toNumbers } from './values.ts';

export interface HiddenParams extends ImageType {
  /** Change of every pixel, in the unit of the output. */
  readonly amplitude: number;
  /** Pixels of a cell's side. */
  readonly cell: number;
}

interface Cells {
  readonly rows: number;
  readonly columns: number;
  /** +1 or -1. */
  readonly signs: Int8Array;
}

function toCells({ height, width, cell }: HiddenParams, key: Uint8Array): Cells {
  const [rows, columns] = [Math.ceil(height / cell), Math.ceil(width / cell)];
  const bytes = new Uint8Array(Math.ceil((rows * columns) / 8));
  createPrfStream(toMarkKey(key, 'hidden'), { domain: MARK_DOMAIN.hidden, index: 0 }).fill(bytes);
  const signs = Int8Array.from({ length: rows * columns }, (_, i) => ((bytes[i >> 3] >> (i & 7)) & 1 ? 1 : -1));
  return { rows, columns, signs };
}

/** y = x + amplitude · sign of the pixel's cell, alike in all channels. @throws SurgeryError */
export function addHidden(tx: Transaction, id: MarkId, params: HiddenParams, key: Uint8Array): void {
  const builder = new MarkBuilder(tx, id);
  onImage(builder, params, 'hidden', (value) => [value, spread(builder, params, toCells(params, key))]);
}

/** From here on, Slice takes its bounds as inputs. */
const SLICE_INPUT_OPSET = 10;

/** The pattern at the size of the image: one number a cell is stored, repeated along both axes, and cut at the edges. */
function spread(builder: MarkBuilder, params: HiddenParams, { rows, columns, signs }: Cells): string {
  const { height, width, cell, amplitude, layout } = params;
  const isFirst = layout === 'nchw';
  const inChannel = (...dims: readonly number[]): number[] => (isFirst ? [1, 1, ...dims] : [1, ...dims, 1]);
  const ints = (name: string, values: readonly number[]): string =>
    builder.constant(name, { dtype: 'i64', shape: [values.length], values: [...values] });
  const stored = Float64Array.from(signs, (sign) => amplitude * sign);
  const cells = builder.floats('cells', toWorkType(params), inChannel(rows, 1, columns, 1), stored);
  const blocks = builder.node('Expand', [cells, ints('blocks', inChannel(rows, cell, columns, cell))]);
  const whole = builder.node('Reshape', [blocks, ints('whole', inChannel(rows * cell, columns * cell))]);
  if (rows * cell === height && columns * cell === width) return whole;
  const axes = isFirst ? [2, 3] : [1, 2];
  const bounds = { starts: [0, 0], ends: [height, width], axes };
  if ((builder.tx.opset('') ?? 0) >= SLICE_INPUT_OPSET) {
    return builder.node('Slice', [whole, ...Object.entries(bounds).map(([name, values]) => ints(name, values))]);
  }
  const attributes = Object.entries(bounds).map(([name, values]) => [name, { ints: values }] as const);
  return builder.node('Slice', [whole], Object.fromEntries(attributes));
}

export interface HiddenReading {
  readonly images: number;
  readonly cells: number;
  /** Bits of Hoeffding's bound, less log2(trials); at least 0. */
  readonly evidenceBits: number;
  readonly trials: number;
}

/**
 * Correlates recorded images with the pattern.
 *
 * Null hypothesis: the images are independent of the key. Each cell's value (its mean less that of the cells around it,
 * clipped at twice the median magnitude) depends on the images alone, so S = Σ sign · value is a sum of fair signs. False-alarm rate at b bits: at most
 * 2^-b (Hoeffding), the trials counted. A bound, so weaker than an exact test.
 * @param trials keys and recordings that were tried, at least 1
 * @throws WatermarkError WATERMARK_RECORDING_MALFORMED
 */
export function readHidden(
  recording: Recording,
  params: HiddenParams,
  { key, trials }: { readonly key: Uint8Array; readonly trials: number },
): HiddenReading {
  const numbers = toNumbers(findRecorded(recording, params.output));
  const perImage = params.channels * params.height * params.width;
  const images = numbers.length / perImage;
  if (!Number.isInteger(images) || images < 1) throw toMalformed('the images have another size', params.output);
  const { rows, columns, signs } = toCells(params, key);
  const values = toClipped(toContrasts(toCellMeans(numbers, params, rows, columns), rows, columns));
  let [sum, squares] = [0, 0];
  values.forEach((value, i) => {
    sum += signs[i] * value;
    squares += value * value;
  });
  const evidenceBits = Math.max(0, toSoftEvidenceBits(sum, squares) - Math.log2(trials));
  return { images, cells: values.length, evidenceBits, trials };
}

/** Sums over all images and channels; every whole cell has equally many pixels. */
function toCellMeans(numbers: Float64Array, params: HiddenParams, rows: number, columns: number): Float64Array {
  const { channels, height, width, cell, layout } = params;
  const shape = toImageShape(params, [channels, height, width]);
  const perImage = channels * height * width;
  const sums = new Float64Array(rows * columns);
  const counts = new Float64Array(rows * columns);
  for (let base = 0; base < numbers.length; base += perImage) {
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const at = Math.floor(y / cell) * columns + Math.floor(x / cell);
          const value = numbers[base + toImageIndex(layout, shape, [c, y, x])];
          if (!Number.isFinite(value)) continue;
          sums[at] += value;
          counts[at]++;
        }
      }
    }
  }
  return sums.map((sum, i) => (counts[i] === 0 ? 0 : sum / counts[i]));
}

/** Each cell less the mean of those around it: what the picture shows changes slowly, the pattern does not. */
function toContrasts(means: Float64Array, rows: number, columns: number): Float64Array {
  return means.map((mean, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let [sum, count] = [0, 0];
    for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y++) {
      for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1); x++) {
        if (y === row && x === column) continue;
        sum += means[y * columns + x];
        count++;
      }
    }
    return count === 0 ? 0 : mean - sum / count;
  });
}

function toClipped(values: Float64Array): Float64Array {
  const sorted = values.map(Math.abs).sort();
  const limit = 2 * sorted[sorted.length >> 1];
  return values.map((value) => Math.min(limit, Math.max(-limit, value)));
}
