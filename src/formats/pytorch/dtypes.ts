/** Element types of PyTorch: by the class of their storage, and by the name of the dtype. */
import type { DType } from '../../model/dtype.ts';

/** Storage classes of module `torch`; null for types whose elements share bytes, which are not read. */
export const STORAGE_DTYPES: ReadonlyMap<string, DType | null> = new Map<string, DType | null>([
  ['DoubleStorage', 'f64'],
  ['FloatStorage', 'f32'],
  ['HalfStorage', 'f16'],
  ['BFloat16Storage', 'bf16'],
  ['LongStorage', 'i64'],
  ['IntStorage', 'i32'],
  ['ShortStorage', 'i16'],
  ['CharStorage', 'i8'],
  ['ByteStorage', 'u8'],
  ['BoolStorage', 'bool'],
  ['ComplexFloatStorage', 'c64'],
  ['ComplexDoubleStorage', 'c128'],
  // Quantised tensors are read as their integer codes.
  ['QInt8Storage', 'i8'],
  ['QUInt8Storage', 'u8'],
  ['QInt32Storage', 'i32'],
  ['QUInt4x2Storage', null],
  ['QUInt2x4Storage', null],
]);

/** Names of dtypes in module `torch`; null as above. */
export const TORCH_DTYPES: ReadonlyMap<string, DType | null> = new Map<string, DType | null>([
  ['float64', 'f64'],
  ['float32', 'f32'],
  ['float16', 'f16'],
  ['bfloat16', 'bf16'],
  ['float8_e4m3fn', 'f8e4m3fn'],
  ['float8_e4m3fnuz', 'f8e4m3fnuz'],
  ['float8_e5m2', 'f8e5m2'],
  ['float8_e5m2fnuz', 'f8e5m2fnuz'],
  ['float8_e8m0fnu', 'f8e8m0'],
  ['float4_e2m1fn_x2', null],
  ['int64', 'i64'],
  ['int32', 'i32'],
  ['int16', 'i16'],
  ['int8', 'i8'],
  ['uint64', 'u64'],
  ['uint32', 'u32'],
  ['uint16', 'u16'],
  ['uint8', 'u8'],
  ['bool', 'bool'],
  ['complex64', 'c64'],
  ['complex128', 'c128'],
  ['qint8', 'i8'],
  ['quint8', 'u8'],
  ['qint32', 'i32'],
  ['complex32', null],
  ['quint4x2', null],
  ['quint2x4', null],
  ['bits8', null],
  ['bits16', null],
]);
