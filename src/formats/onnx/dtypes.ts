/** ONNX element types: their codes and the typed fields that may hold them. */
import type { DType } from '../../model/dtype.ts';
import { WIRE } from './wire.ts';

/** TensorProto.DataType by code. */
const BY_CODE: readonly (DType | null)[] = [
  null, // UNDEFINED
  'f32',
  'u8',
  'i8',
  'u16',
  'i16',
  'i32',
  'i64',
  'string',
  'bool',
  'f16',
  'f64',
  'u32',
  'u64',
  'c64',
  'c128',
  'bf16',
  'f8e4m3fn',
  'f8e4m3fnuz',
  'f8e5m2',
  'f8e5m2fnuz',
  'u4',
  'i4',
  'f4e2m1',
  'f8e8m0',
  'u2',
  'i2',
];

export function findOnnxDType(code: number): DType | undefined {
  return code > 0 && code < BY_CODE.length ? (BY_CODE[code] ?? undefined) : undefined;
}

/** TensorProto.DataType, or undefined for element types that ONNX does not have. */
export function toOnnxCode(dtype: DType): number | undefined {
  const code = BY_CODE.indexOf(dtype);
  return code > 0 ? code : undefined;
}

/** A repeated scalar field of TensorProto or AttributeProto. */
export interface TypedField {
  readonly number: number;
  /** Wire type of one unpacked entry. */
  readonly wire: typeof WIRE.varint | typeof WIRE.fixed32 | typeof WIRE.fixed64;
}

const FLOAT_DATA: TypedField = { number: 4, wire: WIRE.fixed32 };
const INT32_DATA: TypedField = { number: 5, wire: WIRE.varint };
const INT64_DATA: TypedField = { number: 7, wire: WIRE.varint };
const DOUBLE_DATA: TypedField = { number: 10, wire: WIRE.fixed64 };
const UINT64_DATA: TypedField = { number: 11, wire: WIRE.varint };
export const STRING_DATA_NUMBER = 6;

export const TYPED_FIELDS: readonly TypedField[] = [FLOAT_DATA, INT32_DATA, INT64_DATA, DOUBLE_DATA, UINT64_DATA];

/** The typed field of that number; asked for every field of every tensor. */
export function findTypedField(number: number): TypedField | undefined {
  return number < 4 || number > 11 ? undefined : TYPED_FIELDS.find((field) => field.number === number);
}

/** The typed field that may hold elements of `dtype`; strings have their own. */
export function toTypedField(dtype: DType): TypedField {
  if (dtype === 'f32' || dtype === 'c64') return FLOAT_DATA;
  if (dtype === 'f64' || dtype === 'c128') return DOUBLE_DATA;
  if (dtype === 'i64') return INT64_DATA;
  if (dtype === 'u32' || dtype === 'u64') return UINT64_DATA;
  return INT32_DATA;
}
