/** The graph document of an ONNX model: what was read when it was opened, paired with the spans it was read from. */
import { FormatError } from '../../core/errors.ts';
import type {
  AnnotationRecord,
  AttributeRecord,
  FunctionRecord,
  GraphDocument,
  InitializerRecord,
  NodeRecord,
  OpsetRecord,
  ScopeRecord,
  ValueRecord,
} from '../../model/document.ts';
import type { Attribute, Graph, GraphNode, ValueInfo } from '../../model/types.ts';
import type { ByteSource } from '../../source/ports.ts';
import { readAttribute, readAttributeDraft } from './attribute.ts';
import { isBytes, isVarint, OnnxContext } from './context.ts';
import { readGraph, toDomain } from './graph.ts';
import type { OnnxLayout } from './layout.ts';
import { withPlace } from './place.ts';
import { ScopeDraft } from './scope-draft.ts';
import { readEntry } from './entry.ts';
import { findSafeInt } from './varint.ts';
import type { Field, Fields, Frame } from './wire.ts';

/**
 * Reads the document; linear in the number of fields, weights are not touched.
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED for training graphs and graphs that occur in several parts
 */
export function readOnnxDocument(
  layout: OnnxLayout,
  graph: Graph,
  functions: ReadonlyMap<string, Graph>,
): GraphDocument {
  const { context, root } = layout;
  if (layout.trainings > 0) throw toUnsupported(context, 'training graphs', root.start);
  let irVersion = 0;
  const opsets: OpsetRecord[] = [];
  const graphs: ScopeRecord[] = [];
  const functionRecords: FunctionRecord[] = [];
  const bodies = [...functions.values()];
  const fields = context.reader.walk(root);
  while (fields.next()) {
    if (isVarint(fields, 1)) irVersion = findSafeInt(fields.low, fields.high) ?? 0;
    else if (isBytes(fields, 8)) opsets.push(readOpset(context, fields));
    else if (isBytes(fields, 7)) {
      if (graphs.length > 0) throw toUnsupported(context, 'a graph in several parts', fields.tagStart);
      graphs.push(readScope(context, graph, fields));
    } else if (isBytes(fields, 25)) {
      functionRecords.push(readFunctionRecord(context, bodies[functionRecords.length], fields));
    }
  }
  return { irVersion, opsets, graph: graphs[0], functions: functionRecords };
}

function toUnsupported(context: OnnxContext, problem: string, offset: number): FormatError {
  return context.reader.fail('FORMAT_GRAPH_UNSUPPORTED', offset, { problem });
}

/** Nothing here counts against the index budget again: all of it was read, and counted, when the model was opened. */
function textOf(context: OnnxContext, field: Field): string {
  return context.reader.text(field.start, field.end);
}

function readOpset(context: OnnxContext, field: Fields): OpsetRecord {
  let domain = '';
  let version = 0;
  const fields = field.enter();
  while (fields.next()) {
    if (isBytes(fields, 1)) domain = toDomain(textOf(context, fields));
    else if (isVarint(fields, 2)) version = findSafeInt(fields.low, fields.high) ?? 0;
  }
  return withPlace(context.reader.source, field, { domain, version, place: null });
}

/** What of a scope is read so far. */
interface ScopeLists {
  readonly nodes: NodeRecord[];
  readonly inputs: ValueRecord[];
  readonly outputs: ValueRecord[];
  readonly values: ValueRecord[];
  readonly initializers: InitializerRecord[];
  readonly annotations: AnnotationRecord[];
  dense: number;
  sparse: number;
}

/** @param field the GraphProto */
function readScope(context: OnnxContext, graph: Graph, field: Fields): ScopeRecord {
  const draft = toScopeDraft(context, graph);
  const lists: ScopeLists = {
    nodes: [],
    inputs: [],
    outputs: [],
    values: [],
    initializers: [],
    annotations: [],
    dense: 0,
    sparse: 0,
  };
  const fields = field.enter();
  while (fields.next()) readScopeField(context, draft, fields, lists);
  const { nodes, inputs, outputs, values, initializers, annotations } = lists;
  return withPlace(context.reader.source, field, {
    path: draft.prefix.slice(0, -1),
    name: draft.name,
    nodes,
    inputs,
    outputs,
    values,
    initializers,
    annotations,
    place: null,
  });
}

function toScopeDraft(context: OnnxContext, graph: Graph): ScopeDraft {
  const draft = context.scopes.get(graph);
  if (draft === undefined) throw new Error('internal error: a graph that was not read here');
  return draft;
}

function readScopeField(context: OnnxContext, draft: ScopeDraft, field: Fields, lists: ScopeLists): void {
  const { source } = context.reader;
  const { nodes, inputs, outputs, values, initializers } = lists;
  if (isBytes(field, 1)) nodes.push(readNodeRecord(context, draft.nodes[nodes.length], field));
  else if (isBytes(field, 11)) inputs.push(toValueRecord(source, field, draft.inputs[inputs.length]));
  else if (isBytes(field, 12)) outputs.push(toValueRecord(source, field, draft.outputs[outputs.length]));
  else if (isBytes(field, 13)) values.push(toValueRecord(source, field, draft.inner[values.length]));
  else if (isBytes(field, 5)) {
    const name = draft.dense[lists.dense++];
    initializers.push(withPlace(source, field, { name, tensor: draft.tensors.get(name)!, place: null }));
  } else if (isBytes(field, 15)) {
    initializers.push(withPlace(source, field, { name: draft.sparse[lists.sparse++], tensor: null, place: null }));
  } else if (isBytes(field, 14)) lists.annotations.push(readAnnotation(context, field));
}

