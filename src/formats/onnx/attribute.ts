/** AttributeProto: exactly one content field, of the type that the attribute declares. */
import type { Attribute, Graph } from '../../model/types.ts';
import { isBytes, isVarint, type OnnxContext } from './context.ts';
import { readSparseTensor, readTensor } from './tensor.ts';
import { TypedValues } from './typed.ts';
import { append, type Field, type Frame, toInt64, WIRE } from './wire.ts';

/** AttributeProto.AttributeType by the number of the content field. */
const TYPE_OF_FIELD: ReadonlyMap<number, number> = new Map([
  [2, 1], // f
  [3, 2], // i
  [4, 3], // s
  [5, 4], // t
  [6, 5], // g
  [7, 6], // floats
  [8, 7], // ints
  [9, 8], // strings
  [10, 9], // tensors
  [11, 10], // graphs
  [22, 11], // sparse_tensor
  [23, 12], // sparse_tensors
  [14, 13], // tp
  [15, 14], // type_protos
]);
const TYPE_MAX = 14;
/** What `present` is when an attribute has content of its type alone. */
const BIT_OF_TYPE: ReadonlyMap<number, number> = new Map(
  [...TYPE_OF_FIELD].map(([number, type]) => [type, 1 << number]),
);

const TYPE = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8, graphs: 10 } as const;

/** An attribute before its content is read: graphs and tensors need the name first, which may come last. */
export interface AttributeDraft {
  readonly at: number;
  readonly frame: Frame;
  name: string;
  type: number;
  /** Name of the function attribute that this one stands for; "" for none. */
  reference: string;
  /** Numbers of the content fields that occur, one bit each. */
  present: number;
  /** f, i: the last occurrence; floats, ints: all. */
  numbers: TypedValues | null;
  /** The bytes of s, or of each of strings. */
  strings: Uint8Array[];
  /** t, g, sparse_tensor: the parts of one message; tensors, graphs, sparse_tensors: one each. */
  messages: Frame[];
}

/** @throws FormatError ONNX_ATTRIBUTE | ONNX_NAME */
export function readAttributeDraft(context: OnnxContext, frame: Frame): AttributeDraft {
  context.spend(800, frame.start);
  const draft: AttributeDraft = {
    at: frame.start,
    frame,
    name: '',
    type: 0,
    reference: '',
    present: 0,
    numbers: null,
    strings: [],
    messages: [],
  };
  context.reader.eachField(frame, (field) => {
    if (isBytes(field, 1)) draft.name = context.text(field);
    else if (isVarint(field, 20)) draft.type = field.low | 0;
    else if (isBytes(field, 21)) draft.reference = context.text(field);
    else readContent(context, draft, field);
  });
  if (draft.name === '') throw context.reader.fail('ONNX_NAME', draft.at, { of: 'attribute' });
  assertType(context, draft);
  return draft;
}

function readContent(context: OnnxContext, draft: AttributeDraft, field: Field): void {
  const { number } = field;
  if (!TYPE_OF_FIELD.has(number)) return;
  if (number === 2 || number === 3 || number === 7 || number === 8) {
    readNumbers(context, draft, field);
    return;
  }
  if (field.wire !== WIRE.bytes) return;
  draft.present |= 1 << number;
  if (number === 4) draft.strings = [];
  if (number === 4 || number === 9) draft.strings = append(draft.strings, context.bytes(field));
  else draft.messages = append(draft.messages, context.enter(draft.frame, field));
}

function readNumbers(context: OnnxContext, draft: AttributeDraft, field: Field): void {
  const wire = field.number === 2 || field.number === 7 ? WIRE.fixed32 : WIRE.varint;
  const isRepeated = field.number >= 7;
  if (field.wire !== wire && !(isRepeated && field.wire === WIRE.bytes)) return;
  draft.present |= 1 << field.number;
  // Of a singular field the last occurrence counts, so it starts over.
  if (!isRepeated || draft.numbers === null) {
    draft.numbers = new TypedValues(context.reader, { number: field.number, wire });
  }
  draft.numbers.add(field, context.spend);
}

