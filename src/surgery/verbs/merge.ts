/** Prefixes for all names of a model, and a second model joined to the first. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import { type NodeRecord, toFunctionId } from '../../model/document.ts';
import { EditedTensor } from '../../model/tensors.ts';
import { Draft } from '../draft/draft.ts';
import type { Scope } from '../draft/scope.ts';
import { addOpsets, assertOpsetsAgree } from './opsets.ts';
import { renameDefinition } from './rename.ts';
import { defineVerb } from './verb.ts';
import { assertFree, rewireReaders } from './wiring.ts';

/** Puts a prefix before the name of every value and node of the main graph and its subgraphs; the interface on request. */
export const prefix = defineVerb(
  z.strictObject({ prefix: z.string().min(1), interface: z.boolean().optional() }),
  (draft, { prefix: text, interface: isWithInterface = false }): void => {
    const { main } = draft;
    const fixed = new Set(
      isWithInterface ? [] : [...main.inputs.toArray(), ...main.outputs.toArray()].map(({ name }) => name),
    );
    for (const scope of [...main.eachScope()]) {
      for (const name of listDefinitions(scope)) {
        if (scope === main && fixed.has(name)) continue;
        assertFree(scope, `${text}${name}`);
        renameDefinition(draft, scope, name, `${text}${name}`);
      }
      for (const node of scope.nodes.toArray()) {
        if (node.name !== '') scope.update(node, { ...node.record, name: `${text}${node.name}` });
      }
    }
  },
);

/** Names that a scope defines itself. */
function listDefinitions(scope: Scope): readonly string[] {
  const names = new Set([...scope.inputs.toArray(), ...scope.initializers.toArray()].map(({ name }) => name));
  for (const node of scope.nodes.toArray()) for (const output of node.outputs) names.add(output);
  names.delete('');
  return [...names];
}

/**
 * Adds another model, which the caller gives under a name, behind this one. `connect` says which of its inputs read which
 * values of this one; its other inputs and all its outputs join the interface. Outputs of this one that are connected
 * leave it, unless `keepOutputs`. External data of the other model comes into the file.
 * @throws SurgeryError SURGERY_MODEL_MISSING | SURGERY_MERGE_CONFLICT | SURGERY_OPSET_CONFLICT | SURGERY_NAME_TAKEN |
 *   SURGERY_VALUE_MISSING
 */
export const merge = defineVerb(
  z.strictObject({
    model: z.string(),
    prefix: z.string().min(1).optional(),
    connect: z.record(z.string(), z.string()).optional(),
    keepOutputs: z.boolean().optional(),
  }),
  (draft, { model: name, prefix: text, connect = {}, keepOutputs = false }): void => {
    const document = draft.others.get(name);
    if (document === undefined) throw new SurgeryError('SURGERY_MODEL_MISSING', { fields: { model: name } });
    const other = new Draft(document);
    assertMergeable(draft, other);
    if (text !== undefined) prefix.apply(other, { prefix: text, interface: true });
    for (const [input, value] of Object.entries(connect)) connectInput(draft, other, `${text ?? ''}${input}`, value);
    assertNoSharedNames(draft, other);
    moveScope(other.main, draft.main);
    addOpsets(draft, document.opsets);
    for (const record of document.functions) draft.addFunction(record);
    if (!keepOutputs) for (const value of Object.values(connect)) draft.main.outputs.delete(value);
  },
);

function assertMergeable(draft: Draft, other: Draft): void {
  const { irVersion } = draft;
  // Below 4, initializers are inputs; a higher version may hold what a lower one does not know.
  if (other.irVersion > irVersion || (irVersion >= 4 && other.irVersion < 4)) {
    throw new SurgeryError('SURGERY_MERGE_CONFLICT', { fields: { irVersion, other: other.irVersion } });
  }
  assertOpsetsAgree(draft.before.opsets, other.before.opsets);
  const ids = new Set(draft.listFunctions().map(toFunctionId));
  for (const record of other.listFunctions()) {
    const id = toFunctionId(record);
    if (ids.has(id)) throw new SurgeryError('SURGERY_NAME_TAKEN', { fields: { name: id, of: 'functions' } });
  }
}

function connectInput(draft: Draft, other: Draft, input: string, value: string): void {
  if (!draft.main.defines(value)) throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { value, scope: '' } });
  if (!other.main.inputs.has(input) || other.main.initializers.has(input)) {
    throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { value: input, of: 'inputs of the other model' } });
  }
  if (other.main.outputs.has(input)) throw new SurgeryError('SURGERY_CANNOT_RECONNECT', { fields: { value: input } });
  assertFree(other.main, value);
  rewireReaders(other.main, input, value);
  other.main.inputs.delete(input);
}

function assertNoSharedNames(draft: Draft, other: Draft): void {
  for (const scope of other.main.eachScope()) for (const name of listDefinitions(scope)) assertFree(draft.main, name);
}

function moveScope(from: Scope, to: Scope): void {
  for (const { name, tensor, ...rest } of from.initializers.toArray()) {
    const isOutside = tensor?.storage === 'external';
    to.initializers.add({ ...rest, name, tensor: isOutside ? new EditedTensor(tensor, { storage: 'raw' }) : tensor });
  }
  for (const record of from.inputs.toArray()) to.inputs.add(record);
  for (const record of from.values.toArray()) to.values.add(record);
  for (const record of from.outputs.toArray()) to.outputs.add(record);
  to.annotations = [...to.annotations, ...from.annotations];
  for (const node of from.nodes.toArray()) {
    const record = node.toRecord();
    assertInside(record);
    to.insert(record, to.nodes.last);
  }
}

/** Tensors of nodes are kept as they are, and would name files that this model does not have. */
function assertInside(node: NodeRecord): void {
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'tensor' && attribute.tensor.storage === 'external') {
      throw new SurgeryError('SURGERY_MERGE_CONFLICT', { fields: { node: node.name, storage: 'external' } });
    }
    const graphs = attribute.kind === 'graph' ? [attribute.graph] : attribute.kind === 'graphs' ? attribute.graphs : [];
    for (const graph of graphs) {
      graph.nodes.forEach(assertInside);
      if (graph.initializers.some(({ tensor }) => tensor?.storage === 'external')) {
        throw new SurgeryError('SURGERY_MERGE_CONFLICT', { fields: { node: node.name, storage: 'external' } });
      }
    }
  }
}
