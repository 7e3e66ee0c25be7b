/** Insertion: nodes with all their wires given, and nodes that are put on wires that exist. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import type { NodeRecord } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import { type AttributeJson, attributeSchema, nodeSchema, toNodeRecord } from '../draft/json.ts';
import type { NodeView } from '../draft/node.ts';
import { nodeRefSchema, resolveNode, resolveValue, toDefiningScope, valueRefSchema } from '../draft/refs.ts';
import type { Node, Scope } from '../draft/scope.ts';
import { defineVerb } from './verb.ts';
import { addNode, findLastProducer, renameOutput, rewireNode, rewireReaders } from './wiring.ts';

/** A node for a wire: `null` among its inputs and outputs is the wire. Default: one input, one output, both the wire. */
export interface WireNodeJson {
  readonly op: string;
  readonly domain?: string | undefined;
  readonly overload?: string | undefined;
  /** Made from `op` when absent. */
  readonly name?: string | undefined;
  readonly inputs?: readonly (string | null)[] | undefined;
  readonly outputs?: readonly (string | null)[] | undefined;
  readonly attributes?: Readonly<Record<string, AttributeJson>> | undefined;
}

const onWire = z.array(z.string().nullable()).refine((names) => names.filter((name) => name === null).length === 1);

const wireNodeSchema: z.ZodType<WireNodeJson> = z.strictObject({
  op: z.string().min(1),
  domain: z.string().optional(),
  overload: z.string().optional(),
  name: z.string().optional(),
  inputs: z
    .array(z.string().nullable())
    .refine((names) => names.includes(null))
    .optional(),
  outputs: onWire.optional(),
  attributes: z.record(z.string().min(1), attributeSchema).optional(),
});

/** The new node, and the name of the value that it makes on the wire. */
export interface Insertion {
  readonly node: NodeView;
  readonly value: string;
}

/** Adds nodes whose inputs and outputs are given by name, in this order, behind `after` or as early as their inputs allow. */
export const addNodes = defineVerb(
  z.strictObject({
    scope: z.string().optional(),
    nodes: z.array(nodeSchema).min(1),
    after: nodeRefSchema.optional(),
  }),
  (draft, { scope: path = '', nodes, after }): readonly NodeView[] => {
    const scope = draft.scope(path);
    let last = after === undefined ? null : resolveNode(draft, after);
    return nodes.map((json) => {
      const record = toNodeRecord(json);
      const earliest = findLastProducer(scope, [...record.inputs, ...listCaptures(record)]);
      const at: Node | null = last === null || (earliest !== null && earliest.order > last.order) ? earliest : last;
      last = addNode(draft, scope, record, at);
      return last;
    });
  },
);

/** Names that the graphs of a new node may read from around it. */
function listCaptures(record: NodeRecord): string[] {
  return [...record.attributes.values()].flatMap((attribute) =>
    attribute.kind === 'graph' ? attribute.graph.nodes.flatMap((node) => [...node.inputs, ...listCaptures(node)]) : [],
  );
}

/**
 * Puts a node behind a value: all that read the value now read the new node's output.
 *
 * An output of a graph keeps its name: there, the node that made it makes another value, which the new node reads.
 */
export const insertAfter = defineVerb(
  z.strictObject({ at: valueRefSchema, node: wireNodeSchema, output: z.string().min(1).optional() }),
  (draft, { at, node: json, output }): Insertion => {
    const { scope, value } = resolveValue(draft, at);
    if (scope.outputs.has(value)) return insertAtOutput(draft, scope, { value, json, output, moveReaders: false });
    const made = output ?? draft.names.fresh(`${value}_${json.op}`);
    const record = toWireRecord(draft, json, value, made);
    const node = addNode(draft, scope, record, findLastProducer(scope, record.inputs));
    rewireReaders(scope, value, made, node);
    return { node, value: made };
  },
);

/** Puts a node before one input of a node; other readers of the value keep it. */
export const insertBefore = defineVerb(
  z.strictObject({
    node: nodeRefSchema,
    input: z.int().nonnegative(),
    with: wireNodeSchema,
    output: z.string().min(1).optional(),
  }),
  (draft, { node: ref, input, with: json, output }): Insertion => {
    const reader = resolveNode(draft, ref);
    const value = reader.inputs.at(input) ?? '';
    if (value === '') throw new SurgeryError('SURGERY_EDGE_MISSING', { fields: { node: reader.name, input } });
    const { inserted, made } = addBefore(draft, reader, value, json, output);
    const inputs = reader.inputs.map((name, i) => (i === input ? made : name));
    reader.scope.update(reader, { ...reader.record, inputs });
    return { node: inserted, value: made };
  },
);

/** Puts a node between a value and one of its readers: a node (all of its inputs that read the value), or the output. */
export const insertOnEdge = defineVerb(
  z.strictObject({
    value: valueRefSchema,
    to: z.union([nodeRefSchema, z.literal('output')]),
    node: wireNodeSchema,
    output: z.string().min(1).optional(),
  }),
  (draft, { value: ref, to, node: json, output }): Insertion => {
    const { scope, value } = resolveValue(draft, ref);
    if (to === 'output') {
      if (!scope.outputs.has(value)) throw new SurgeryError('SURGERY_EDGE_MISSING', { fields: { value, to } });
      return insertAtOutput(draft, scope, { value, json, output, moveReaders: true });
    }
    const reader = resolveNode(draft, to);
    if (!reader.inputs.includes(value) || toDefiningScope(reader.scope, value) !== scope) {
      throw new SurgeryError('SURGERY_EDGE_MISSING', { fields: { value, node: reader.name } });
    }
    const { inserted, made } = addBefore(draft, reader, value, json, output);
    rewireNode(reader, value, made);
    return { node: inserted, value: made };
  },
);

function addBefore(
  draft: Draft,
  reader: Node,
  value: string,
  json: WireNodeJson,
  output: string | undefined,
): { readonly inserted: Node; readonly made: string } {
  const made = output ?? draft.names.fresh(`${value}_${json.op}`);
  const record = toWireRecord(draft, json, value, made);
  return { inserted: addNode(draft, reader.scope, record, reader.previous), made };
}

interface OutputInsertion {
  readonly value: string;
  readonly json: WireNodeJson;
  /** Name of what the old producer makes from now on. */
  readonly output: string | undefined;
  /** Whether readers of the value read what comes before the new node. */
  readonly moveReaders: boolean;
}

function insertAtOutput(draft: Draft, scope: Scope, insertion: OutputInsertion): Insertion {
  const { value, json, output, moveReaders } = insertion;
  const producer = scope.findProducer(value);
  // An input that is an output as well has one name for both, which the interface of the model fixes.
  if (producer === undefined)
    throw new SurgeryError('SURGERY_CANNOT_RECONNECT', { fields: { value, scope: scope.path } });
  const inner = output ?? draft.names.fresh(`${value}_before_${json.op}`);
  renameOutput(producer, value, inner);
  const record = toWireRecord(draft, json, inner, value);
  const node = addNode(draft, scope, record, findLastProducer(scope, record.inputs));
  if (moveReaders) rewireReaders(scope, value, inner);
  return { node, value: inner };
}

function toWireRecord(draft: Draft, json: WireNodeJson, input: string, output: string): NodeRecord {
  return toNodeRecord({
    ...json,
    name: json.name ?? draft.names.fresh(json.op),
    inputs: (json.inputs ?? [null]).map((name) => name ?? input),
    outputs: (json.outputs ?? [null]).map((name) => name ?? output),
  });
}
