/** Writes NumPy .npy files. @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (version 1.0) */
import { concatBytes, utf8 } from '../../core/bytes.ts';

export interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Float32Array | Uint8Array | BigInt64Array;
}

/** The bytes of a .npy file, C order, little-endian. */
export function toNpy({ shape, values }: NpyArray): Uint8Array {
  const descr = values instanceof Float32Array ? '<f4' : values instanceof Uint8Array ? '|u1' : '<i8';
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  // Magic, version, length and header together fill a multiple of 64 bytes, and the header ends in a newline.
  const total = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = utf8(`${text.padEnd(total - 11)}\n`);
  const length = Uint8Array.of(header.length & 0xff, header.length >> 8);
  const magic = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0);
  return concatBytes(magic, length, header, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
