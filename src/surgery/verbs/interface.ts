/** Inputs, outputs, initializers and operator sets of the model and its scopes. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import type { InitializerRecord } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import { tensorSchema, toInitializerRecord, toTensor, toValueRecord, typeSchema, valueSchema } from '../draft/json.ts';
import { resolveValue, valueRefSchema } from '../draft/refs.ts';
import type { Scope } from '../draft/scope.ts';
import { defineVerb } from './verb.ts';
import { assertFree, forgetValue, isUsed } from './wiring.ts';

/** Adds an initializer; below IR 4 also the input that must go with it. */
export const addInitializer = defineVerb(
  z.strictObject({ scope: z.string().optional(), name: z.string().min(1), tensor: tensorSchema }),
  (draft, { scope: path = '', name, tensor }): void => {
    const scope = draft.scope(path);
    assertFree(scope, name);
    addInitializerRecord(draft, scope, toInitializerRecord(name, toTensor(name, tensor)));
  },
);

/** @throws SurgeryError SURGERY_NOT_IN_SCOPE in a function, and in a subgraph below IR 4, which could not list it */
export function addInitializerRecord(draft: Draft, scope: Scope, record: InitializerRecord): void {
  const isOld = draft.irVersion < 4;
  if (scope.kind === 'function' || (isOld && scope.kind === 'subgraph')) {
    const { irVersion } = draft;
    throw new SurgeryError('SURGERY_NOT_IN_SCOPE', {
      fields: { verb: 'addInitializer', scope: scope.path, irVersion },
    });
  }
  const { name, tensor } = record;
  draft.names.take(name);
  scope.initializers.add(record);
  if (isOld && tensor !== null && !scope.inputs.has(name)) {
    scope.inputs.add({ name, dtype: tensor.dtype, shape: tensor.shape, place: null });
  }
}

/** Deletes an initializer that nothing reads; below IR 4 also its input. */
export const deleteInitializer = defineVerb(z.strictObject({ at: valueRefSchema }), (draft, { at }): void => {
  const { scope, value } = resolveValue(draft, at);
  if (!scope.initializers.has(value)) throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { ...at } });
  assertUnused(scope, value);
  if (draft.irVersion < 4) scope.inputs.delete(value);
  scope.initializers.delete(value);
  if (!scope.defines(value)) forgetValue(scope, value);
});

/** Adds an input. */
export const addInput = defineVerb(
  z.strictObject({ scope: z.string().optional(), value: valueSchema }),
  (draft, { scope: path = '', value }): void => {
    const scope = draft.scope(path);
    assertFree(scope, value.name);
    draft.names.take(value.name);
    scope.inputs.add(toValueRecord(value));
  },
);

/** Deletes an input that nothing reads. */
export const deleteInput = defineVerb(z.strictObject({ at: valueRefSchema }), (draft, { at }): void => {
  const { scope, value } = resolveValue(draft, at);
  if (!scope.inputs.has(value)) throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { ...at } });
  // A default without its input is a plain initializer; nobody can tell but callers who fed it.
  if (!scope.initializers.has(value) || draft.irVersion < 4) assertUnused(scope, value);
  scope.inputs.delete(value);
  if (draft.irVersion < 4) scope.initializers.delete(value);
  if (!scope.defines(value)) forgetValue(scope, value);
});

/** Makes a value of the scope one of its outputs. What is known of its type goes with it, unless another is given. */
export const addOutput = defineVerb(
  z.strictObject({ at: valueRefSchema, type: typeSchema.optional() }),
  (draft, { at, type }): void => {
    const { scope, value } = resolveValue(draft, at);
    if (scope.outputs.has(value)) throw new SurgeryError('SURGERY_NAME_TAKEN', { fields: { ...at, of: 'outputs' } });
    const known = scope.values.get(value) ?? toKnownType(scope, value);
    scope.values.delete(value);
    scope.outputs.add(type === undefined ? known : toValueRecord({ ...type, name: value }));
  },
);

function toKnownType(scope: Scope, value: string): ReturnType<typeof toValueRecord> {
  const input = scope.inputs.get(value);
  if (input !== undefined) return { ...input };
  const tensor = scope.initializers.get(value)?.tensor;
  return { name: value, dtype: tensor?.dtype ?? null, shape: tensor?.shape ?? null, place: null };
}

/** Takes a value from the outputs. Whatever made it stays; its type stays known. */
export const deleteOutput = defineVerb(z.strictObject({ at: valueRefSchema }), (draft, { at }): void => {
  const { scope, value } = resolveValue(draft, at);
  const output = scope.outputs.get(value);
  if (output === undefined) throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { ...at } });
  scope.outputs.delete(value);
  const isTyped = output.dtype !== null || output.place !== null;
  if (isTyped && scope.findProducer(value) !== undefined && !scope.values.has(value)) scope.values.add(output);
});

/** Imports an operator set for the model, or for the function that the scope belongs to. The same again is nothing. */
export const importOpset = defineVerb(
  z.strictObject({ scope: z.string().optional(), domain: z.string(), version: z.int().positive() }),
  (draft, { scope: path = '', domain: spelled, version }): void => {
    const scope = draft.scope(path);
    const domain = spelled === 'ai.onnx' ? '' : spelled;
    const known = draft.opsetsOf(scope).find((opset) => opset.domain === domain);
    if (known === undefined) draft.addOpset(scope, { domain, version });
    else if (known.version !== version) {
      throw new SurgeryError('SURGERY_OPSET_CONFLICT', { fields: { domain, version, imported: known.version } });
    }
  },
);

function assertUnused(scope: Scope, value: string): void {
  if (isUsed(scope, value)) throw new SurgeryError('SURGERY_IN_USE', { fields: { value, scope: scope.path } });
}
