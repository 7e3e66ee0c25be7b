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
import type { Attribute, Graph, GraphNode } from '../../model/types.ts';
import { readAttribute, readAttributeDraft } from './attribute.ts';
import { isBytes, isVarint, OnnxContext } from './context.ts';
import { readGraph, toDomain } from './graph.ts';
import type { OnnxLayout } from './layout.ts';
import { withPlace } from './place.ts';
import { readEntry } from './tensor.ts';
import { type Field, findSafeInt, type Frame } from './wire.ts';

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
  context.reader.eachField(root, (field) => {
    if (isVarint(field, 1)) irVersion = findSafeInt(field.low, field.high) ?? 0;
    else if (isBytes(field, 8)) opsets.push(readOpset(context, root, field));
    else if (isBytes(field, 7)) {
      if (graphs.length > 0) throw toUnsupported(context, 'a graph in several parts', field.tagStart);
      graphs.push(readScope(context, graph, root, field));
    } else if (isBytes(field, 25)) {
      functionRecords.push(readFunctionRecord(context, bodies[functionRecords.length], root, field));
    }
  });
  return { irVersion, opsets, graph: graphs[0], functions: functionRecords };
}

export function toUnsupported(context: OnnxContext, problem: string, offset: number): FormatError {
  return context.reader.fail('FORMAT_GRAPH_UNSUPPORTED', offset, { problem });
}

/** Nothing here counts against the index budget again: all of it was read, and counted, when the model was opened. */
function textOf(context: OnnxContext, field: Field): string {
  return context.reader.text(field.start, field.end);
}

function readOpset(context: OnnxContext, parent: Frame, field: Field): OpsetRecord {
  let domain = '';
  let version = 0;
  const frame = context.reader.enter(parent, field);
  context.reader.eachField(frame, (inner) => {
    if (isBytes(inner, 1)) domain = toDomain(textOf(context, inner));
    else if (isVarint(inner, 2)) version = findSafeInt(inner.low, inner.high) ?? 0;
  });
  return withPlace(context.reader.source, field, { domain, version, place: null });
}

function readScope(context: OnnxContext, graph: Graph, parent: Frame, field: Field): ScopeRecord {
  const draft = context.scopes.get(graph);
  if (draft === undefined) throw new Error('internal error: a graph that was not read here');
  const { source } = context.reader;
  const nodes: NodeRecord[] = [];
  const inputs: ValueRecord[] = [];
  const outputs: ValueRecord[] = [];
  const values: ValueRecord[] = [];
  const initializers: InitializerRecord[] = [];
  const annotations: AnnotationRecord[] = [];
  let dense = 0;
  let sparse = 0;
  const frame = context.reader.enter(parent, field);
  context.reader.eachField(frame, (inner) => {
    if (isBytes(inner, 1)) nodes.push(readNodeRecord(context, draft.nodes[nodes.length], frame, inner));
    else if (isBytes(inner, 11)) inputs.push(withPlace(source, inner, { ...draft.inputs[inputs.length], place: null }));
    else if (isBytes(inner, 12))
      outputs.push(withPlace(source, inner, { ...draft.outputs[outputs.length], place: null }));
    else if (isBytes(inner, 13)) values.push(withPlace(source, inner, { ...draft.inner[values.length], place: null }));
    else if (isBytes(inner, 5)) {
      const [name, tensor] = draft.dense[dense++];
      initializers.push(withPlace(source, inner, { name, tensor, place: null }));
    } else if (isBytes(inner, 15)) {
      initializers.push(withPlace(source, inner, { name: draft.sparse[sparse++], tensor: null, place: null }));
    } else if (isBytes(inner, 14)) annotations.push(readAnnotation(context, frame, inner));
  });
  const { name } = draft;
  const path = draft.prefix.slice(0, -1);
  return withPlace(source, field, {
    path,
    name,
    nodes,
    inputs,
    outputs,
    values,
    initializers,
    annotations,
    place: null,
  });
}

/** TensorAnnotation. */
function readAnnotation(context: OnnxContext, parent: Frame, field: Field): AnnotationRecord {
  let value = '';
  const parameters: (readonly [string, string])[] = [];
  const frame = context.reader.enter(parent, field);
  context.reader.eachField(frame, (inner) => {
    if (isBytes(inner, 1)) value = textOf(context, inner);
    else if (isBytes(inner, 2)) parameters.push(readEntry(context, context.reader.enter(frame, inner)));
  });
  return withPlace(context.reader.source, field, { value, parameters, place: null });
}

