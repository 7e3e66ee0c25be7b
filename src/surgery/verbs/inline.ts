/** A call of a model-local function replaced by the function's body. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';
import {
  type AttributeRecord,
  type FunctionRecord,
  type NodeRecord,
  type ScopeRecord,
  toFunctionId,
} from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import { toNodeRecord } from '../draft/json.ts';
import type { Node } from '../draft/scope.ts';
import { nodeRefSchema, resolveNode } from '../draft/refs.ts';
import { eachScopeRecord } from '../validate/tree.ts';
import { assertOpsetsAgree } from './opsets.ts';
import { defineVerb } from './verb.ts';
import { addNode } from './wiring.ts';

/** What stands for what while a body is copied. */
interface Copy {
  readonly draft: Draft;
  readonly record: FunctionRecord;
  readonly call: Node;
  /** Names in the place of those of the body; "" for an omitted input. */
  readonly names: ReadonlyMap<string, string>;
}

/**
 * Puts the body of the called function in the place of the call. Values inside get new names, attributes that refer to
 * those of the function get the call's, else the default, else they are left out. The function itself stays.
 * @throws SurgeryError SURGERY_FUNCTION_MISSING | SURGERY_OPSET_MISSING | SURGERY_OPSET_CONFLICT | SURGERY_GRAPH_TOO_LARGE
 */
export const inline = defineVerb(z.strictObject({ node: nodeRefSchema }), (draft, { node: ref }): void => {
  const call = resolveNode(draft, ref);
  const id = toFunctionId({ domain: call.domain, name: call.op, overload: call.overload });
  const record = draft.listFunctions().find((candidate) => toFunctionId(candidate) === id);
  if (record === undefined) throw new SurgeryError('SURGERY_FUNCTION_MISSING', { fields: { function: id } });
  const body = draft.findFunction(id)!.toRecord();
  assertSameOpsets(draft, call, record, body);
  assertSize(draft, body.nodes.length);
  const { names, repeated } = toNames(draft, call, body);
  const copy: Copy = { draft, record, call, names };
  const { scope, previous } = call;
  scope.delete(call);
  let last = previous;
  for (const node of body.nodes) last = addNode(draft, scope, copyNode(copy, node), last);
  for (const [from, to] of repeated) {
    const identity = { op: 'Identity', name: draft.names.fresh('Identity'), inputs: [from], outputs: [to] };
    last = addNode(draft, scope, toNodeRecord(identity), last);
  }
  for (const value of body.values) {
    const name = names.get(value.name);
    if (name === undefined || name === '' || !scope.defines(name)) continue;
    if (!scope.values.has(name) && !scope.outputs.has(name)) scope.values.add({ ...value, name });
  }
});

function assertSameOpsets(draft: Draft, call: Node, record: FunctionRecord, body: ScopeRecord): void {
  const used = new Set([...eachScopeRecord(body)].flatMap(({ nodes }) => nodes.map(({ domain }) => domain)));
  assertOpsetsAgree(
    draft.opsetsOf(call.scope),
    record.opsets.filter(({ domain }) => used.has(domain)),
  );
}

/** Functions that call functions can unfold to more than any machine holds. */
function assertSize(draft: Draft, added: number): void {
  const { nodesMax } = SURGERY_LIMITS;
  let count = added;
  for (const scope of draft.eachScope()) count += scope.nodes.size;
  if (count > nodesMax) throw new SurgeryError('SURGERY_GRAPH_TOO_LARGE', { fields: { nodes: count, nodesMax } });
}

/** Names of the body's values around the call, and outputs that repeat a value: these take an Identity. */
function toNames(
  draft: Draft,
  call: Node,
  body: ScopeRecord,
): { readonly names: Map<string, string>; readonly repeated: readonly (readonly [string, string])[] } {
  const names = new Map(body.inputs.map(({ name }, at) => [name, call.inputs.at(at) ?? '']));
  const repeated: (readonly [string, string])[] = [];
  body.outputs.forEach(({ name }, at) => {
    const output = call.outputs.at(at) ?? '';
    if (output === '') return;
    const known = names.get(name);
    if (known === undefined) names.set(name, output);
    else repeated.push([known, output]);
  });
  for (const node of body.nodes) {
    for (const output of node.outputs)
      if (output !== '' && !names.has(output)) names.set(output, draft.names.fresh(output));
  }
  return { names, repeated };
}

function copyNode(copy: Copy, node: NodeRecord): NodeRecord {
  const { draft, names } = copy;
  const rename = (name: string): string => (name === '' ? '' : (names.get(name) ?? name));
  return {
    ...node,
    name: node.name === '' ? '' : draft.names.fresh(node.name),
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
    attributes: copyAttributes(copy, node.attributes),
  };
}

function copyAttributes(copy: Copy, attributes: NodeRecord['attributes']): NodeRecord['attributes'] {
  let isChanged = false;
  const copied = new Map<string, AttributeRecord>();
  for (const [name, attribute] of attributes) {
    const now = copyAttribute(copy, attribute);
    isChanged ||= now !== attribute;
    if (now !== null) copied.set(name, now);
  }
  return isChanged ? copied : attributes;
}

function copyAttribute(copy: Copy, attribute: AttributeRecord): AttributeRecord | null {
  if (attribute.kind === 'graph') return { kind: 'graph', graph: copyScope(copy, attribute.graph) };
  if (attribute.kind === 'graphs')
    return { kind: 'graphs', graphs: attribute.graphs.map((graph) => copyScope(copy, graph)) };
  if (attribute.kind !== 'other' || attribute.reference === undefined) return attribute;
  return copy.call.attributes.get(attribute.reference) ?? copy.record.defaults.get(attribute.reference) ?? null;
}

/** A subgraph of the body: what it defines gets new names too, since the scopes around the call may have the old ones. */
function copyScope(copy: Copy, scope: ScopeRecord): ScopeRecord {
  const names = new Map(copy.names);
  const define = (name: string): void => {
    if (name !== '') names.set(name, copy.draft.names.fresh(name));
  };
  for (const { name } of scope.inputs) define(name);
  for (const { name } of scope.initializers) if (!scope.inputs.some((input) => input.name === name)) define(name);
  for (const node of scope.nodes) node.outputs.forEach(define);
  const inner: Copy = { ...copy, names };
  const rename = <T extends { readonly name: string }>(record: T): T => ({
    ...record,
    name: names.get(record.name) ?? record.name,
  });
  return {
    ...scope,
    nodes: scope.nodes.map((node) => copyNode(inner, node)),
    inputs: scope.inputs.map(rename),
    outputs: scope.outputs.map(rename),
    values: scope.values.map(rename),
    initializers: scope.initializers.map(rename),
    annotations: [],
  };
}
