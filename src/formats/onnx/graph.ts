/** GraphProto, NodeProto and FunctionProto: the scopes of a model, with the tensors that live in them. */
import type { Attribute, Graph, GraphNode, TensorRef, ValueInfo } from '../../model/types.ts';
import { type AttributeDraft, readAttribute, readAttributeDraft } from './attribute.ts';
import { isBytes, type OnnxContext } from './context.ts';
import { ScopeDraft } from './scope-draft.ts';
import { readSparseTensor, readTensor } from './tensor.ts';
import type { TypedValues } from './typed.ts';
import { TypedTensor } from './typed-tensor.ts';
import { readValueInfo } from './value-info.ts';
import { append, type Field, type Frame } from './wire.ts';

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
    context.reader.eachField(frame, (field) => {
      readGraphField(context, scope, frame, field);
    });
  }
  const graph = scope.toGraph();
  context.scopes.set(graph, scope);
  return graph;
}

function readGraphField(context: OnnxContext, scope: ScopeDraft, frame: Frame, field: Field): void {
  if (isBytes(field, 1)) scope.nodes.push(readNode(context, scope, context.enter(frame, field)));
  else if (isBytes(field, 2)) scope.name = context.text(field);
  else if (isBytes(field, 5)) readInitializer(context, scope, context.enter(frame, field));
  else if (isBytes(field, 11)) addValue(scope, scope.inputs, readValueInfo(context, context.enter(frame, field)));
  else if (isBytes(field, 12)) addValue(scope, scope.outputs, readValueInfo(context, context.enter(frame, field)));
  else if (isBytes(field, 13)) addValue(scope, scope.inner, readValueInfo(context, context.enter(frame, field)));
  else if (isBytes(field, 15)) readSparseInitializer(context, scope, context.enter(frame, field));
}

export function addValue(scope: ScopeDraft, list: ValueInfo[], value: ValueInfo): void {
  list.push(value);
  scope.values.set(value.name, value);
}

function readInitializer(context: OnnxContext, scope: ScopeDraft, frame: Frame): void {
  let own = '';
  const tensor = readTensor(context, [frame], (name, at) => {
    own = name;
    return claimInitializer(context, scope, name, at);
  });
  scope.tensors.set(own, tensor);
  scope.dense.push([own, tensor]);
}

function readSparseInitializer(context: OnnxContext, scope: ScopeDraft, frame: Frame): void {
  let claimed: string | undefined;
  const own = readSparseTensor(
    context,
    [frame],
    (name, at) => (claimed ??= claimInitializer(context, scope, name, at)),
  );
  scope.sparse.push(own);
}

/** Which of two initializers of one name counts differs between runtimes. */
function claimInitializer(context: OnnxContext, scope: ScopeDraft, name: string, at: number): string {
  if (name === '') throw context.reader.fail('ONNX_NAME', at, { of: 'initializer' });
  if (scope.initialized.has(name) || scope.tensors.has(name)) {
    throw context.reader.fail('ONNX_DUPLICATE_NAME', at, { tensor: name });
  }
  scope.initialized.add(name);
  return `${scope.prefix}${name}`;
}

interface NodeDraft {
  readonly at: number;
  name: string;
  op: string;
  domain: string;
  overload: string;
  inputs: string[];
  outputs: string[];
  attributes: AttributeDraft[];
}

export function readNode(context: OnnxContext, scope: ScopeDraft, frame: Frame): GraphNode {
  context.spend(400, frame.start);
  const draft: NodeDraft = {
    at: frame.start,
    name: '',
    op: '',
    domain: '',
    overload: '',
    inputs: [],
    outputs: [],
    attributes: [],
  };
  context.reader.eachField(frame, (field) => {
    if (isBytes(field, 1)) draft.inputs = append(draft.inputs, context.text(field));
    else if (isBytes(field, 2)) draft.outputs = append(draft.outputs, context.text(field));
    else if (isBytes(field, 3)) draft.name = context.text(field);
    else if (isBytes(field, 4)) draft.op = context.text(field);
    else if (isBytes(field, 5)) {
      draft.attributes = append(draft.attributes, readAttributeDraft(context, context.enter(frame, field)));
    } else if (isBytes(field, 7)) draft.domain = toDomain(context.text(field));
    else if (isBytes(field, 8)) draft.overload = context.text(field);
  });
  context.calls?.add(toOperatorId(draft.domain, draft.op, draft.overload));
  const { name, op, domain, overload, inputs, outputs } = draft;
  const attributes = readAttributes(context, scope, draft);
  return { name, op, domain, ...(overload === '' ? null : { overload }), inputs, outputs, attributes };
}

function readAttributes(context: OnnxContext, scope: ScopeDraft, node: NodeDraft): ReadonlyMap<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  const key = node.name !== '' ? node.name : (node.outputs.find((name) => name !== '') ?? `#${scope.nodes.length}`);
  const isConstant = node.op === 'Constant' && node.domain === '';
  const output = node.outputs.at(0) ?? '';
  for (const draft of node.attributes) {
    if (attributes.has(draft.name)) {
      throw context.reader.fail('ONNX_DUPLICATE_NAME', draft.at, { attribute: draft.name });
    }
    const path = `${scope.prefix}${key}.${draft.name}`;
    const tensorPath = isConstant && output !== '' ? `${scope.prefix}${output}` : path;
    const attribute = readAttribute(context, draft, {
      path,
      tensorPath,
      readGraph: (parts, graphPath) => readGraph(context, parts, graphPath),
    });
    attributes.set(draft.name, attribute);
    if (isConstant && output !== '') addConstant(context, scope, output, draft, attribute);
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

const NUMBER_ATTRIBUTES: ReadonlyMap<string, { dtype: 'f32' | 'i64'; isScalar: boolean }> = new Map([
  ['value_float', { dtype: 'f32', isScalar: true }],
  ['value_floats', { dtype: 'f32', isScalar: false }],
  ['value_int', { dtype: 'i64', isScalar: true }],
  ['value_ints', { dtype: 'i64', isScalar: false }],
]);

function findNumberTensor(
  context: OnnxContext,
  scope: ScopeDraft,
  output: string,
  draft: AttributeDraft,
): TensorRef | undefined {
  const row = NUMBER_ATTRIBUTES.get(draft.name);
  const values: TypedValues | null = draft.numbers;
  if (row === undefined || values === null) return undefined;
  const { dtype, isScalar } = row;
  const tensor = new TypedTensor({
    name: context.claimName(`${scope.prefix}${output}`),
    dtype,
    shape: isScalar ? [] : [values.count],
    elementCount: values.count,
    byteLength: values.count * (dtype === 'f32' ? 4 : 8),
    values,
  });
  return context.place({ tensor, frame: draft.frame, at: draft.at, isWholeMessage: false });
}
