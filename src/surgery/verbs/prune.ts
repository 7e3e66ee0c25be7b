/** Structured sparsity: of each few weights in a row, the smallest become zero. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';
import { DTYPES } from '../../model/dtype.ts';
import { decodeFloats } from '../../model/floats.ts';
import { EditedTensor, type TensorPatch } from '../../model/tensors.ts';
import type { TensorRef } from '../../model/types.ts';
import { setConstant, toConstant } from '../draft/constants.ts';
import { resolveValue, valueRefSchema } from '../draft/refs.ts';
import { isWholeFloat, type WholeFloat } from './derived-tensor.ts';
import { defineVerb } from './verb.ts';

type FloatTensor = TensorRef & { readonly dtype: WholeFloat };

/**
 * Keeps the `keep` largest magnitudes of every `of` consecutive elements along `axis` and sets the others to zero; of
 * equal ones the first stay. What is left over at the end of the axis, less than `of` elements, stays as it is.
 * @throws SurgeryError SURGERY_TENSOR_DATA for other element types than f64, f32, f16 and bf16, and other axes
 * @see https://developer.nvidia.com/blog/accelerating-inference-with-sparsity-using-ampere-and-tensorrt/ 2 of 4
 */
export const pruneTensor = defineVerb(
  z.strictObject({
    at: valueRefSchema,
    axis: z.int().nonnegative(),
    keep: z.int().positive().optional(),
    of: z.int().positive().max(SURGERY_LIMITS.pruneGroupMax).optional(),
  }),
  (draft, { at, axis, keep = 2, of = 4 }): void => {
    const { scope, value } = resolveValue(draft, at);
    const { tensor } = toConstant(scope, value);
    const { dtype, shape } = tensor;
    const inner = shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
    const groupBytes = (of * inner * DTYPES[dtype].bits) / 8;
    if (!isWholeFloat(dtype) || axis >= shape.length || keep >= of || groupBytes > SURGERY_LIMITS.pruneGroupBytesMax) {
      throw new SurgeryError('SURGERY_TENSOR_DATA', { fields: { value, dtype, shape, axis, keep, of } });
    }
    const patch = toPruning(tensor as FloatTensor, { length: shape[axis], inner, keep, of });
    setConstant(scope, value, new EditedTensor(tensor, { patch }));
  },
);

interface Groups {
  /** Elements along the axis. */
  readonly length: number;
  /** Elements from one index of the axis to the next. */
  readonly inner: number;
  readonly keep: number;
  readonly of: number;
}

/** Elements [start, end) that hold whole groups, pruned. */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

function toPruning(base: FloatTensor, groups: Groups): TensorPatch {
  const size = DTYPES[base.dtype].bits / 8;
  let known: Part | null = null;
  return (byteOffset, chunk) => {
    if (chunk.length === 0) return;
    const end = byteOffset + chunk.length;
    const start = toGroup(groups, Math.floor(byteOffset / size)).start;
    const last = toGroup(groups, Math.ceil(end / size) - 1).end;
    // Chunks of one wide group follow each other.
    if (known === null || start < known.start || last > known.end) known = prune(base, groups, start, last);
    const from = byteOffset - known.start * size;
    chunk.set(known.bytes.subarray(from, from + chunk.length));
    if (end === base.byteLength) known = null;
  };
}

/** The group that an element belongs to, with those that lie between its elements. */
function toGroup({ length, inner, of }: Groups, element: number): { readonly start: number; readonly end: number } {
  const outer = Math.floor(element / (length * inner)) * length * inner;
  const index = Math.floor((element - outer) / inner);
  const first = index - (index % of);
  return { start: outer + first * inner, end: outer + Math.min(first + of, length) * inner };
}

function prune(base: FloatTensor, groups: Groups, start: number, end: number): Part {
  const size = DTYPES[base.dtype].bits / 8;
  const bytes = new Uint8Array((end - start) * size);
  base.read(start * size, bytes);
  const values = new Float64Array(end - start);
  decodeFloats(base.dtype, bytes, values);
  for (let at = start; at < end; ) {
    const group = toGroup(groups, at);
    if (group.end - group.start === groups.of * groups.inner) {
      for (let column = 0; column < groups.inner; column++) {
        for (const element of listSmallest(values, group.start - start + column, groups)) {
          bytes.fill(0, element * size, (element + 1) * size);
        }
      }
    }
    at = group.end;
  }
  return { start, end, bytes };
}

function listSmallest(values: Float64Array, first: number, { inner, keep, of }: Groups): readonly number[] {
  const elements = Array.from({ length: of }, (_, at) => first + at * inner);
  return elements.sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]) || a - b).slice(keep);
}
