/** Edits of constants: their elements, their type and shape, how they are stored, and where they are held. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import { DTYPES } from '../../model/dtype.ts';
import { EditedTensor } from '../../model/tensors.ts';
import type { TensorRef } from '../../model/types.ts';
import { setConstant, toConstant } from '../draft/constants.ts';
import type { Draft } from '../draft/draft.ts';
import { tensorSchema, toInitializerRecord, toTensor } from '../draft/json.ts';
import { resolveValue, valueRefSchema } from '../draft/refs.ts';
import type { Scope } from '../draft/scope.ts';
import { addInitializerRecord } from './interface.ts';
import { defineVerb } from './verb.ts';

/**
 * Writes elements over those of a constant, from flat element `start` on; type, shape and storage stay. Elements of less
 * than a byte must begin and end at whole bytes.
 */
export const editTensor = defineVerb(
  z.strictObject({ at: valueRefSchema, start: z.int().nonnegative(), tensor: tensorSchema }),
  (draft, { at, start, tensor: json }): void => {
    const { scope, value } = resolveValue(draft, at);
    const { tensor } = toConstant(scope, value);
    const part = toTensor(value, json);
    const { bits } = DTYPES[tensor.dtype];
    const from = (start * bits) / 8;
    const isWhole = start === 0 && part.elementCount === tensor.elementCount;
    const fits = start + part.elementCount <= tensor.elementCount && Number.isInteger(from);
    const isPacked = bits % 8 === 0 || isWhole || (part.elementCount * bits) % 8 === 0;
    if (part.dtype !== tensor.dtype || tensor.dtype === 'string' || !fits || !isPacked) {
      const { dtype, shape } = tensor;
      throw new SurgeryError('SURGERY_TENSOR_DATA', {
        fields: { value, dtype, shape, start, count: part.elementCount, given: part.dtype },
      });
    }
    setConstant(scope, value, new EditedTensor(tensor, { patch: toOverlay(part, from) }));
  },
);

/** Lays the bytes of `part` over those from `from` on. */
function toOverlay(part: TensorRef, from: number): (byteOffset: number, chunk: Uint8Array) => void {
  return (byteOffset, chunk) => {
    const first = Math.max(byteOffset, from);
    const last = Math.min(byteOffset + chunk.length, from + part.byteLength);
    if (first < last) part.read(first - from, chunk.subarray(first - byteOffset, last - byteOffset));
  };
}

/** Takes another tensor, of any type and shape, for a constant. What is known of the value's type follows. */
export const setTensor = defineVerb(
  z.strictObject({ at: valueRefSchema, tensor: tensorSchema }),
  (draft, { at, tensor: json }): void => {
    const { scope, value } = resolveValue(draft, at);
    const tensor = toTensor(value, json);
    setConstant(scope, value, tensor);
    for (const list of [scope.inputs, scope.outputs, scope.values]) {
      list.replace(value, (info) => ({ ...info, dtype: tensor.dtype, shape: tensor.shape }));
    }
  },
);

/** Stores a constant as raw bytes or in the typed field of its element type. External data comes into the file. */
export const setStorage = defineVerb(
  z.strictObject({ at: valueRefSchema, storage: z.enum(['raw', 'typed']) }),
  (draft, { at, storage }): void => {
    const { scope, value } = resolveValue(draft, at);
    const { tensor } = toConstant(scope, value);
    if (tensor.storage === storage) return;
    if (tensor.dtype === 'string') {
      throw new SurgeryError('SURGERY_TENSOR_DATA', { fields: { value, dtype: tensor.dtype, storage } });
    }
    setConstant(scope, value, new EditedTensor(tensor, { storage }));
  },
);

/** Turns an initializer into a Constant node, first in its scope. */
export const initializerToConstant = defineVerb(z.strictObject({ at: valueRefSchema }), (draft, { at }): void => {
  const { scope, value } = resolveValue(draft, at);
  const { kind, tensor } = toConstant(scope, value);
  if (kind !== 'initializer') throw new SurgeryError('SURGERY_TENSOR_MISSING', { fields: { value, of: kind } });
  assertNoDefault(draft, scope, value);
  if (draft.irVersion < 4) scope.inputs.delete(value);
  scope.initializers.delete(value);
  const attributes = new Map([['value', { kind: 'tensor' as const, tensor }]]);
  const name = draft.names.fresh('Constant');
  scope.insert(
    { name, op: 'Constant', domain: '', overload: '', inputs: [], outputs: [value], attributes, place: null },
    null,
  );
});

/** Turns a Constant node into an initializer of its scope; not in functions, which have none. */
export const constantToInitializer = defineVerb(z.strictObject({ at: valueRefSchema }), (draft, { at }): void => {
  const { scope, value } = resolveValue(draft, at);
  const constant = toConstant(scope, value);
  if (constant.kind !== 'node') throw new SurgeryError('SURGERY_TENSOR_MISSING', { fields: { value } });
  scope.delete(constant.node);
  addInitializerRecord(draft, scope, toInitializerRecord(value, constant.tensor));
});

/** From IR 4 on, an initializer that is an input as well is a default that callers may replace. */
export function assertNoDefault(draft: Draft, scope: Scope, value: string): void {
  if (draft.irVersion < 4 || !scope.inputs.has(value)) return;
  throw new SurgeryError('SURGERY_IN_USE', { fields: { value, of: 'the default of an input' } });
}
