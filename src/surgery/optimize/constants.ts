/** Float constants of a transaction, as numbers. */
import { decodeFloats } from '../../model/floats.ts';
import type { TensorRef } from '../../model/types.ts';
import type { Transaction } from '../transaction.ts';
import { isWholeFloat } from '../verbs/derived-tensor.ts';

/** The tensor of a value that callers cannot replace; undefined for other values. */
export function findFixedTensor(tx: Transaction, value: string): TensorRef | undefined {
  if (value === '') return undefined;
  const tensor = tx.tensor(value);
  if (tensor === undefined || tx.irVersion < 4) return tensor;
  return tx.scope().inputs.some(({ name }) => name === value) ? undefined : tensor;
}

/** Elements of a float tensor of at most `countMax` elements; undefined for others. */
export function findNumbers(tensor: TensorRef | undefined, countMax: number): Float64Array | undefined {
  if (tensor === undefined || !isWholeFloat(tensor.dtype) || tensor.elementCount > countMax) return undefined;
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const numbers = new Float64Array(tensor.elementCount);
  decodeFloats(tensor.dtype, bytes, numbers);
  return numbers;
}
