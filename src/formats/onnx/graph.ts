/** GraphProto, NodeProto and FunctionProto: the scopes of a model, with the tensors that live in them. */
import type { Attribute, Graph, GraphNode, TensorRef, ValueInfo } from '../../model/types.ts';
import {
  type AttributeDraft,
  type AttributePlace,
  CONSTANT_NUMBERS,
  readAttribute,
  readAttributeDraft,
} from './attribute.ts';
import { isBytes, type OnnxContext } from './context.ts';
import { ScopeDraft } from './scope-draft.ts';
import { append, NOTHING } from './short-list.ts';
import { readSparseTensor, toTensor } from './tensor.ts';
import { readTensorDraft } from './tensor-fields.ts';
import { TypedValues } from './typed.ts';
import { TypedTensor } from './typed-tensor.ts';
import { readValueInfo } from './value-info.ts';
import type { Fields, Frame } from './wire.ts';

/** "ai.onnx" and "" are two spellings of the default domain. */
export function toDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/** Key of an operator or a function: two overloads of one function differ. */
export function toOperatorId(domain: string, name: string, overload: string): string {
  return `${toDomain(domain)}::${name}${overload === '' ? '' : `:${overload}`}`;
}

/**
 * Reads a graph.
 * @param parts the message, in as many parts as it occurs
 * @param path "" for the main graph
 * @throws FormatError ONNX_…
 */
export function readGraph(context: OnnxContext, parts: readonly Frame[], path: string): Graph {
  context.spend(640, parts[0].start);
  const scope = new ScopeDraft(path === '' ? '' : `${context.claimName(path)}/`);
  for (const frame of parts) {
    const fields = context.reader.walk(frame);
    while (fields.next()) readGraphField(context, scope, fields);
  }
  const graph = scope.toGraph();
  context.scopes.set(graph, scope);
  return graph;
}

function readGraphField(context: OnnxContext, scope: ScopeDraft, fields: Fields): void {
  if (isBytes(fields, 1)) scope.nodes.push(readNode(context, scope, context.enter(fields)));
  else if (isBytes(fields, 2)) scope.name = context.text(fields);
  else if (isBytes(fields, 5)) readInitializer(context, scope, context.toInnerFrame(fields));
  else if (isBytes(fields, 11)) addValue(scope, scope.inputs, readValueInfo(context, context.enter(fields)));
  else if (isBytes(fields, 12)) addValue(scope, scope.outputs, readValueInfo(context, context.enter(fields)));
  else if (isBytes(fields, 13)) addValue(scope, scope.inner, readValueInfo(context, context.enter(fields)));
  else if (isBytes(fields, 15)) readSparseInitializer(context, scope, context.toInnerFrame(fields));
}

export function addValue(scope: ScopeDraft, list: ValueInfo[], value: ValueInfo): void {
  list.push(value);
  scope.values.set(value.name, value);
}

function readInitializer(context: OnnxContext, scope: ScopeDraft, frame: Frame): void {
  const draft = readTensorDraft(context, [frame]);
  const tensor = toTensor(context, draft, claimInitializer(context, scope, draft.name, draft.at));
  scope.tensors.set(draft.name, tensor);
  scope.dense.push(draft.name);
}

function readSparseInitializer(context: OnnxContext, scope: ScopeDraft, frame: Frame): void {
  scope.sparse.push(readSparseTensor(context, [frame], (name, at) => claimInitializer(context, scope, name, at)));
}

/** Which of two initializers of one name counts differs between runtimes. */
function claimInitializer(context: OnnxContext, scope: ScopeDraft, name: string, at: number): string {
  if (name === '') throw context.reader.fail('ONNX_NAME', at, { of: 'initializer' });
  if (scope.initialized.has(name) || scope.tensors.has(name)) {
    throw context.reader.fail('ONNX_DUPLICATE_NAME', at, { tensor: name });
  }
  scope.initialized.add(name);
  return scope.toPath(name);
}

/** What most nodes have, shared. */
const NO_ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map();

