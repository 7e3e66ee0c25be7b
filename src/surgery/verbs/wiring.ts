/** What verbs share: names that must be free, operator sets that must be there, and wires that move. */
import { SurgeryError } from '../../core/errors.ts';
import type { NodeRecord } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import type { Node, Scope } from '../draft/scope.ts';

/**
 * No scope that sees `scope`, or that it sees, may define `name`: it would be defined twice, or shadow.
 * @throws SurgeryError SURGERY_NAME_TAKEN
 */
export function assertFree(scope: Scope, name: string): void {
  for (let outer: Scope | null = scope; outer !== null; outer = outer.parent) assertNotDefined(outer, name);
  for (const inner of scope.eachScope()) assertNotDefined(inner, name);
}

function assertNotDefined(scope: Scope, name: string): void {
  if (name === '' || scope.defines(name)) {
    throw new SurgeryError('SURGERY_NAME_TAKEN', { fields: { name, scope: scope.path } });
  }
}

/** @throws SurgeryError SURGERY_OPSET_MISSING */
function assertOpset(draft: Draft, scope: Scope, record: NodeRecord): void {
  const { domain, op } = record;
  if (draft.opsetsOf(scope).some((opset) => opset.domain === domain)) return;
  throw new SurgeryError('SURGERY_OPSET_MISSING', { fields: { domain, op, scope: scope.path } });
}

/**
 * Adds a node whose outputs are new values.
 * @param after the node to stand behind, or null to stand first
 * @throws SurgeryError SURGERY_NAME_TAKEN | SURGERY_OPSET_MISSING
 */
export function addNode(draft: Draft, scope: Scope, record: NodeRecord, after: Node | null): Node {
  assertOpset(draft, scope, record);
  for (const output of record.outputs) {
    if (output === '') continue;
    assertFree(scope, output);
    draft.names.take(output);
  }
  const node = scope.insert(record, after);
  for (const inner of scope.listChildren()) {
    if (![...node.subscopes.values()].flat().includes(inner)) continue;
    for (const nested of inner.eachScope()) {
      for (const nestedNode of nested.nodes.toArray()) assertOpset(draft, nested, nestedNode.record);
    }
  }
  return node;
}

/** The last of the nodes of `scope` that make one of `values`; null when none does. */
export function findLastProducer(scope: Scope, values: readonly string[]): Node | null {
  let last: Node | null = null;
  for (const value of values) {
    const producer = scope.findProducer(value);
    if (producer !== undefined && (last === null || producer.order > last.order)) last = producer;
  }
  return last;
}

/** Makes `node` read `to` in the place of `from`. */
export function rewireNode(node: Node, from: string, to: string): void {
  const inputs = node.inputs.map((input) => (input === from ? to : input));
  node.scope.update(node, { ...node.record, inputs });
}

/** Makes all that reads `from`, as defined in `scope`, read `to`; subgraphs included, outputs of graphs not. */
export function rewireReaders(scope: Scope, from: string, to: string, except: Node | null = null): void {
  for (const inner of scope.eachScopeSeeing(from)) {
    for (const node of inner.listReaders(from)) if (node !== except) rewireNode(node, from, to);
  }
}

/** True when a node or an output of any graph reads `value`, as defined in `scope`. */
export function isUsed(scope: Scope, value: string): boolean {
  for (const inner of scope.eachScopeSeeing(value)) {
    if (inner.hasReaders(value) || inner.outputs.has(value)) return true;
  }
  return false;
}

/** Makes the node that makes `from` make `to`; nothing else. */
export function renameOutput(node: Node, from: string, to: string): void {
  const outputs = node.outputs.map((output) => (output === from ? to : output));
  node.scope.update(node, { ...node.record, outputs });
}

/** Forgets type and annotation of a value that is gone. */
export function forgetValue(scope: Scope, value: string): void {
  scope.values.delete(value);
  if (scope.annotations.some((annotation) => annotation.value === value)) {
    scope.annotations = scope.annotations.filter((annotation) => annotation.value !== value);
  }
}
