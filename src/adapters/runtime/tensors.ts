/** Values between the Runtime port (packed little-endian bytes) and onnxruntime's typed tensors. */
import type { Tensor, TensorConstructor } from 'onnxruntime-web';
import { RuntimeError } from '../../core/errors.ts';
import { type DType, DTYPES, findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';

type View = new (buffer: ArrayBuffer) => Exclude<Tensor.DataType, string[]>;

interface TypeRow {
  readonly ort: Tensor.Type;
  readonly view: View;
}

/** Only whole-byte types that both runtimes pass; the JavaScript interface has no name for bf16 and the fp8 kinds. */
const ROWS: Readonly<Partial<Record<DType, TypeRow>>> = Object.assign(
  Object.create(null) as Partial<Record<DType, TypeRow>>,
  {
    f64: { ort: 'float64', view: Float64Array },
    f32: { ort: 'float32', view: Float32Array },
    f16: { ort: 'float16', view: Uint16Array },
    i64: { ort: 'int64', view: BigInt64Array },
    i32: { ort: 'int32', view: Int32Array },
    i16: { ort: 'int16', view: Int16Array },
    i8: { ort: 'int8', view: Int8Array },
    u64: { ort: 'uint64', view: BigUint64Array },
    u32: { ort: 'uint32', view: Uint32Array },
    u16: { ort: 'uint16', view: Uint16Array },
    u8: { ort: 'uint8', view: Uint8Array },
    bool: { ort: 'bool', view: Uint8Array },
  } satisfies Partial<Record<DType, TypeRow>>,
);

/** Our name of onnxruntime's element type, or undefined for one that cannot be passed. */
export function findDType(ortType: Tensor.Type): DType | undefined {
  return (Object.keys(ROWS) as DType[]).find((dtype) => ROWS[dtype]?.ort === ortType);
}

/**
 * onnxruntime's tensor with a copy of `value.data`.
 * @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED | RUNTIME_RUN_FAILED when length and shape disagree
 */
export function encodeTensor(make: TensorConstructor, name: string, value: RuntimeTensor): Tensor {
  const row = ROWS[value.dtype];
  if (row === undefined) throw new RuntimeError('RUNTIME_DTYPE_UNSUPPORTED', { fields: { name, dtype: value.dtype } });
  const count = findElementCount(value.shape);
  const expectedBytes = count === undefined ? undefined : findPackedByteLength(value.dtype, count);
  if (expectedBytes !== value.data.length) {
    throw new RuntimeError('RUNTIME_RUN_FAILED', {
      message: 'The bytes of an input do not match its shape.',
      fields: { name, shape: value.shape, expectedBytes: expectedBytes ?? null, actualBytes: value.data.length },
    });
  }
  const data = new row.view(new Uint8Array(value.data).buffer);
  const tensor = new make(row.ort, data, value.shape);
  // Where there is a Float16Array (Node 24), raw bits become one, and the native runtime takes that for empty.
  if (tensor.data !== data) Object.defineProperty(tensor, 'data', { value: data });
  return tensor;
}

/**
 * A copy of onnxruntime's tensor as packed bytes.
 * @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED
 */
export function decodeTensor(name: string, tensor: Tensor): RuntimeTensor {
  const dtype = findDType(tensor.type);
  if (dtype === undefined) {
    throw new RuntimeError('RUNTIME_DTYPE_UNSUPPORTED', { fields: { name, dtype: tensor.type } });
  }
  const data = tensor.data as Exclude<Tensor.DataType, string[]>;
  const bytes = new Uint8Array(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const count = findElementCount(tensor.dims) ?? -1;
  if (bytes.length !== count * (DTYPES[dtype].bits / 8))
    throw new Error('internal error: output size and shape differ');
  return { dtype, shape: [...tensor.dims], data: bytes };
}