export function readNode(context: OnnxContext, scope: ScopeDraft, fields: Fields): GraphNode {
  context.spend(400, fields.end);
  let name = '';
  let op = '';
  let domain = '';
  let overload = '';
  let inputs: string[] = NOTHING;
  let outputs: string[] = NOTHING;
  let drafts: AttributeDraft[] = NOTHING;
  while (fields.next()) {
    if (isBytes(fields, 1)) inputs = append(inputs, context.text(fields));
    else if (isBytes(fields, 2)) outputs = append(outputs, context.text(fields));
    else if (isBytes(fields, 3)) name = context.text(fields);
    else if (isBytes(fields, 4)) op = context.text(fields);
    else if (isBytes(fields, 5)) drafts = append(drafts, readAttributeDraft(context, context.enter(fields)));
    else if (isBytes(fields, 7)) domain = toDomain(context.text(fields));
    else if (isBytes(fields, 8)) overload = context.text(fields);
  }
  context.calls?.add(toOperatorId(domain, op, overload));
  const attributes =
    drafts.length === 0 ? NO_ATTRIBUTES : readAttributes(context, scope, drafts, { name, op, domain, outputs });
  // Two literals: a spread in one makes the engine build every node field by field.
  return overload === ''
    ? { name, op, domain, inputs, outputs, attributes }
    : { name, op, domain, overload, inputs, outputs, attributes };
}

function readAttributes(
  context: OnnxContext,
  scope: ScopeDraft,
  drafts: readonly AttributeDraft[],
  node: Pick<GraphNode, 'name' | 'op' | 'domain' | 'outputs'>,
): ReadonlyMap<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  const key = node.name !== '' ? node.name : (node.outputs.find((name) => name !== '') ?? `#${scope.nodes.length}`);
  const output = node.op === 'Constant' && node.domain === '' ? (node.outputs.at(0) ?? '') : '';
  const place: AttributePlace = { scope, node: key, constant: output, readGraph };
  for (const draft of drafts) {
    if (attributes.has(draft.name)) {
      throw context.reader.fail('ONNX_DUPLICATE_NAME', draft.at, { attribute: draft.name });
    }
    const attribute = readAttribute(context, draft, place);
    attributes.set(draft.name, attribute);
    if (output !== '') addConstant(context, scope, output, draft, attribute);
  }
  return attributes;
}

/** The tensor that a Constant node defines, whatever attribute holds it. */
function addConstant(
  context: OnnxContext,
  scope: ScopeDraft,
  output: string,
  draft: AttributeDraft,
  attribute: Attribute,
): void {
  const tensor = attribute.kind === 'tensor' ? attribute.tensor : findNumberTensor(context, scope, output, draft);
  if (tensor === undefined) return;
  if (scope.tensors.has(output) || scope.initialized.has(output)) {
    throw context.reader.fail('ONNX_DUPLICATE_NAME', draft.at, { tensor: output });
  }
  scope.tensors.set(output, tensor);
}

function findNumberTensor(
  context: OnnxContext,
  scope: ScopeDraft,
  output: string,
  draft: AttributeDraft,
): TensorRef | undefined {
  const row = CONSTANT_NUMBERS.get(draft.name);
  if (row === undefined || draft.frame === null) return undefined;
  const { dtype, field } = row;
  const isScalar = field.number < 7;
  let values = new TypedValues(context.reader, field);
  const fields = context.reader.walk(draft.frame);
  while (fields.next()) {
    if (fields.number !== field.number) continue;
    // Of a singular field the last occurrence counts.
    if (isScalar && fields.wire === field.wire) values = new TypedValues(context.reader, field);
    if (!isScalar || fields.wire === field.wire) values.add(fields, context.spend);
  }
  if (values.segments.length === 0) return undefined;
  const tensor = new TypedTensor({
    name: context.claimName(scope.toPath(output)),
    dtype,
    shape: isScalar ? [] : [values.count],
    elementCount: values.count,
    byteLength: values.count * (dtype === 'f32' ? 4 : 8),
    values,
  });
  return context.place({ tensor, frame: draft.frame, at: draft.at, isWholeMessage: false });
}
