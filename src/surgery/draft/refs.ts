/** How a plan names scopes, nodes and values: by words that mean the same when it is replayed. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import type { Draft } from './draft.ts';
import type { NodeView } from './node.ts';
import { Node, type Scope } from './scope.ts';

/** A node by one of its outputs, which is unique in a scope, or by its name. `scope` is "" when absent. */
export const nodeRefSchema = z.union([
  z.strictObject({ output: z.string(), scope: z.string().optional() }),
  z.strictObject({ name: z.string(), scope: z.string().optional() }),
]);

/** A value by its name. `scope` is that which defines it, "" when absent. */
export const valueRefSchema = z.strictObject({ value: z.string(), scope: z.string().optional() });

export type NodeRef = z.infer<typeof nodeRefSchema>;
export type ValueRef = z.infer<typeof valueRefSchema>;

/** What callers may give for a node. */
export type NodeLike = NodeRef | NodeView;
/** What callers may give for a value: a name of the main graph, or one with its scope. */
export type ValueLike = string | ValueRef;

/** @throws SurgeryError SURGERY_NODE_MISSING for a node without an output and without a name of its own */
export function toNodeRef(node: NodeLike): NodeRef {
  if (!(node instanceof Node)) return 'scopePath' in node ? toRefOfView(node) : node;
  const scope = node.scope.path === '' ? {} : { scope: node.scope.path };
  const output = node.outputs.find((name) => name !== '');
  return output !== undefined && node.scope.findProducer(output) === node
    ? { output, ...scope }
    : { name: node.name, ...scope };
}

/** A view that is not one of ours: a copy, named as a node is. */
function toRefOfView({ name, outputs, scopePath }: NodeView): NodeRef {
  const output = outputs.find((value) => value !== '');
  return output !== undefined ? { output, scope: scopePath } : { name, scope: scopePath };
}

export function toValueRef(value: ValueLike): ValueRef {
  return typeof value === 'string' ? { value } : value;
}

/** @throws SurgeryError SURGERY_SCOPE_MISSING | SURGERY_NODE_MISSING | SURGERY_NODE_AMBIGUOUS */
export function resolveNode(draft: Draft, ref: NodeRef): Node {
  const scope = draft.scope(ref.scope ?? '');
  if ('output' in ref) {
    const node = scope.findProducer(ref.output);
    if (node === undefined) throw new SurgeryError('SURGERY_NODE_MISSING', { fields: { ...ref } });
    return node;
  }
  const named = scope.nodes.toArray().filter(({ name }) => name === ref.name && name !== '');
  if (named.length === 0) throw new SurgeryError('SURGERY_NODE_MISSING', { fields: { ...ref } });
  if (named.length > 1) throw new SurgeryError('SURGERY_NODE_AMBIGUOUS', { fields: { ...ref, count: named.length } });
  return named[0];
}

/** @throws SurgeryError SURGERY_SCOPE_MISSING | SURGERY_VALUE_MISSING */
export function resolveValue(draft: Draft, ref: ValueRef): { readonly scope: Scope; readonly value: string } {
  const scope = draft.scope(ref.scope ?? '');
  if (!scope.defines(ref.value)) throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { ...ref } });
  return { scope, value: ref.value };
}

/** The scope in which `value`, as read in `from`, is defined. @throws SurgeryError SURGERY_VALUE_MISSING */
export function toDefiningScope(from: Scope, value: string): Scope {
  for (let scope: Scope | null = from; scope !== null; scope = scope.parent) if (scope.defines(value)) return scope;
  throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { value, scope: from.path } });
}
