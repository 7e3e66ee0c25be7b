/** PNG and JPEG files to numbers, and the resize by area average. */
import { inflateSync } from 'node:zlib';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import type { ByteSource } from '../../source/ports.ts';
import { readWhole } from './inflate.ts';
import { type ImageSize, malformed, tooLarge } from './types.ts';

/** 8-bit pixels, four channels each (red, green, blue, alpha), rows from the top. */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  readonly rgba: Uint8Array;
}

/**
 * Decodes a PNG or a JPEG, told apart by its first bytes; the size in its header is checked before anything is
 * decoded. 16-bit samples are reduced to 8; colour profiles are not applied.
 * @throws RuntimeError DATA_MALFORMED | DATA_TOO_LARGE
 */
export function decodeImage(source: ByteSource): Pixels {
  const bytes = Buffer.from(readWhole(source, FIDELITY_LIMITS.imageBytesMax).buffer);
  const isPng = bytes.length >= 33 && bytes.readUInt32BE(0) === 0x89504e47;
  if (!isPng && !(bytes.length >= 4 && bytes.readUInt16BE(0) === 0xffd8)) {
    throw malformed(source.label, 'the image is neither PNG nor JPEG', 0);
  }
  const size = isPng ? { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) } : findJpegSize(bytes);
  if (size === undefined || size.width === 0 || size.height === 0)
    throw malformed(source.label, 'the image has no size');
  const count = size.width * size.height;
  if (count > FIDELITY_LIMITS.imagePixelsMax)
    throw tooLarge(source.label, 'pixels', count, FIDELITY_LIMITS.imagePixelsMax);
  try {
    const decoded = isPng ? decodePng(bytes, size) : decodeJpeg(bytes);
    return { width: decoded.width, height: decoded.height, rgba: decoded.data };
  } catch {
    throw malformed(source.label, 'the image is damaged');
  }
}

/** The library inflates interlaced images without a bound, so those are first inflated under one. */
function decodePng(bytes: Buffer, size: { width: number; height: number }): PNG {
  const isInterlaced = bytes.readUInt8(28) !== 0;
  if (isInterlaced) {
    // Eight bytes a pixel at most (16-bit RGBA), and one filter byte for each of fewer than 4 · height pass rows.
    const maxOutputLength = 8 * size.width * size.height + 4 * size.height + 64;
    inflateSync(Buffer.concat(listChunks(bytes, 'IDAT')), { maxOutputLength });
  }
  return PNG.sync.read(bytes);
}

/** Bodies of all chunks of a type (PNG specification 5.3). */
function listChunks(bytes: Buffer, type: string): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    if (bytes.toString('latin1', at + 4, at + 8) === type) found.push(bytes.subarray(at + 8, end));
    at = end + 4;
  }
  return found;
}

function decodeJpeg(bytes: Buffer): { width: number; height: number; data: Uint8Array } {
  const maxResolutionInMP = FIDELITY_LIMITS.imagePixelsMax / 1e6;
  return jpeg.decode(bytes, { useTArray: true, tolerantDecoding: false, maxResolutionInMP, maxMemoryUsageInMB: 2048 });
}

/** Walks the segments to the frame header (ITU T.81 B.2.2). */
function findJpegSize(bytes: Buffer): { width: number; height: number } | undefined {
  let at = 2;
  while (at + 9 <= bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes.readUInt8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    at += marker === 0xff ? 1 : 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

/**
 * Height × width × channels numbers 0..255: every output pixel is the mean of the source area that it covers, with
 * partial pixels weighted; enlarging repeats pixels. One channel is luma (ITU-R BT.601). Alpha is ignored.
 */
export function resizeByArea(pixels: Pixels, size: ImageSize): Float64Array {
  const rows = toWeights(pixels.height, size.height);
  const columns = toWeights(pixels.width, size.width);
  const out = new Float64Array(size.height * size.width * size.channels);
  let at = 0;
  for (const row of rows) {
    for (const column of columns) {
      const mean = toMean(pixels, row, column);
      if (size.channels === 1) out[at++] = 0.299 * mean[0] + 0.587 * mean[1] + 0.114 * mean[2];
      else for (const value of mean) out[at++] = value;
    }
  }
  return out;
}

interface Cover {
  readonly first: number;
  /** Weights of the pixels from `first`, summing to one. */
  readonly weights: readonly number[];
}

function toWeights(from: number, to: number): Cover[] {
  return Array.from({ length: to }, (_, index) => {
    const begin = (index * from) / to;
    const end = ((index + 1) * from) / to;
    const first = Math.min(from - 1, Math.floor(begin));
    const last = Math.max(first, Math.min(from - 1, Math.ceil(end) - 1));
    const weights = Array.from({ length: last - first + 1 }, (__, offset) => {
      const pixel = first + offset;
      return Math.max(0, Math.min(end, pixel + 1) - Math.max(begin, pixel)) / (end - begin);
    });
    return { first, weights };
  });
}

function toMean({ rgba, width }: Pixels, row: Cover, column: Cover): [number, number, number] {
  const mean: [number, number, number] = [0, 0, 0];
  row.weights.forEach((rowWeight, y) => {
    column.weights.forEach((columnWeight, x) => {
      const at = 4 * ((row.first + y) * width + column.first + x);
      const weight = rowWeight * columnWeight;
      mean[0] += weight * (rgba[at] ?? 0);
      mean[1] += weight * (rgba[at + 1] ?? 0);
      mean[2] += weight * (rgba[at + 2] ?? 0);
    });
  });
  return mean;
}
