/** The idx files of MNIST and its relatives, plain or gzipped. */
import type { DType } from '../../model/dtype.ts';
import type { ByteSource } from '../../source/ports.ts';
import { type NumericArray, openArray } from './array.ts';
import { malformed } from './types.ts';

const DTYPE_BY_CODE: Readonly<Record<number, DType | undefined>> = {
  0x08: 'u8', 0x09: 'i8', 0x0b: 'i16', 0x0c: 'i32', 0x0d: 'f32', 0x0e: 'f64',
}; // biome-ignore format: a table

/**
 * Opens an idx file: two zero bytes, type, rank, big-endian dimensions, big-endian elements.
 * @throws RuntimeError DATA_MALFORMED | DATA_TOO_LARGE
 * @see http://yann.lecun.com/exdb/mnist/ "the IDX file format"
 */
export function openIdx(source: ByteSource): NumericArray {
  const { label } = source;
  if (source.size < 4) throw malformed(label, 'the file is too short for idx', 0);
  const head = Buffer.alloc(4);
  source.read(0, head);
  const dtype = DTYPE_BY_CODE[head.readUInt8(2)];
  const rank = head.readUInt8(3);
  if (head.readUInt16BE(0) !== 0 || dtype === undefined || rank === 0) {
    throw malformed(label, 'the file does not begin as idx does', 0);
  }
  const start = 4 + 4 * rank;
  if (start > source.size) throw malformed(label, 'the idx dimensions leave the file', 4);
  const dims = Buffer.alloc(4 * rank);
  source.read(4, dims);
  const shape = Array.from({ length: rank }, (_, axis) => dims.readUInt32BE(4 * axis));
  return openArray({ source, start, dtype, isBigEndian: true, shape });
}
