/** Element types as the Open Inference Protocol spells them. */
import type { DType } from '../../model/dtype.ts';

/** Types that tensors of the gateway have: whole bytes each. */
export type TensorDType = Extract<
  DType,
  'bool' | 'u8' | 'u16' | 'u32' | 'u64' | 'i8' | 'i16' | 'i32' | 'i64' | 'f16' | 'bf16' | 'f32' | 'f64'
>;

export interface DatatypeRow {
  readonly datatype: string;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly kind: 'bool' | 'int' | 'float';
}

const toTable = <T>(rows: Record<string, T>): Readonly<Record<string, T | undefined>> =>
  Object.freeze(Object.assign(Object.create(null) as Record<string, T>, rows));

/** @see https://github.com/kserve/open-inference-protocol "Tensor Data Types"; BF16 as Triton spells it */
const rows: Record<TensorDType, DatatypeRow> = {
  bool: { datatype: 'BOOL', bytes: 1, kind: 'bool' },
  u8: { datatype: 'UINT8', bytes: 1, kind: 'int' },
  u16: { datatype: 'UINT16', bytes: 2, kind: 'int' },
  u32: { datatype: 'UINT32', bytes: 4, kind: 'int' },
  u64: { datatype: 'UINT64', bytes: 8, kind: 'int' },
  i8: { datatype: 'INT8', bytes: 1, kind: 'int' },
  i16: { datatype: 'INT16', bytes: 2, kind: 'int' },
  i32: { datatype: 'INT32', bytes: 4, kind: 'int' },
  i64: { datatype: 'INT64', bytes: 8, kind: 'int' },
  f16: { datatype: 'FP16', bytes: 2, kind: 'float' },
  bf16: { datatype: 'BF16', bytes: 2, kind: 'float' },
  f32: { datatype: 'FP32', bytes: 4, kind: 'float' },
  f64: { datatype: 'FP64', bytes: 8, kind: 'float' },
};

const byDType = toTable<DatatypeRow>(rows);
const byDatatype = toTable(
  Object.fromEntries(Object.entries(rows).map(([dtype, { datatype }]) => [datatype, dtype as TensorDType])),
);

/** undefined for types that no tensor of the gateway has: strings, and those of fewer than eight bits. */
export function findDatatype(dtype: DType): DatatypeRow | undefined {
  return byDType[dtype];
}

/** undefined for BYTES and for what is no datatype. */
export function findTensorDType(datatype: string): TensorDType | undefined {
  return byDatatype[datatype];
}

export function isTensorDType(dtype: DType): dtype is TensorDType {
  return byDType[dtype] !== undefined;
}

/** Row of a type that is known to be a tensor's. */
export function toDatatype(dtype: TensorDType): DatatypeRow {
  return rows[dtype];
}
