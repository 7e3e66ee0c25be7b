/** A matrix as its transpose: converters store dense layers either way. */
import { DTYPES } from '../../model/dtype.ts';
import { toMemoryTensor } from '../../model/tensors.ts';
import type { TensorRef } from '../../model/types.ts';
import { DIFF_LIMITS } from '../../core/limits/diff.ts';

/** True for matrices of whole-byte elements that are small enough to be turned in memory. */
export function canTurn({ shape, dtype, elementCount }: TensorRef): boolean {
  const { bits, block } = DTYPES[dtype];
  return shape.length === 2 && block === undefined && bits % 8 === 0 && elementCount <= DIFF_LIMITS.turnedElementsMax;
}

/** The transpose of a matrix that {@link canTurn}, in memory. @throws FormatError | SourceError */
export function toTurned(tensor: TensorRef): TensorRef {
  const [rows, columns] = tensor.shape;
  const size = DTYPES[tensor.dtype].bits / 8;
  const stored = new Uint8Array(tensor.byteLength);
  tensor.read(0, stored);
  const bytes = new Uint8Array(tensor.byteLength);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (row * columns + column) * size;
      const to = (column * rows + row) * size;
      for (let i = 0; i < size; i++) bytes[to + i] = stored[from + i];
    }
  }
  return toMemoryTensor({ name: tensor.name, dtype: tensor.dtype, shape: [columns, rows], bytes });
}
