/** From the residual stream to scores: the last norm as it behaves, and the table of tokens behind it (docs/spec/triggers.md §9.4). */
import { WatermarkError } from '../../../core/errors.ts';

/** Scores = s · rows·x + what does not hang on x, with s = 1 / (root mean square of x, of which a mean is taken off first). */
export interface Readout {
  readonly isCentred: boolean;
  readonly width: number;
  readonly vocabulary: number;
  /** Table of tokens times the scale of the norm, [vocabulary, width], row-major. */
  readonly rows: Float32Array;
}

export interface NormSamples {
  /** What enters the last norm, [count, width]. */
  readonly stream: Float32Array;
  /** What leaves it, [count, width]. */
  readonly normed: Float32Array;
  readonly width: number;
}

/** Residue that arithmetic in 16 bits leaves. */
const RESIDUE_MAX = 0.01;
const SAMPLES_MIN = 8;

interface Norm {
  readonly isCentred: boolean;
  readonly scale: Float64Array;
  readonly residue: number;
}

/**
 * Finds the norm by what it does: each channel is a · s · x + b, for the root mean square of x or of x without its mean. Which
 * operators made it does not matter.
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT when neither explains what leaves it
 */
export function fitNorm(samples: NormSamples): Pick<Norm, 'isCentred' | 'scale'> {
  const { stream, width } = samples;
  if (stream.length / width < SAMPLES_MIN) throw unfit('there is too little text to see its last norm');
  const found = [false, true].map((isCentred) => fit(samples, isCentred)).sort((a, b) => a.residue - b.residue)[0];
  if (found.residue <= RESIDUE_MAX) return found;
  throw unfit('what stands between its last block and its table of tokens is no norm');
}

function fit({ stream, normed, width }: NormSamples, isCentred: boolean): Norm {
  const count = stream.length / width;
  const units = new Float64Array(stream.length);
  for (let row = 0; row < count; row++) {
    units.set(toUnit(Float64Array.from(stream.subarray(row * width, (row + 1) * width)), isCentred), row * width);
  }
  const scale = new Float64Array(width);
  let [left, whole] = [0, 0];
  for (let i = 0; i < width; i++) {
    let [x, y, xx, xy, yy] = [0, 0, 0, 0, 0];
    for (let at = i; at < units.length; at += width) {
      const [a, b] = [units[at], normed[at]];
      x += a;
      y += b;
      xx += a * a;
      xy += a * b;
      yy += b * b;
    }
    const [spread, joint, own] = [xx - (x * x) / count, xy - (x * y) / count, yy - (y * y) / count];
    scale[i] = spread > 0 ? joint / spread : 0;
    left += Math.max(0, own - scale[i] * joint);
    whole += own;
  }
  return { isCentred, scale, residue: whole > 0 ? Math.sqrt(left / whole) : Number.POSITIVE_INFINITY };
}

/** x, without its mean where the norm takes it off. */
export function centre(x: Float64Array, isCentred: boolean): Float64Array {
  if (!isCentred) return x;
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  return x.map((value) => value - mean);
}

/** 1 / root mean square; 0 for a row of zeros. */
export function toInverseSize(x: Float64Array): number {
  const square = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return square > 0 ? 1 / Math.sqrt(square) : 0;
}

function toUnit(x: Float64Array, isCentred: boolean): Float64Array {
  const own = centre(x, isCentred);
  const scale = toInverseSize(own);
  return own.map((value) => value * scale);
}

/** @param table of tokens, [vocabulary, width], row-major; it is overwritten */
export function toReadout(table: Float32Array, { isCentred, scale }: Pick<Norm, 'isCentred' | 'scale'>): Readout {
  const width = scale.length;
  for (let from = 0; from < table.length; from += width) {
    let mean = 0;
    for (let i = 0; i < width; i++) mean += table[from + i] *= scale[i];
    if (isCentred) for (let i = 0; i < width; i++) table[from + i] -= mean / width;
  }
  return { isCentred, width, vocabulary: table.length / width, rows: table };
}

/** rows·x. */
export function toProducts({ rows, width, vocabulary }: Readout, x: Float64Array): Float64Array {
  const products = new Float64Array(vocabulary);
  for (let token = 0; token < vocabulary; token++) {
    const at = token * width;
    let sum = 0;
    for (let i = 0; i < width; i++) sum += rows[at + i] * x[i];
    products[token] = sum;
  }
  return products;
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