function readNodeRecord(context: OnnxContext, node: GraphNode, parent: Frame, field: Field): NodeRecord {
  const { name, op, domain, overload = '', inputs, outputs } = node;
  const attributes = readAttributeRecords(context, node, parent, field);
  return withPlace(context.reader.source, field, {
    name,
    op,
    domain,
    overload,
    inputs,
    outputs,
    attributes,
    place: null,
  });
}

const hasGraph = (attribute: Attribute): boolean => attribute.kind === 'graph' || attribute.kind === 'graphs';

function readAttributeRecords(
  context: OnnxContext,
  node: GraphNode,
  parent: Frame,
  field: Field,
): NodeRecord['attributes'] {
  let isNested = false;
  for (const attribute of node.attributes.values()) isNested ||= hasGraph(attribute);
  // Without a graph among them, attributes are records as they are.
  if (!isNested) return node.attributes as NodeRecord['attributes'];
  const records = new Map<string, AttributeRecord>();
  const frame = context.reader.enter(parent, field);
  context.reader.eachField(frame, (inner) => {
    if (!isBytes(inner, 5)) return;
    const body = context.reader.enter(frame, inner);
    const name = readAttributeName(context, body);
    records.set(name, toAttributeRecord(context, node.attributes.get(name)!, body));
  });
  return records;
}

export function readAttributeName(context: OnnxContext, frame: Frame): string {
  let name = '';
  context.reader.eachField(frame, (field) => {
    if (isBytes(field, 1)) name = textOf(context, field);
  });
  return name;
}

/** @param frame the AttributeProto */
function toAttributeRecord(context: OnnxContext, attribute: Attribute, frame: Frame): AttributeRecord {
  if (attribute.kind !== 'graph' && attribute.kind !== 'graphs') return attribute;
  const graphs = attribute.kind === 'graph' ? [attribute.graph] : attribute.graphs;
  const scopes: ScopeRecord[] = [];
  const number = attribute.kind === 'graph' ? 6 : 11;
  context.reader.eachField(frame, (field) => {
    if (!isBytes(field, number)) return;
    if (scopes.length >= graphs.length) throw toUnsupported(context, 'a subgraph in several parts', field.tagStart);
    scopes.push(readScope(context, graphs[scopes.length], frame, field));
  });
  return attribute.kind === 'graph' ? { kind: 'graph', graph: scopes[0] } : { kind: 'graphs', graphs: scopes };
}

function readFunctionRecord(context: OnnxContext, graph: Graph, parent: Frame, field: Field): FunctionRecord {
  const identity = { name: '', domain: '', overload: '' };
  const attributes: string[] = [];
  const opsets: OpsetRecord[] = [];
  const defaults = new Map<string, AttributeRecord>();
  // Defaults are read apart from the model: their tensors are none of the model's, and must not take names.
  const apart = new OnnxContext(context.reader.source, context.folder, context.external);
  const frame = context.reader.enter(parent, field);
  context.reader.eachField(frame, (inner) => {
    if (isBytes(inner, 1)) identity.name = textOf(context, inner);
    else if (isBytes(inner, 10)) identity.domain = toDomain(textOf(context, inner));
    else if (isBytes(inner, 13)) identity.overload = textOf(context, inner);
    else if (isBytes(inner, 6)) attributes.push(textOf(context, inner));
    else if (isBytes(inner, 9)) opsets.push(readOpset(context, frame, inner));
    else if (isBytes(inner, 11)) readDefault(apart, apart.reader.enter(frame, inner), defaults);
  });
  const body = readFunctionBody(context, graph, parent, field);
  return { ...identity, attributes, defaults, opsets, body };
}

function readDefault(context: OnnxContext, frame: Frame, into: Map<string, AttributeRecord>): void {
  const draft = readAttributeDraft(context, frame);
  const attribute = readAttribute(context, draft, {
    path: draft.name,
    tensorPath: draft.name,
    readGraph: (parts, path) => readGraph(context, parts, path),
  });
  into.set(draft.name, toAttributeRecord(context, attribute, frame));
}

function readFunctionBody(context: OnnxContext, graph: Graph, parent: Frame, field: Field): ScopeRecord {
  const draft = context.scopes.get(graph);
  if (draft === undefined) throw new Error('internal error: a function that was not read here');
  const { source } = context.reader;
  const nodes: NodeRecord[] = [];
  const values: ValueRecord[] = [];
  const frame = context.reader.enter(parent, field);
  context.reader.eachField(frame, (inner) => {
    if (isBytes(inner, 7)) nodes.push(readNodeRecord(context, draft.nodes[nodes.length], frame, inner));
    else if (isBytes(inner, 12)) values.push(withPlace(source, inner, { ...draft.inner[values.length], place: null }));
  });
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
