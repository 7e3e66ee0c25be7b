/** Integer and boolean element types to and from numbers. */
import { DTYPES, type DType } from './dtype.ts';
import { assertPackedLength, readPackedBits, writePackedBits } from './packed.ts';

export type IntDType = 'i64' | 'i32' | 'i16' | 'i8' | 'i4' | 'i2' | 'u64' | 'u32' | 'u16' | 'u8' | 'u4' | 'u2' | 'bool';

export function isIntDType(dtype: DType): dtype is IntDType {
  const { kind } = DTYPES[dtype];
  return kind === 'int' || kind === 'uint' || kind === 'bool';
}

/** Smallest and largest value of a type, exact for all but the 64-bit maxima (the nearest doubles). */
export function toIntRange(dtype: IntDType): { readonly min: number; readonly max: number } {
  const { bits, kind } = DTYPES[dtype];
  if (kind === 'bool') return { min: 0, max: 1 };
  return kind === 'int' ? { min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 } : { min: 0, max: 2 ** bits - 1 };
}

/**
 * Decodes packed little-endian elements. 64-bit values beyond ±2^53 become the nearest double; use
 * {@link decodeBigInts} to keep them. A bool is 0 or 1 (any byte but 0 is true).
 * @param bytes the logical bytes of `into.length` elements; 4- and 2-bit elements lie low bits first
 * @throws TypeError when `bytes` has another length
 */
export function decodeInts(dtype: IntDType, bytes: Uint8Array, into: Float64Array | Int32Array | Uint32Array): void {
  assertPackedLength(dtype, bytes, into.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { bits, kind } = DTYPES[dtype];
  if (bits >= 16) {
    const read = wideReaders[dtype as keyof typeof wideReaders];
    for (let i = 0; i < into.length; i++) into[i] = read(view, (i * bits) / 8);
    return;
  }
  const shift = 32 - bits;
  for (let i = 0; i < into.length; i++) {
    const code = readPackedBits(bytes, i, bits);
    if (kind === 'bool') into[i] = code === 0 ? 0 : 1;
    else into[i] = kind === 'int' ? (code << shift) >> shift : code;
  }
}

const wideReaders = {
  i16: (view: DataView, at: number) => view.getInt16(at, true),
  u16: (view: DataView, at: number) => view.getUint16(at, true),
  i32: (view: DataView, at: number) => view.getInt32(at, true),
  u32: (view: DataView, at: number) => view.getUint32(at, true),
  i64: (view: DataView, at: number) => Number(view.getBigInt64(at, true)),
  u64: (view: DataView, at: number) => Number(view.getBigUint64(at, true)),
} as const;

/** Decodes i64 or u64 without loss. @throws TypeError when `bytes` has another length */
export function decodeBigInts(dtype: 'i64' | 'u64', bytes: Uint8Array): bigint[] {
  assertPackedLength(dtype, bytes, bytes.length / 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const signed = dtype === 'i64';
  return Array.from({ length: bytes.length / 8 }, (_, i) =>
    signed ? view.getBigInt64(8 * i, true) : view.getBigUint64(8 * i, true),
  );
}

/**
 * Encodes whole numbers inside the type's range; 64-bit types take safe integers only.
 * @throws TypeError for a fraction, a value out of range, or an `into` of another length
 */
export function encodeInts(dtype: IntDType, values: ArrayLike<number>, into: Uint8Array): void {
  assertPackedLength(dtype, into, values.length);
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  const { bits } = DTYPES[dtype];
  const { min, max } = toIntRange(dtype);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new TypeError(`element ${i} is not a value of ${dtype}`);
    }
    if (bits === 64) view.setBigInt64(8 * i, BigInt(value), true);
    else if (bits === 32) view.setInt32(4 * i, value, true);
    else if (bits === 16) view.setInt16(2 * i, value, true);
    else writePackedBits(into, i, bits, value & ((1 << bits) - 1));
  }
}
