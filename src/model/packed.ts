/** Elements of fewer than 8 bits in a byte string: low bits first, without padding between elements. */
import { type DType, findPackedByteLength } from './dtype.ts';

/** @throws TypeError when `bytes` is not exactly as long as `elementCount` elements */
export function assertPackedLength(dtype: DType, bytes: Uint8Array, elementCount: number): void {
  const expected = findPackedByteLength(dtype, elementCount);
  if (bytes.length !== expected) {
    throw new TypeError(
      `${elementCount} elements of ${dtype} take ${expected ?? 'too many'} bytes, not ${bytes.length}`,
    );
  }
}

/** Code of element `index`; `bits` in 1..8. */
export function readPackedBits(bytes: Uint8Array, index: number, bits: number): number {
  if (bits === 8) return bytes[index];
  const at = index * bits;
  const byte = Math.floor(at / 8);
  const shift = at % 8;
  const pair = bytes[byte] | ((bytes[byte + 1] ?? 0) << 8);
  return (pair >> shift) & ((1 << bits) - 1);
}

/** Replaces the code of element `index`; neighbours in the same byte stay. */
export function writePackedBits(bytes: Uint8Array, index: number, bits: number, code: number): void {
  const at = index * bits;
  const byte = Math.floor(at / 8);
  const shift = at % 8;
  const mask = ((1 << bits) - 1) << shift;
  bytes[byte] = (bytes[byte] & ~mask) | ((code << shift) & mask);
  if (shift + bits > 8) bytes[byte + 1] = (bytes[byte + 1] & ~(mask >> 8)) | ((code << shift) >> 8);
}
