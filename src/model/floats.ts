/** Float element types to and from numbers: IEEE 754, bfloat16, and the OCP and Graphcore 8-, 6- and 4-bit kinds. */
import { DTYPES, type DType } from './dtype.ts';
import { assertPackedLength, readPackedBits, writePackedBits } from './packed.ts';

export type FloatDType =
  | 'f64'
  | 'f32'
  | 'f16'
  | 'bf16'
  | 'f8e4m3fn'
  | 'f8e4m3fnuz'
  | 'f8e5m2'
  | 'f8e5m2fnuz'
  | 'f8e8m0'
  | 'f6e2m3'
  | 'f6e3m2'
  | 'f4e2m1';

export function isFloatDType(dtype: DType): dtype is FloatDType {
  return DTYPES[dtype].kind === 'float';
}

/** How the codes of a small float are read. */
interface SmallFloat {
  readonly mantissaBits: number;
  readonly bias: number;
  /** Code (without sign) of the largest finite value. */
  readonly maxCode: number;
  /** Code of infinity, or null when the type has none: encoding saturates then. */
  readonly infinityCode: number | null;
  /** Code of the canonical NaN, sign included, or null when the type has none. */
  readonly nanCode: number | null;
}

/**
 * @see IEEE 754-2019 (f16); OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0;
 * ONNX "Float stored in 8 bits" for the fnuz kinds (arXiv:2206.02915)
 */
const SMALL: Readonly<Record<Exclude<FloatDType, 'f64' | 'f32' | 'f8e8m0'>, SmallFloat>> = {
  f16: { mantissaBits: 10, bias: 15, maxCode: 0x7bff, infinityCode: 0x7c00, nanCode: 0x7e00 },
  bf16: { mantissaBits: 7, bias: 127, maxCode: 0x7f7f, infinityCode: 0x7f80, nanCode: 0x7fc0 },
  f8e4m3fn: { mantissaBits: 3, bias: 7, maxCode: 0x7e, infinityCode: null, nanCode: 0x7f },
  f8e4m3fnuz: { mantissaBits: 3, bias: 8, maxCode: 0x7f, infinityCode: null, nanCode: 0x80 },
  f8e5m2: { mantissaBits: 2, bias: 15, maxCode: 0x7b, infinityCode: 0x7c, nanCode: 0x7e },
  f8e5m2fnuz: { mantissaBits: 2, bias: 16, maxCode: 0x7f, infinityCode: null, nanCode: 0x80 },
  f6e2m3: { mantissaBits: 3, bias: 1, maxCode: 0x1f, infinityCode: null, nanCode: null },
  f6e3m2: { mantissaBits: 2, bias: 3, maxCode: 0x1f, infinityCode: null, nanCode: null },
  f4e2m1: { mantissaBits: 1, bias: 1, maxCode: 0x7, infinityCode: null, nanCode: null },
};

/**
 * Decodes packed little-endian elements; exact for every type (f64 into a Float32Array rounds).
 * @param bytes the logical bytes of `into.length` elements; 6- and 4-bit elements lie low bits first
 * @throws TypeError when `bytes` has another length
 */
export function decodeFloats(dtype: FloatDType, bytes: Uint8Array, into: Float32Array | Float64Array): void {
  assertPackedLength(dtype, bytes, into.length);
  const { bits } = DTYPES[dtype];
  if (bits >= 32) {
    decodeWide(dtype === 'f32', bytes, into);
    return;
  }
  const table = findTable(dtype);
  if (bits === 16) {
    for (let i = 0; i < into.length; i++) into[i] = table[bytes[2 * i] | (bytes[2 * i + 1] << 8)]!;
  } else {
    for (let i = 0; i < into.length; i++) into[i] = table[readPackedBits(bytes, i, bits)]!;
  }
}

/** The value of one f16 code: scales of quantised blocks are read one at a time. */
export function toHalf(code: number): number {
  return findTable('f16')[code];
}

function decodeWide(isSingle: boolean, bytes: Uint8Array, into: Float32Array | Float64Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isSingle) for (let i = 0; i < into.length; i++) into[i] = view.getFloat32(4 * i, true);
  else for (let i = 0; i < into.length; i++) into[i] = view.getFloat64(8 * i, true);
}

/**
 * Encodes numbers, rounding once, to nearest, ties to even.
 *
 * Out of range: infinity where the type has one; else the largest finite value of that sign (ONNX Cast, saturate = 1),
 * for infinities too. NaN becomes the canonical NaN; in f6 and f4, which have none, it is a caller's mistake. f8e8m0
 * holds powers of two only: zero and negative values become 2^-127.
 * @param into room for the logical bytes of `values.length` elements
 * @throws TypeError when `into` has another length, or for NaN in a type without one
 */
