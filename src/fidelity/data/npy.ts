/** NumPy's npy files, versions 1.0 to 3.0 (numpy/lib/format.py). */
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import type { DType } from '../../model/dtype.ts';
import type { ByteSource } from '../../source/ports.ts';
import { type NumericArray, openArray } from './array.ts';
import { malformed, tooLarge } from './types.ts';

const MAGIC = '\x93NUMPY';

const DTYPE_BY_CODE: Readonly<Record<string, DType | undefined>> = Object.assign(
  Object.create(null) as Record<string, DType | undefined>,
  {
    b1: 'bool', i1: 'i8', i2: 'i16', i4: 'i32', i8: 'i64', u1: 'u8', u2: 'u16', u4: 'u32', u8: 'u64',
    f2: 'f16', f4: 'f32', f8: 'f64',
  } as const,
); // biome-ignore format: a table

/**
 * Opens an npy file; rows are read when asked for.
 * @throws RuntimeError DATA_MALFORMED, also for Fortran order, objects, strings, complex and structured types;
 *   DATA_TOO_LARGE
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function openNpy(source: ByteSource): NumericArray {
  const { text, start } = readHeader(source);
  const descr = /'descr'\s*:\s*'([<>|=])([a-z]\d+)'/.exec(text);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shapeText = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  const dtype = DTYPE_BY_CODE[descr?.[2] ?? ''];
  if (dtype === undefined) throw malformed(source.label, 'the element type is not a plain number', 10);
  if (order === undefined || shapeText === undefined)
    throw malformed(source.label, 'the header is not that of npy', 10);
  const shape = shapeText
    .split(',')
    .map((part) => part.trim().replace(/L$/, ''))
    .filter((part) => part !== '')
    .map(Number);
  if (order === 'True' && shape.length > 1) {
    throw malformed(source.label, 'the array is in Fortran order; save numpy.ascontiguousarray(x)', 10);
  }
  return openArray({ source, start, dtype, isBigEndian: descr?.[1] === '>', shape });
}

function readHeader(source: ByteSource): { text: string; start: number } {
  const { label } = source;
  if (source.size < 12) throw malformed(label, 'the file is too short for npy', 0);
  const head = Buffer.alloc(12);
  source.read(0, head);
  if (head.toString('latin1', 0, 6) !== MAGIC) throw malformed(label, 'the file does not begin as npy does', 0);
  const major = head.readUInt8(6);
  if (major < 1 || major > 3) throw malformed(label, `npy version ${major} is not known`, 6);
  const lengthBytes = major === 1 ? head.readUInt16LE(8) : head.readUInt32LE(8);
  const begin = major === 1 ? 10 : 12;
  if (lengthBytes > FIDELITY_LIMITS.npyHeaderBytesMax) {
    throw tooLarge(label, 'bytes of the npy header', lengthBytes, FIDELITY_LIMITS.npyHeaderBytesMax);
  }
  if (begin + lengthBytes > source.size) throw malformed(label, 'the npy header leaves the file', 8);
  const text = Buffer.alloc(lengthBytes);
  source.read(begin, text);
  return { text: text.toString('utf8'), start: begin + lengthBytes };
}
