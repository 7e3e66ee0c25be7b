/** A part of the model as a model of its own: what lies between some values and others. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import type { ValueRecord } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import { toValueRecord, type ValueJson, valueSchema } from '../draft/json.ts';
import type { Scope } from '../draft/scope.ts';
import { removeDead } from './cleanup.ts';
import { defineVerb } from './verb.ts';
import { forgetValue, isUsed, renameOutput } from './wiring.ts';

/**
 * Keeps what the `outputs` need, with the `inputs` fed instead of made. Types that are given replace those that are known.
 *
 * Any value of the main graph can be an input: one that a node makes, an initializer, an input. Inputs that nothing needs
 * stay inputs, since the caller named them.
 * @throws SurgeryError SURGERY_EXTRACT_OPEN when the outputs need inputs of the model that are not named
 */
export const extract = defineVerb(
  z.strictObject({ inputs: z.array(valueSchema), outputs: z.array(valueSchema).min(1) }),
  (draft, { inputs, outputs }): void => {
    const scope = draft.main;
    const known = new Map([...inputs, ...outputs].map((value) => [value.name, toInterfaceValue(scope, value)]));
    for (const { name } of scope.outputs.toArray()) deleteOutput(scope, name);
    for (const { name } of outputs) {
      scope.values.delete(name);
      scope.outputs.add(known.get(name)!);
    }
    const given = new Set(inputs.map(({ name }) => name));
    for (const { name } of inputs) cut(draft, scope, name, known.get(name)!);
    removeDead(draft);
    closeInterface(scope, given);
  },
);

/** @throws SurgeryError SURGERY_VALUE_MISSING */
function toInterfaceValue(scope: Scope, json: ValueJson): ValueRecord {
  const { name } = json;
  if (!scope.defines(name)) throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { value: name, scope: '' } });
  if (json.dtype !== undefined || json.shape !== undefined) return toValueRecord(json);
  const known = scope.values.get(name) ?? scope.inputs.get(name) ?? scope.outputs.get(name);
  if (known !== undefined) return known;
  const tensor = scope.initializers.get(name)?.tensor;
  return { name, dtype: tensor?.dtype ?? null, shape: tensor?.shape ?? null, place: null };
}

function deleteOutput(scope: Scope, name: string): void {
  const output = scope.outputs.get(name);
  scope.outputs.delete(name);
  if (output !== undefined && scope.findProducer(name) !== undefined && !scope.values.has(name))
    scope.values.add(output);
}

/** Makes `name` an input, whatever made it before. */
function cut(draft: Draft, scope: Scope, name: string, record: ValueRecord): void {
  if (scope.inputs.has(name)) {
    scope.inputs.replace(name, () => record);
    scope.initializers.delete(name);
    return;
  }
  const producer = scope.findProducer(name);
  // The node may make something else that is needed: what it made here goes by a name that nothing reads.
  if (producer !== undefined) renameOutput(producer, name, draft.names.fresh(`${name}_cut`));
  scope.initializers.delete(name);
  scope.values.delete(name);
  scope.inputs.add(record);
}

function closeInterface(scope: Scope, given: ReadonlySet<string>): void {
  const open: string[] = [];
  for (const { name } of scope.inputs.toArray()) {
    if (given.has(name)) continue;
    const isDefault = scope.initializers.has(name);
    if (isUsed(scope, name)) {
      if (!isDefault) open.push(name);
      continue;
    }
    scope.inputs.delete(name);
    if (isDefault) scope.initializers.delete(name);
    forgetValue(scope, name);
  }
  if (open.length > 0) {
    throw new SurgeryError('SURGERY_EXTRACT_OPEN', { fields: { inputs: open.slice(0, 20), count: open.length } });
  }
}