export function encodeFloats(dtype: FloatDType, values: ArrayLike<number>, into: Uint8Array): void {
  assertPackedLength(dtype, into, values.length);
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  const { bits } = DTYPES[dtype];
  if (dtype === 'f32') {
    for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i], true);
  } else if (dtype === 'f64') {
    for (let i = 0; i < values.length; i++) view.setFloat64(8 * i, values[i], true);
  } else if (dtype === 'f8e8m0') {
    for (let i = 0; i < values.length; i++) into[i] = toScaleCode(values[i]);
  } else if (bits === 16) {
    for (let i = 0; i < values.length; i++) view.setUint16(2 * i, toSmallCode(dtype, values[i]), true);
  } else {
    for (let i = 0; i < values.length; i++) writePackedBits(into, i, bits, toSmallCode(dtype, values[i]));
  }
}

const probe = new DataView(new ArrayBuffer(8));

/** floor(log2 |value|) of a normal double; -1023 for zero and subnormals, which every small type rounds to zero. */
function toExponent(value: number): number {
  probe.setFloat64(0, value);
  return ((probe.getUint16(0) >> 4) & 0x7ff) - 1023;
}

function toSmallCode(dtype: keyof typeof SMALL, value: number): number {
  const { mantissaBits, bias, maxCode, infinityCode, nanCode } = SMALL[dtype];
  const signCode = 1 << (DTYPES[dtype].bits - 1);
  if (Number.isNaN(value)) {
    if (nanCode === null) throw new TypeError(`${dtype} has no NaN`);
    return nanCode;
  }
  const sign = value < 0 || Object.is(value, -0) ? signCode : 0;
  if (!Number.isFinite(value)) return sign | (infinityCode ?? maxCode);
  const exponentMin = 1 - bias;
  const exponent = Math.max(toExponent(value), exponentMin);
  // Dividing by a power of two is exact, so this is the only rounding; a carry runs into the exponent as it should.
  const mantissa = roundHalfEven(Math.abs(value) / 2 ** (exponent - mantissaBits));
  const code = ((exponent - exponentMin) << mantissaBits) + mantissa;
  if (code > maxCode) return sign | (infinityCode ?? maxCode);
  // The fnuz kinds have no negative zero: that code is their NaN.
  return code === 0 && nanCode === signCode ? 0 : sign | code;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function toScaleCode(value: number): number {
  if (Number.isNaN(value)) return 0xff;
  if (value <= 0) return 0;
  if (value === Infinity) return 0xfe;
  const exponent = toExponent(value);
  const mantissa = value / 2 ** exponent;
  const isUp = mantissa > 1.5 || (mantissa === 1.5 && exponent % 2 !== 0);
  return Math.min(Math.max(exponent + (isUp ? 1 : 0) + 127, 0), 0xfe);
}

const tables = new Map<DType, Float32Array>();

/** Value of every code, made on first use; every value of a small type is exact in f32. */
function findTable(dtype: FloatDType): Float32Array {
  const known = tables.get(dtype);
  if (known !== undefined) return known;
  const table = new Float32Array(2 ** DTYPES[dtype].bits);
  for (let code = 0; code < table.length; code++) {
    table[code] = dtype === 'f8e8m0' ? toScaleValue(code) : toSmallValue(dtype as keyof typeof SMALL, code);
  }
  tables.set(dtype, table);
  return table;
}

function toScaleValue(code: number): number {
  return code === 0xff ? NaN : 2 ** (code - 127);
}

function toSmallValue(dtype: keyof typeof SMALL, code: number): number {
  const { mantissaBits, bias, maxCode, infinityCode, nanCode } = SMALL[dtype];
  const signCode = 1 << (DTYPES[dtype].bits - 1);
  const magnitude = code & (signCode - 1);
  const sign = (code & signCode) === 0 ? 1 : -1;
  if (code === nanCode || magnitude > Math.max(maxCode, infinityCode ?? 0)) return NaN;
  if (magnitude === infinityCode) return sign * Infinity;
  const exponent = magnitude >> mantissaBits;
  const mantissa = magnitude & ((1 << mantissaBits) - 1);
  const unit = 2 ** (Math.max(exponent, 1) - bias - mantissaBits);
  return sign * (exponent === 0 ? mantissa : mantissa + (1 << mantissaBits)) * unit;
}
