/** Edits of whole weights that a plan names without carrying them, and of declared types. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import { decodeFloats } from '../../model/floats.ts';
import type { TensorRef } from '../../model/types.ts';
import { setConstant, toConstant } from '../draft/constants.ts';
import { tensorSchema, toTensor, toValueRecord, typeSchema } from '../draft/json.ts';
import { resolveValue, valueRefSchema } from '../draft/refs.ts';
import type { Scope } from '../draft/scope.ts';
import { isWholeFloat, toDerivedTensor, type WholeFloat } from './derived-tensor.ts';
import { defineVerb } from './verb.ts';

type FloatTensor = TensorRef & { readonly dtype: WholeFloat };

/** @throws SurgeryError SURGERY_TENSOR_DATA for other element types */
function toFloatTensor(value: string, tensor: TensorRef): FloatTensor {
  const { dtype } = tensor;
  if (isWholeFloat(dtype)) return tensor as FloatTensor;
  throw new SurgeryError('SURGERY_TENSOR_DATA', { fields: { value, dtype } });
}

/** Takes another float type for a constant; each element is rounded to nearest. Declared types follow. */
export const castTensor = defineVerb(
  z.strictObject({ at: valueRefSchema, dtype: z.enum(['f64', 'f32', 'f16', 'bf16']) }),
  (draft, { at, dtype }): void => {
    const { scope, value } = resolveValue(draft, at);
    const base = toFloatTensor(value, toConstant(scope, value).tensor);
    if (base.dtype === dtype) return;
    setConstant(scope, value, toDerivedTensor({ base, dtype, map: () => undefined }));
    for (const list of [scope.inputs, scope.outputs, scope.values]) {
      list.replace(value, (info) => ({ ...info, dtype }));
    }
  },
);

/**
 * Multiplies a float constant by one factor per index of an axis, computed in f64 and rounded once.
 * `factors` is a float tensor of that length.
 */
export const scaleTensor = defineVerb(
  z.strictObject({ at: valueRefSchema, axis: z.int().nonnegative(), factors: tensorSchema }),
  (draft, { at, axis, factors: json }): void => {
    const { scope, value } = resolveValue(draft, at);
    const base = toFloatTensor(value, toConstant(scope, value).tensor);
    const factors = readFactors(value, toTensor(value, json));
    if (base.shape[axis] !== factors.length) {
      const { dtype, shape } = base;
      throw new SurgeryError('SURGERY_TENSOR_DATA', { fields: { value, dtype, shape, axis, count: factors.length } });
    }
    const inner = base.shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
    const map = (values: Float64Array, first: number): void => {
      for (let i = 0; i < values.length; i++) values[i] *= factors[Math.floor((first + i) / inner) % factors.length];
    };
    setConstant(scope, value, toDerivedTensor({ base, dtype: base.dtype, map }));
  },
);

function readFactors(value: string, tensor: TensorRef): Float64Array {
  const { dtype } = toFloatTensor(value, tensor);
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const factors = new Float64Array(tensor.elementCount);
  decodeFloats(dtype, bytes, factors);
  return factors;
}

/** Declares another type for a value of the scope, or with null forgets it. Inputs and outputs keep a type. */
export const setType = defineVerb(
  z.strictObject({ at: valueRefSchema, type: typeSchema.nullable() }),
  (draft, { at, type }): void => {
    const { scope, value } = resolveValue(draft, at);
    if (type === null) {
      scope.values.delete(value);
      return;
    }
    const record = toValueRecord({ ...type, name: value });
    if (isListed(scope, value)) {
      for (const list of [scope.inputs, scope.outputs, scope.values]) list.replace(value, () => record);
    } else scope.values.add(record);
  },
);

function isListed(scope: Scope, value: string): boolean {
  return [scope.inputs, scope.outputs, scope.values].some((list) => list.has(value));
}
