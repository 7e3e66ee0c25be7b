/** Attacks on the weights of a model file, whatever its format: one tensor in memory at a time, its own element type kept. */
import { decodeBlocks, encodeBlocks, isDecodableBlock } from '../../../model/blocks.ts';
import { decodeFloats, encodeFloats, isFloatDType } from '../../../model/floats.ts';
import type { Model, TensorEdit, TensorRef } from '../../../model/types.ts';
import type { Matrix } from '../matrices.ts';

/** Changed tensors are kept while writer and detector read them piece by piece. */
const KEPT_BYTES_MAX = 256 * 1024 * 1024;

/** Floating-point tensors and quantised blocks of rank 2 or more: what attacks on weights change. */
export function listMatrices(model: Model): TensorRef[] {
  return model.tensors.filter(
    ({ dtype, shape, elementCount }) =>
      shape.length >= 2 && elementCount > 0 && (isFloatDType(dtype) || isDecodableBlock(dtype)),
  );
}

/** The values of a tensor, decoded. @throws TypeError for element types that are not in `listMatrices` */
export function readValues(tensor: TensorRef): Float32Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const values = new Float32Array(tensor.elementCount);
  if (isFloatDType(tensor.dtype)) decodeFloats(tensor.dtype, bytes, values);
  else if (isDecodableBlock(tensor.dtype)) decodeBlocks(tensor.dtype, bytes, values);
  else throw new TypeError(`${tensor.dtype} holds no weights`);
  return values;
}

/** Values as logical bytes of `tensor`; quantised blocks keep their scales, so their codes move. */
export function toTensorBytes(tensor: TensorRef, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(tensor.byteLength);
  if (isFloatDType(tensor.dtype)) encodeFloats(tensor.dtype, values, bytes);
  else if (isDecodableBlock(tensor.dtype)) {
    tensor.read(0, bytes);
    encodeBlocks(tensor.dtype, values, bytes);
  }
  return bytes;
}

/** Edits that put what `change` makes of each matrix in its place. */
export function changeTensors(model: Model, change: (matrix: Matrix) => Float32Array): TensorEdit[] {
  const kept = new Map<string, Uint8Array>();
  let keptBytes = 0;
  const toBytes = (tensor: TensorRef): Uint8Array => {
    const known = kept.get(tensor.name);
    if (known !== undefined) return known;
    const { name, shape } = tensor;
    const bytes = toTensorBytes(tensor, change({ name, shape, values: readValues(tensor) }));
    if (keptBytes + bytes.length > KEPT_BYTES_MAX) {
      kept.clear();
      keptBytes = 0;
    }
    kept.set(name, bytes);
    keptBytes += bytes.length;
    return bytes;
  };
  return listMatrices(model).map((tensor) => ({
    kind: 'tensor',
    tensor: tensor.name,
    apply: (offset, chunk) => {
      chunk.set(toBytes(tensor).subarray(offset, offset + chunk.length));
    },
  }));
}

/** Edits that replace whole tensors by values of the same count. */
export function replaceTensors(model: Model, changed: ReadonlyMap<string, Float32Array>): TensorEdit[] {
  return model.tensors
    .filter(({ name }) => changed.has(name))
    .map((tensor) => {
      const bytes = toTensorBytes(tensor, changed.get(tensor.name)!);
      return {
        kind: 'tensor',
        tensor: tensor.name,
        apply: (offset, chunk) => {
          chunk.set(bytes.subarray(offset, offset + chunk.length));
        },
      };
    });
}
