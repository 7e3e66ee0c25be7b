/** Runtime values as npy files: what goes into a model and what comes out of it. */
import { concatBytes, utf8 } from '../core/bytes.ts';
import { RuntimeError } from '../core/errors.ts';
import type { DType } from '../model/dtype.ts';
import type { RuntimeTensor } from '../model/runtime.ts';
import type { ByteSource } from '../source/ports.ts';
import { openNpy } from './data/npy.ts';
import { encodeValues } from './values.ts';

const DESCRIPTIONS: ReadonlyMap<DType, string> = new Map<DType, string>([
  ['f64', '<f8'],
  ['f32', '<f4'],
  ['f16', '<f2'],
  ['i64', '<i8'],
  ['i32', '<i4'],
  ['i16', '<i2'],
  ['i8', '|i1'],
  ['u64', '<u8'],
  ['u32', '<u4'],
  ['u16', '<u2'],
  ['u8', '|u1'],
  ['bool', '|b1'],
  ['c64', '<c8'],
  ['c128', '<c16'],
]);

/** True for types that NumPy has: their logical bytes are the content of an npy file. */
export function isNpyDType(dtype: DType): boolean {
  return DESCRIPTIONS.has(dtype);
}

/** The element type that an npy file names. @throws RuntimeError DATA_MALFORMED; the source stays open */
export function readNpyDType(source: ByteSource): DType {
  return openNpy(source).dtype;
}

/**
 * An npy file as a value of type `dtype`; the array is read whole and closed.
 * @throws RuntimeError DATA_MALFORMED | DATA_TOO_LARGE | RUNTIME_DTYPE_UNSUPPORTED
 */
export function readNpyValue(source: ByteSource, dtype: DType): RuntimeTensor {
  const array = openNpy(source);
  try {
    const rows = Array.from({ length: array.shape[0] ?? 0 }, (_, index) => encodeValues(dtype, array.readRow(index)));
    return { dtype, shape: array.shape, data: concatBytes(...rows) };
  } finally {
    array.close();
  }
}

/**
 * A value as an npy file, format version 1.0, little-endian, C order.
 * @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED for types that NumPy does not have
 */
export function toNpyBytes({ dtype, shape, data }: RuntimeTensor): Uint8Array {
  return concatBytes(toNpyHeader(dtype, shape), data);
}

/**
 * What stands before the elements of an npy file.
 * @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED for types that NumPy does not have
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function toNpyHeader(dtype: DType, shape: readonly number[]): Uint8Array {
  const descr = DESCRIPTIONS.get(dtype);
  if (descr === undefined) throw new RuntimeError('RUNTIME_DTYPE_UNSUPPORTED', { fields: { dtype } });
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  // Magic (6), version (2), length (2), text, spaces, line end: together a multiple of 64.
  const paddedBytes = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = utf8(`${text.padEnd(paddedBytes - 1)}\n`);
  const preamble = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 0xff, header.length >> 8);
  return concatBytes(preamble, header);
}