function toValueRecord(source: ByteSource, field: Field, { name, dtype, shape }: ValueInfo): ValueRecord {
  return withPlace(source, field, { name, dtype, shape, place: null });
}

/** TensorAnnotation. */
function readAnnotation(context: OnnxContext, field: Fields): AnnotationRecord {
  let value = '';
  const parameters: (readonly [string, string])[] = [];
  const fields = field.enter();
  while (fields.next()) {
    if (isBytes(fields, 1)) value = textOf(context, fields);
    else if (isBytes(fields, 2)) parameters.push(readEntry(context, fields.enter()));
  }
  return withPlace(context.reader.source, field, { value, parameters, place: null });
}

function readNodeRecord(context: OnnxContext, node: GraphNode, field: Fields): NodeRecord {
  const { name, op, domain, overload = '', inputs, outputs } = node;
  const attributes = readAttributeRecords(context, node, field);
  const record = { name, op, domain, overload, inputs, outputs, attributes, place: null };
  return withPlace<NodeRecord>(context.reader.source, field, record);
}

const hasGraph = (attribute: Attribute): boolean => attribute.kind === 'graph' || attribute.kind === 'graphs';

function readAttributeRecords(context: OnnxContext, node: GraphNode, field: Fields): NodeRecord['attributes'] {
  let isNested = false;
  for (const attribute of node.attributes.values()) isNested ||= hasGraph(attribute);
  // Without a graph among them, attributes are records as they are.
  if (!isNested) return node.attributes as NodeRecord['attributes'];
  const records = new Map<string, AttributeRecord>();
  const fields = field.enter();
  while (fields.next()) {
    if (!isBytes(fields, 5)) continue;
    const name = readAttributeName(context, fields.enter());
    records.set(name, toAttributeRecord(context, node.attributes.get(name)!, fields.enter()));
  }
  return records;
}

function readAttributeName(context: OnnxContext, fields: Fields): string {
  let name = '';
  while (fields.next()) if (isBytes(fields, 1)) name = textOf(context, fields);
  return name;
}

/** @param fields those of the AttributeProto */
function toAttributeRecord(context: OnnxContext, attribute: Attribute, fields: Fields): AttributeRecord {
  if (attribute.kind !== 'graph' && attribute.kind !== 'graphs') return attribute;
  const graphs = attribute.kind === 'graph' ? [attribute.graph] : attribute.graphs;
  const scopes: ScopeRecord[] = [];
  const number = attribute.kind === 'graph' ? 6 : 11;
  while (fields.next()) {
    if (!isBytes(fields, number)) continue;
    if (scopes.length >= graphs.length) throw toUnsupported(context, 'a subgraph in several parts', fields.tagStart);
    scopes.push(readScope(context, graphs[scopes.length], fields));
  }
  return attribute.kind === 'graph' ? { kind: 'graph', graph: scopes[0] } : { kind: 'graphs', graphs: scopes };
}

function readFunctionRecord(context: OnnxContext, graph: Graph, field: Fields): FunctionRecord {
  const identity = { name: '', domain: '', overload: '' };
  const attributes: string[] = [];
  const opsets: OpsetRecord[] = [];
  const defaults = new Map<string, AttributeRecord>();
  // Defaults are read apart from the model: their tensors are none of the model's, and must not take names.
  const apart = new OnnxContext(context.reader.source, context.folder, context.external);
  const fields = field.enter();
  while (fields.next()) {
    if (isBytes(fields, 1)) identity.name = textOf(context, fields);
    else if (isBytes(fields, 10)) identity.domain = toDomain(textOf(context, fields));
    else if (isBytes(fields, 13)) identity.overload = textOf(context, fields);
    else if (isBytes(fields, 6)) attributes.push(textOf(context, fields));
    else if (isBytes(fields, 9)) opsets.push(readOpset(context, fields));
    else if (isBytes(fields, 11)) readDefault(apart, fields.toInnerFrame(), defaults);
  }
  const body = readFunctionBody(context, graph, field);
  return { ...identity, attributes, defaults, opsets, body };
}

function readDefault(context: OnnxContext, frame: Frame, into: Map<string, AttributeRecord>): void {
  const draft = readAttributeDraft(context, context.reader.walk(frame));
  const attribute = readAttribute(context, draft, { scope: new ScopeDraft(''), node: '', constant: '', readGraph });
  into.set(draft.name, toAttributeRecord(context, attribute, context.reader.walk(frame)));
}

function readFunctionBody(context: OnnxContext, graph: Graph, field: Fields): ScopeRecord {
  const draft = toScopeDraft(context, graph);
  const { source } = context.reader;
  const nodes: NodeRecord[] = [];
  const values: ValueRecord[] = [];
  const fields = field.enter();
  while (fields.next()) {
    if (isBytes(fields, 7)) nodes.push(readNodeRecord(context, draft.nodes[nodes.length], fields));
    else if (isBytes(fields, 12)) values.push(toValueRecord(source, fields, draft.inner[values.length]));
  }
  return withPlace(source, field, {
    path: draft.prefix.slice(0, -1),
    name: draft.name,
    nodes,
    inputs: draft.inputs.map((input) => ({ ...input, place: null })),
    outputs: draft.outputs.map((output) => ({ ...output, place: null })),
    values,
    initializers: [],
    annotations: [],
    place: null,
  });
}
