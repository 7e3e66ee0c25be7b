/** What a set of labelled samples is, whatever file it came from. */
import { RuntimeError } from '../../core/errors.ts';

export type DataFormat = 'npy' | 'npz' | 'idx' | 'csv' | 'images';

/** Labels as class numbers; `names` when they were texts or folders, in the order of their numbers. */
export interface Labels {
  readonly values: Int32Array;
  readonly names: readonly string[] | null;
}

/** How large an image is wanted. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

/** Samples in the order of their file. Reading is by index; only rows that are asked for are decoded. */
export interface LabelledData {
  readonly format: DataFormat;
  readonly count: number;
  /** Shape of every sample, without the sample axis; null for image files, whose sizes differ. */
  readonly sampleShape: readonly number[] | null;
  /** True when values are bytes 0..255 of an image, so that models may want them scaled. */
  readonly isBytes: boolean;
  readonly labels: Labels;
  /** Row-major numbers of one sample. @throws RuntimeError DATA_MALFORMED | DATA_TOO_LARGE; SourceError */
  read(index: number): Float64Array;
  /** Image files only: height × width × channels numbers 0..255, resized. */
  readImage(index: number, size: ImageSize): Float64Array;
  /** Image files only: the size of one image as stored. */
  findImageSize(index: number): { readonly height: number; readonly width: number } | undefined;
  close(): void;
}

/** A refusal that names the file, what is wrong, and where. */
export function malformed(file: string, problem: string, offset: number | null = null): RuntimeError {
  return new RuntimeError('DATA_MALFORMED', { fields: { file, problem, offset } });
}

export function tooLarge(file: string, what: string, actual: number, limit: number): RuntimeError {
  return new RuntimeError('DATA_TOO_LARGE', { fields: { file, what, actual, limit } });
}
