/** Edits of one node: attributes, inputs, and its place in the order. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import { attributeSchema, toAttribute } from '../draft/json.ts';
import { nodeRefSchema, resolveNode } from '../draft/refs.ts';
import { defineVerb } from './verb.ts';

/** Sets an attribute, or deletes it with null. */
export const setAttribute = defineVerb(
  z.strictObject({ node: nodeRefSchema, name: z.string().min(1), value: attributeSchema.nullable() }),
  (draft, { node: ref, name, value }): void => {
    const node = resolveNode(draft, ref);
    const attributes = new Map(node.attributes);
    const attribute = value === null ? null : toAttribute(name, value);
    if (attribute === null) attributes.delete(name);
    else attributes.set(name, attribute);
    node.scope.update(node, { ...node.record, attributes });
    node.scope.setSubgraphs(node, name, attribute?.kind === 'graph' ? [attribute.graph] : null);
  },
);

/** Makes a node read another value at one of its inputs; "" omits an optional one, the next index adds one. */
export const setInput = defineVerb(
  z.strictObject({ node: nodeRefSchema, input: z.int().nonnegative(), value: z.string() }),
  (draft, { node: ref, input, value }): void => {
    const node = resolveNode(draft, ref);
    if (input > node.inputs.length) {
      throw new SurgeryError('SURGERY_EDGE_MISSING', { fields: { node: node.name, input, count: node.inputs.length } });
    }
    const inputs = [...node.inputs];
    inputs[input] = value;
    // A list that ends with omitted inputs is the same as one that ends before them.
    while (inputs.at(-1) === '') inputs.pop();
    node.scope.update(node, { ...node.record, inputs });
  },
);

/** Moves a node behind another of its scope, or to the front. The order must stay one in which values come before uses. */
export const moveNode = defineVerb(
  z.strictObject({ node: nodeRefSchema, after: nodeRefSchema.nullable() }),
  (draft, { node: ref, after: afterRef }): void => {
    const node = resolveNode(draft, ref);
    const after = afterRef === null ? null : resolveNode(draft, afterRef);
    if (after === node) return;
    if (after !== null && after.scope !== node.scope) {
      throw new SurgeryError('SURGERY_NOT_IN_SCOPE', { fields: { verb: 'moveNode', scope: after.scope.path } });
    }
    node.scope.nodes.delete(node);
    node.scope.nodes.insertAfter(after, node);
  },
);
