/** A dense numeric array that is read row by row from its file: the common ground of npy and idx. */
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import { type DType, DTYPES, findElementCount } from '../../model/dtype.ts';
import type { ByteSource } from '../../source/ports.ts';
import { decodeValues } from '../values.ts';
import { type LabelledData, type Labels, malformed, tooLarge } from './types.ts';

export interface NumericArray {
  readonly label: string;
  readonly dtype: DType;
  /** The first dimension counts rows. */
  readonly shape: readonly number[];
  readonly readRow: (index: number) => Float64Array;
  readonly close: () => void;
}

export interface ArraySpec {
  readonly source: ByteSource;
  /** Where the elements begin. */
  readonly start: number;
  readonly dtype: DType;
  readonly isBigEndian: boolean;
  readonly shape: readonly number[];
}

/** @throws RuntimeError DATA_MALFORMED when the elements leave the file; DATA_TOO_LARGE */
export function openArray({ source, start, dtype, isBigEndian, shape }: ArraySpec): NumericArray {
  const { label } = source;
  const [rows = 0, ...rowShape] = shape;
  const rowElements = findElementCount(rowShape);
  const total = findElementCount(shape);
  if (shape.length === 0 || rowElements === undefined || total === undefined) throw malformed(label, 'bad shape');
  if (shape.length > FIDELITY_LIMITS.rankMax) throw tooLarge(label, 'rank', shape.length, FIDELITY_LIMITS.rankMax);
  if (rows > FIDELITY_LIMITS.samplesMax) throw tooLarge(label, 'samples', rows, FIDELITY_LIMITS.samplesMax);
  if (rowElements > FIDELITY_LIMITS.sampleElementsMax) {
    throw tooLarge(label, 'values of one sample', rowElements, FIDELITY_LIMITS.sampleElementsMax);
  }
  const elementBytes = DTYPES[dtype].bits / 8;
  if (start + total * elementBytes > source.size) throw malformed(label, 'the file ends before its last value', start);
  return {
    label,
    dtype,
    shape,
    readRow(index) {
      const bytes = new Uint8Array(rowElements * elementBytes);
      source.read(start + index * bytes.length, bytes);
      if (isBigEndian) swapBytes(bytes, elementBytes);
      return decodeValues(dtype, bytes);
    },
    close() {
      source.close();
    },
  };
}

function swapBytes(bytes: Uint8Array, elementBytes: number): void {
  for (let at = 0; at + elementBytes <= bytes.length; at += elementBytes) {
    bytes.subarray(at, at + elementBytes).reverse();
  }
}

/**
 * Class numbers from an array of shape [n], [n, 1] or one-hot [n, classes].
 * @throws RuntimeError DATA_MALFORMED when a value is no class number
 */
export function toLabels(array: NumericArray): Labels {
  const [count = 0, ...rest] = array.shape;
  const width = findElementCount(rest) ?? 0;
  if (width === 0 && count > 0) throw malformed(array.label, 'labels have no values');
  const values = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    const row = array.readRow(index);
    const value = width === 1 ? row[0] : findOneHot(row);
    if (value === undefined || !Number.isInteger(value) || Math.abs(value) > FIDELITY_LIMITS.classesMax) {
      throw malformed(array.label, `label ${index} is neither a class number nor one-hot`);
    }
    values[index] = value;
  }
  return { values, names: null };
}

function findOneHot(row: Float64Array): number | undefined {
  const at = row.indexOf(1);
  const rest = row.reduce((sum, value) => sum + Math.abs(value), 0);
  return at >= 0 && rest === 1 ? at : undefined;
}

/** Samples and labels of equal count. @throws RuntimeError DATA_MALFORMED */
export function joinArrays(format: LabelledData['format'], samples: NumericArray, labels: NumericArray): LabelledData {
  const [count = 0, ...sampleShape] = samples.shape;
  if (count !== labels.shape[0]) {
    throw malformed(labels.label, `${labels.shape[0] ?? 0} labels for ${count} samples`);
  }
  return {
    format,
    count,
    sampleShape,
    isBytes: samples.dtype === 'u8',
    labels: toLabels(labels),
    read: samples.readRow,
    readImage: () => {
      throw new TypeError('only image files are resized');
    },
    findImageSize: () => undefined,
    close() {
      samples.close();
      labels.close();
    },
  };
}
