/** Float tensors computed from others while they are read: weights are never in memory as a whole. */
import type { DType } from '../../model/dtype.ts';
import { findPackedByteLength } from '../../model/dtype.ts';
import { decodeFloats, encodeFloats, type FloatDType } from '../../model/floats.ts';
import type { TensorRef } from '../../model/types.ts';

/** Element types that are read and written element by element. */
export type WholeFloat = Extract<FloatDType, 'f64' | 'f32' | 'f16' | 'bf16'>;

const BYTES: Readonly<Record<WholeFloat, number>> = { f64: 8, f32: 4, f16: 2, bf16: 2 };

export function isWholeFloat(dtype: DType): dtype is WholeFloat {
  return Object.hasOwn(BYTES, dtype);
}

export interface Derivation {
  readonly base: TensorRef & { readonly dtype: WholeFloat };
  /** Element type of the result; each element is rounded once. */
  readonly dtype: WholeFloat;
  /** Changes elements of the base, the first of which has flat index `first`, in place. */
  readonly map: (values: Float64Array, first: number) => void;
}

/** Elements per step of a read: two buffers of 64 KiB. */
const STEP = 8192;

/** A tensor that lies in no file: `fileIndex` is -1. */
export function toDerivedTensor({ base, dtype, map }: Derivation): TensorRef {
  const { name, shape, elementCount } = base;
  const byteLength = findPackedByteLength(dtype, elementCount)!;
  const [from, to] = [BYTES[base.dtype], BYTES[dtype]];
  const compute = (first: number, count: number): Uint8Array => {
    const bytes = new Uint8Array(count * from);
    base.read(first * from, bytes);
    const values = new Float64Array(count);
    decodeFloats(base.dtype, bytes, values);
    map(values, first);
    const encoded = new Uint8Array(count * to);
    encodeFloats(dtype, values, encoded);
    return encoded;
  };
  return {
    name,
    dtype,
    shape,
    elementCount,
    byteLength,
    storage: 'raw',
    fileIndex: -1,
    start: 0,
    end: byteLength,
    read(byteOffset, into) {
      const end = byteOffset + into.length;
      if (byteOffset < 0 || end > byteLength) throw new TypeError(`${name}: outside the tensor`);
      // A read may begin and end inside an element.
      const last = Math.ceil(end / to);
      for (let first = Math.floor(byteOffset / to); first < last; first += STEP) {
        const part = compute(first, Math.min(STEP, last - first));
        const at = first * to - byteOffset;
        into.set(part.subarray(Math.max(0, -at), end - first * to), Math.max(0, at));
      }
    },
  };
}