/** Content of another type than the declared one is where a second payload hides; runtimes read the declared one. */
function assertType(context: OnnxContext, draft: AttributeDraft): void {
  if (draft.type > 0 && draft.present === BIT_OF_TYPE.get(draft.type) && draft.reference === '') return;
  const types = [...TYPE_OF_FIELD].filter(([number]) => isPresent(draft, number)).map(([, type]) => type);
  const fail = (): Error =>
    context.reader.fail('ONNX_ATTRIBUTE', draft.at, { attribute: draft.name, type: draft.type, content: types });
  if (draft.type < 0 || draft.type > TYPE_MAX) throw fail();
  if (draft.reference !== '') {
    if (types.length > 0) throw fail();
    return;
  }
  // Files older than IR 2 declare no type.
  if (draft.type === 0 && types.length === 1) draft.type = types[0];
  if (draft.type === 0 || types.some((type) => type !== draft.type)) throw fail();
}

function isPresent(draft: AttributeDraft, number: number): boolean {
  return (draft.present & (1 << number)) !== 0;
}

export interface AttributePlace {
  /** Path of the node's attribute, for the tensors and graphs inside it. */
  readonly path: string;
  /** Path of a tensor attribute; Constant nodes name it after their output. */
  readonly tensorPath: string;
  readonly readGraph: (parts: readonly Frame[], path: string) => Graph;
}

/** Reads the content of an attribute, with the tensors and graphs in it. @throws FormatError */
export function readAttribute(context: OnnxContext, draft: AttributeDraft, place: AttributePlace): Attribute {
  const { messages, numbers, strings, type } = draft;
  if (draft.reference !== '') return { kind: 'other', type, reference: draft.reference };
  switch (type) {
    case TYPE.float:
      return { kind: 'float', value: toFloats(context, draft, numbers).at(0) ?? 0 };
    case TYPE.int:
      return { kind: 'int', value: toInts(context, draft, numbers).at(0) ?? 0n };
    case TYPE.floats:
      return { kind: 'floats', values: toFloats(context, draft, numbers) };
    case TYPE.ints:
      return { kind: 'ints', values: toInts(context, draft, numbers) };
    case TYPE.string:
      return { kind: 'string', value: strings.at(0) ?? new Uint8Array(0) };
    case TYPE.strings:
      return { kind: 'strings', values: strings };
    case TYPE.tensor:
      assertSomeMessage(context, draft);
      return { kind: 'tensor', tensor: readTensor(context, messages, () => place.tensorPath) };
    case TYPE.graph:
      assertSomeMessage(context, draft);
      return { kind: 'graph', graph: place.readGraph(messages, place.path) };
    case TYPE.graphs:
      return { kind: 'graphs', graphs: messages.map((part, i) => place.readGraph([part], `${place.path}[${i}]`)) };
    default:
      readOther(context, draft, place);
      return { kind: 'other', type };
  }
}

/** Kinds that the graph does not interpret, whose tensors are nevertheless tensors of the model. */
function readOther(context: OnnxContext, draft: AttributeDraft, place: AttributePlace): void {
  const { messages } = draft;
  if (isPresent(draft, 10)) messages.forEach((part, i) => readTensor(context, [part], () => `${place.path}[${i}]`));
  if (isPresent(draft, 22)) readSparseTensor(context, messages, () => place.tensorPath);
  if (isPresent(draft, 23))
    messages.forEach((part, i) => readSparseTensor(context, [part], () => `${place.path}[${i}]`));
}

function assertSomeMessage(context: OnnxContext, draft: AttributeDraft): void {
  if (draft.messages.length > 0) return;
  throw context.reader.fail('ONNX_ATTRIBUTE', draft.at, { attribute: draft.name, type: draft.type });
}

const word = new DataView(new ArrayBuffer(4));

function toFloats(context: OnnxContext, draft: AttributeDraft, numbers: TypedValues | null): number[] {
  const values: number[] = [];
  context.spend(16 * (numbers?.count ?? 0), draft.at);
  if (numbers !== null && numbers.count > 0) {
    numbers.forEach(0, numbers.count, (low) => {
      word.setUint32(0, low);
      values.push(word.getFloat32(0));
    });
  }
  return values;
}

function toInts(context: OnnxContext, draft: AttributeDraft, numbers: TypedValues | null): bigint[] {
  const values: bigint[] = [];
  context.spend(40 * (numbers?.count ?? 0), draft.at);
  if (numbers !== null && numbers.count > 0) {
    numbers.forEach(0, numbers.count, (low, high) => {
      values.push(toInt64(low, high));
    });
  }
  return values;
}
