/** Tensors as byte sources, for plans that write them somewhere else. */
import type { TensorRef } from '../model/types.ts';
import type { ByteSource } from '../source/ports.ts';

/** The logical bytes of a tensor as a source. */
export function toTensorSource(tensor: TensorRef): ByteSource {
  return {
    label: tensor.name,
    size: tensor.byteLength,
    read(offset, into) {
      tensor.read(offset, into);
    },
    close() {
      // The model owns the file.
    },
  };
}
