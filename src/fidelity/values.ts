/** Numbers in and out of the packed little-endian bytes of a runtime value. */
import { RuntimeError } from '../core/errors.ts';
import { type DType, DTYPES } from '../model/dtype.ts';
import { decodeFloats, encodeFloats, isFloatDType } from '../model/floats.ts';
import type { RuntimeTensor } from '../model/runtime.ts';

type IntArray = Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;
interface IntRow {
  readonly view: new (buffer: ArrayBuffer) => IntArray;
  readonly min: number;
  readonly max: number;
}

const INTS: Readonly<Partial<Record<DType, IntRow>>> = Object.assign(
  Object.create(null) as Partial<Record<DType, IntRow>>,
  {
    i8: { view: Int8Array, min: -128, max: 127 },
    i16: { view: Int16Array, min: -32_768, max: 32_767 },
    i32: { view: Int32Array, min: -2_147_483_648, max: 2_147_483_647 },
    u8: { view: Uint8Array, min: 0, max: 255 },
    u16: { view: Uint16Array, min: 0, max: 65_535 },
    u32: { view: Uint32Array, min: 0, max: 4_294_967_295 },
    bool: { view: Uint8Array, min: 0, max: 1 },
  } satisfies Partial<Record<DType, IntRow>>,
);

function refuse(dtype: DType): RuntimeError {
  return new RuntimeError('RUNTIME_DTYPE_UNSUPPORTED', { fields: { dtype } });
}

/**
 * Numbers of `bytes`, whole elements of `dtype`; 64-bit integers beyond 2^53 are rounded.
 * @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED for complex numbers, strings and sub-byte types
 */
export function decodeValues(dtype: DType, bytes: Uint8Array): Float64Array {
  const row = INTS[dtype];
  if (row !== undefined) return Float64Array.from(new row.view(new Uint8Array(bytes).buffer));
  if (dtype === 'i64') return Float64Array.from(new BigInt64Array(new Uint8Array(bytes).buffer), Number);
  if (dtype === 'u64') return Float64Array.from(new BigUint64Array(new Uint8Array(bytes).buffer), Number);
  if (!isFloatDType(dtype) || DTYPES[dtype].bits % 8 !== 0) throw refuse(dtype);
  const values = new Float64Array((bytes.length * 8) / DTYPES[dtype].bits);
  decodeFloats(dtype, bytes, values);
  return values;
}

/** All numbers of a value. @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED */
export function toValues(value: RuntimeTensor): Float64Array {
  return decodeValues(value.dtype, value.data);
}

/**
 * Packed bytes of `values`: floats rounded to nearest even, integers rounded and clamped to the range of `dtype`.
 * @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED
 */
export function encodeValues(dtype: DType, values: Float64Array): Uint8Array {
  const row = INTS[dtype];
  if (row !== undefined) {
    const out = new row.view(new ArrayBuffer((values.length * DTYPES[dtype].bits) / 8));
    for (let i = 0; i < values.length; i++) out[i] = Math.min(row.max, Math.max(row.min, Math.round(values[i] ?? 0)));
    return new Uint8Array(out.buffer as ArrayBuffer);
  }
  if (dtype === 'i64' || dtype === 'u64') return encodeWide(dtype, values);
  if (!isFloatDType(dtype) || DTYPES[dtype].bits % 8 !== 0) throw refuse(dtype);
  const bytes = new Uint8Array((values.length * DTYPES[dtype].bits) / 8);
  encodeFloats(dtype, values, bytes);
  return bytes;
}

function encodeWide(dtype: 'i64' | 'u64', values: Float64Array): Uint8Array {
  const out = dtype === 'i64' ? new BigInt64Array(values.length) : new BigUint64Array(values.length);
  const min = dtype === 'i64' ? -Number.MAX_SAFE_INTEGER : 0;
  for (let i = 0; i < values.length; i++) {
    out[i] = BigInt(Math.min(Number.MAX_SAFE_INTEGER, Math.max(min, Math.round(values[i] ?? 0))));
  }
  return new Uint8Array(out.buffer);
}
