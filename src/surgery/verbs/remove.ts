/** Removal and replacement of nodes. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import type { Draft } from '../draft/draft.ts';
import { nodeSchema, toNodeRecord } from '../draft/json.ts';
import type { NodeView } from '../draft/node.ts';
import type { Node } from '../draft/scope.ts';
import { nodeRefSchema, resolveNode } from '../draft/refs.ts';
import { renameDefinition } from './rename.ts';
import { defineVerb } from './verb.ts';
import { addNode, findLastProducer, forgetValue, isUsed, rewireReaders } from './wiring.ts';

/**
 * Removes nodes. Without `reconnect`, nothing else may read their outputs. With `true`, the first output of each gives way
 * to its first input; with names, each output to the value given for it.
 */
export const remove = defineVerb(
  z.strictObject({
    nodes: z.array(nodeRefSchema).min(1),
    reconnect: z.union([z.boolean(), z.record(z.string(), z.string())]).optional(),
  }),
  (draft, { nodes: refs, reconnect = false }): void => {
    const nodes = [...new Set(refs.map((ref) => resolveNode(draft, ref)))];
    if (reconnect !== false) for (const node of nodes) bridge(draft, node, reconnect);
    for (const node of nodes) node.scope.delete(node);
    for (const node of nodes) assertGone(node);
  },
);

/** Removes nodes and adds others that make what is still read of their outputs. */
export const replace = defineVerb(
  z.strictObject({ nodes: z.array(nodeRefSchema).min(1), with: z.array(nodeSchema).min(1) }),
  (draft, { nodes: refs, with: jsons }): readonly NodeView[] => {
    const nodes = [...new Set(refs.map((ref) => resolveNode(draft, ref)))].sort((a, b) => a.order - b.order);
    const [first] = nodes;
    const { scope } = first;
    if (nodes.some((node) => node.scope !== scope)) {
      throw new SurgeryError('SURGERY_NOT_IN_SCOPE', { fields: { verb: 'replace', scope: scope.path } });
    }
    let before = first.previous;
    for (const node of nodes) scope.delete(node);
    const added = jsons.map((json) => {
      const record = toNodeRecord(json);
      const producer = findLastProducer(scope, record.inputs);
      if (producer !== null && (before === null || producer.order > before.order)) before = producer;
      return (before = addNode(draft, scope, record, before));
    });
    for (const node of nodes) assertGone(node);
    return added;
  },
);

function bridge(draft: Draft, node: Node, reconnect: true | Readonly<Record<string, string>>): void {
  const { scope } = node;
  for (const [index, output] of node.outputs.entries()) {
    if (output === '' || !isUsed(scope, output)) continue;
    const input = reconnect === true ? (index === 0 ? node.inputs.at(0) : undefined) : reconnect[output];
    if (input === undefined || input === '') throw toInUse(node, output);
    if (scope.outputs.has(output)) {
      const producer = scope.findProducer(input);
      if (producer === undefined || producer === node || scope.outputs.has(input)) {
        throw new SurgeryError('SURGERY_CANNOT_RECONNECT', { fields: { node: node.name, output, input } });
      }
      // The node gives its name to its input: an output of a graph keeps its name.
      scope.update(node, { ...node.record, outputs: node.outputs.map((name) => (name === output ? '' : name)) });
      forgetValue(scope, output);
      scope.values.delete(input);
      renameDefinition(draft, scope, input, output);
    } else rewireReaders(scope, output, input, node);
  }
}

function assertGone(node: Node): void {
  const { scope } = node;
  for (const output of node.outputs) {
    if (output === '' || scope.defines(output)) continue;
    if (isUsed(scope, output)) throw toInUse(node, output);
    forgetValue(scope, output);
  }
}

function toInUse(node: Node, value: string): SurgeryError {
  return new SurgeryError('SURGERY_IN_USE', { fields: { node: node.name, value, scope: node.scope.path } });
}
