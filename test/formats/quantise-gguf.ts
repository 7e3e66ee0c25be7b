/** A model as a quantised GGUF file: matrices whose rows are whole blocks become blocks, other floats f32. */
import { GGUF_DTYPES } from '../../src/formats/gguf/dtypes.ts';
import { type BlockDType, toBlockSize } from '../../src/model/dtype.ts';
import { decodeFloats, encodeFloats, type FloatDType, isFloatDType } from '../../src/model/floats.ts';
import type { Model, TensorRef } from '../../src/model/types.ts';
import { gguf, stringEntry, type TensorSpec } from './gguf.ts';
import { toBlocks } from './quantise.ts';

const TYPE_OF = new Map([...GGUF_DTYPES].map(([type, dtype]) => [dtype, type]));

function turn(values: Float64Array, columns: number): Float64Array {
  const rows = values.length / columns;
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
}

/** Turned when only that way its rows are whole blocks, as exporters lay the same matrix either way. */
function toSpec(tensor: TensorRef, dtype: BlockDType): TensorSpec {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const values = new Float64Array(tensor.elementCount);
  decodeFloats(tensor.dtype as FloatDType, bytes, values);
  const { name, shape } = tensor;
  const isWhole = (length: number | undefined): boolean =>
    shape.length === 2 && length !== undefined && length % toBlockSize(dtype).elements === 0;
  const type = TYPE_OF.get(dtype)!;
  if (isWhole(shape.at(1))) return { name, dims: shape.toReversed(), type, data: toBlocks(dtype, values) };
  if (isWhole(shape.at(0))) return { name, dims: shape, type, data: toBlocks(dtype, turn(values, shape[1])) };
  const data = new Uint8Array(4 * values.length);
  encodeFloats('f32', values, data);
  return { name, dims: shape.toReversed(), type: TYPE_OF.get('f32')!, data };
}

/** The float tensors of `model`. */
export function toQuantisedGguf(model: Model, dtype: BlockDType): Uint8Array {
  const tensors = model.tensors.filter((tensor) => isFloatDType(tensor.dtype) && tensor.shape.length <= 4);
  const entries = [stringEntry('general.architecture', 'unknown')];
  return gguf({ entries, tensors: tensors.map((tensor) => toSpec(tensor, dtype)) });
}
