/** Types of constants; their elements are read when a rule asks for them, and only when they are few. */
import { type DType, DTYPES } from '../../model/dtype.ts';
import { decodeFloats } from '../../model/floats.ts';
import { decodeBigInts, decodeInts, isIntDType } from '../../model/ints.ts';
import type { TensorRef } from '../../model/types.ts';
import type { Elements, Shape, TensorType } from './types.ts';

/** Element types whose values are followed: exact in a number, and computed by runtimes as we compute them. */
export function isFollowed(dtype: DType | null): dtype is DType {
  if (dtype === null) return false;
  return dtype === 'f32' || dtype === 'f64' || (isIntDType(dtype) && DTYPES[dtype].bits >= 8);
}

/** A constant of a file. `value` is read once, on first use. */
export class ConstantType implements TensorType {
  readonly kind = 'tensor';
  readonly dtype: DType;
  readonly shape: Shape;
  readonly #tensor: TensorRef;
  readonly #elementsMax: number;
  #value: Elements | null | undefined = undefined;

  constructor(tensor: TensorRef, elementsMax: number) {
    this.dtype = tensor.dtype;
    this.shape = tensor.shape;
    this.#tensor = tensor;
    this.#elementsMax = elementsMax;
  }

  get value(): Elements | null {
    if (this.#value === undefined) this.#value = readElements(this.#tensor, this.#elementsMax);
    return this.#value;
  }
}

function readElements(tensor: TensorRef, elementsMax: number): Elements | null {
  const { dtype, elementCount, byteLength } = tensor;
  if (elementCount > elementsMax || !isFollowed(dtype)) return null;
  const bytes = new Uint8Array(byteLength);
  tensor.read(0, bytes);
  if (dtype === 'i64' || dtype === 'u64') {
    const numbers = decodeBigInts(dtype, bytes).map(Number);
    // Beyond 2^53 a number is not exact: it stands for "the end" in slices, and every computation with it is unknown.
    return numbers.map((number) => (Number.isSafeInteger(number) ? number : Math.sign(number) * Infinity));
  }
  const values = new Float64Array(elementCount);
  if (isIntDType(dtype)) decodeInts(dtype, bytes, values);
  else if (dtype === 'f32' || dtype === 'f64') decodeFloats(dtype, bytes, values);
  return [...values];
}
