/** Nodes that become a model-local function, with a call in their place: the opposite of inlining. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import type { AttributeRecord, NodeRecord } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import type { NodeView } from '../draft/node.ts';
import { nodeRefSchema, resolveNode } from '../draft/refs.ts';
import type { Node, Scope } from '../draft/scope.ts';
import { listFreeReads } from '../find/region.ts';
import { addFunctionHead, importDomain, moveInto } from './function.ts';
import { defineVerb } from './verb.ts';
import { addNode, forgetValue } from './wiring.ts';

export const OUTLINE_DOMAIN = 'modelward.outlined';

/** Nodes of one scope, in its order, and what crosses into and out of them. */
interface Selection {
  readonly scope: Scope;
  readonly nodes: readonly Node[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Nodes between the first and the last that read what the selection makes: they go behind the call. */
  readonly behind: readonly Node[];
}

/**
 * Makes a function of nodes of one scope. What they read from outside, constants too, becomes its inputs, in the order
 * of reading; what is read outside of what they make, its outputs. Attributes of a function around them are handed on.
 * Types of values inside are kept from IR 10 on; quantisation annotations of them are not, since functions have none.
 * @throws SurgeryError SURGERY_OUTLINE_GAP | SURGERY_NOT_IN_SCOPE | SURGERY_IR_TOO_OLD | SURGERY_NAME_TAKEN
 */
export const outline = defineVerb(
  z.strictObject({
    nodes: z.array(nodeRefSchema).min(1),
    name: z.string().min(1),
    domain: z.string().min(1).optional(),
  }),
  (draft, { nodes: refs, name, domain = OUTLINE_DOMAIN }): NodeView => {
    const selection = select([...new Set(refs.map((ref) => resolveNode(draft, ref)))]);
    const { scope, nodes, inputs, outputs } = selection;
    const records = nodes.map((node) => node.toRecord());
    const references = collectReferences(records, new Map());
    const made = new Set(nodes.flatMap((node) => node.outputs));
    const values = scope.values.toArray().filter((value) => made.has(value.name) && !outputs.includes(value.name));
    const opsets = listOpsets(draft, nodes);
    const after = removeNodes(selection);
    const attributes = [...references.keys()];
    const head = { name, domain, inputs, outputs, attributes, defaults: new Map(), opsets, values };
    moveInto(draft, addFunctionHead(draft, head), records);
    for (const value of made) if (!outputs.includes(value)) forgetValue(scope, value);
    importDomain(draft, scope, domain);
    const call: NodeRecord = {
      name: draft.names.fresh(name),
      op: name,
      domain,
      overload: '',
      inputs,
      outputs,
      attributes: references,
      place: null,
    };
    let last = addNode(draft, scope, call, after);
    const added = last;
    for (const node of selection.behind) {
      scope.nodes.delete(node);
      scope.nodes.insertAfter(last, node);
      last = node;
    }
    return added;
  },
);

function select(unordered: readonly Node[]): Selection {
  const nodes = [...unordered].sort((a, b) => a.order - b.order);
  const [{ scope }] = nodes;
  if (nodes.some((node) => node.scope !== scope)) {
    throw new SurgeryError('SURGERY_NOT_IN_SCOPE', { fields: { verb: 'outline', scope: scope.path } });
  }
  const made = new Set(nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== '')));
  const inputs = new Set(nodes.flatMap(listFreeReads).filter((value) => !made.has(value)));
  const read = [...made].filter((value) => isReadOutside(scope, nodes, value));
  // Nodes that nothing reads still make something: all that they do not read themselves.
  const own = new Set(nodes.flatMap(listFreeReads));
  const outputs = read.length > 0 ? read : [...made].filter((value) => !own.has(value));
  return { scope, nodes, inputs: [...inputs], outputs, behind: listBehind(nodes, made) };
}

function isReadOutside(scope: Scope, nodes: readonly Node[], value: string): boolean {
  if (scope.outputs.has(value) || scope.listReaders(value).some((reader) => !nodes.includes(reader))) return true;
  const inside = new Set(
    nodes.flatMap((node) => [...node.subscopes.values()].flat()).flatMap((own) => [...own.eachScope()]),
  );
  for (const inner of scope.eachScopeSeeing(value)) {
    if (inner === scope || inside.has(inner)) continue;
    if (inner.hasReaders(value) || inner.outputs.has(value)) return true;
  }
  return false;
}

/** @throws SurgeryError SURGERY_OUTLINE_GAP when a node between needs some of the nodes, and others need it */
function listBehind(nodes: readonly Node[], made: ReadonlySet<string>): readonly Node[] {
  const chosen = new Set(nodes);
  const later = new Set<string>();
  const behind: Node[] = [];
  for (let node: Node | null = nodes[0]; node !== null && node !== nodes.at(-1)!.next; node = node.next) {
    const reads = listFreeReads(node);
    if (chosen.has(node)) {
      const value = reads.find((read) => later.has(read));
      if (value === undefined) continue;
      throw new SurgeryError('SURGERY_OUTLINE_GAP', { fields: { node: node.name, value, scope: node.scope.path } });
    }
    if (!reads.some((read) => made.has(read) || later.has(read))) continue;
    behind.push(node);
    for (const output of node.outputs) if (output !== '') later.add(output);
  }
  return behind;
}

/** @returns the node that the call stands behind; null when it comes first */
function removeNodes({ scope, nodes }: Selection): Node | null {
  const chosen = new Set(nodes);
  let after: Node | null = nodes.at(-1)!;
  while (after !== null && chosen.has(after)) after = after.previous;
  for (const node of nodes) scope.delete(node);
  return after;
}

/** Operator sets of all domains that the nodes and their subgraphs use, as they count here. */
function listOpsets(draft: Draft, nodes: readonly Node[]): readonly { domain: string; version: number }[] {
  const used = new Set<string>();
  for (const node of nodes) {
    used.add(node.domain);
    for (const inner of [...node.subscopes.values()].flat()) {
      for (const nested of inner.eachScope()) for (const { domain } of nested.nodes.toArray()) used.add(domain);
    }
  }
  return draft.opsetsOf(nodes[0].scope).filter(({ domain }) => used.has(domain));
}

/** Attributes of the function around that the nodes refer to, as the call hands them on. */
function collectReferences(
  nodes: readonly NodeRecord[],
  into: Map<string, AttributeRecord>,
): Map<string, AttributeRecord> {
  for (const attribute of nodes.flatMap((node) => [...node.attributes.values()])) {
    if (attribute.kind === 'graph') collectReferences(attribute.graph.nodes, into);
    else if (attribute.kind === 'graphs')
      for (const { nodes: inner } of attribute.graphs) collectReferences(inner, into);
    else if (attribute.kind === 'other' && attribute.reference !== undefined) into.set(attribute.reference, attribute);
  }
  return into;
}
