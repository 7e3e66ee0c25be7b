/** AttributeProto: exactly one content field, of the type that the attribute declares. */
import type { Attribute, Graph } from '../../model/types.ts';
import { isBytes, isVarint, type OnnxContext } from './context.ts';
import type { TypedField } from './dtypes.ts';
import type { ScopeDraft } from './scope-draft.ts';
import { append, NOTHING } from './short-list.ts';
import { readSparseTensor, readTensor } from './tensor.ts';
import { toInt64 } from './varint.ts';
import { type Fields, type Frame, WIRE } from './wire.ts';

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

/** An attribute before its graphs and tensors are read: they need its name first, which may come last. */
export interface AttributeDraft {
  readonly at: number;
  name: string;
  type: number;
  /** Name of the function attribute that this one stands for; "" for none. */
  reference: string;
  /** Numbers of the content fields that occur, one bit each. */
  present: number;
  /** f: the last occurrence; floats: all. */
  floats: number[];
  /** i: the last occurrence; ints: all. */
  ints: bigint[];
  /** The bytes of s, or of each of strings. */
  strings: Uint8Array[];
  /** t, g, sparse_tensor: the parts of one message; tensors, graphs, sparse_tensors: one each. */
  messages: Frame[];
  /** The AttributeProto of numbers that a Constant node may define a tensor with; null for others. */
  frame: Frame | null;
}

/** Numbers that a Constant node may hold in the place of a tensor, by the name of its attribute. */
export const CONSTANT_NUMBERS: ReadonlyMap<string, { dtype: 'f32' | 'i64'; field: TypedField }> = new Map([
  ['value_float', { dtype: 'f32', field: { number: 2, wire: WIRE.fixed32 } }],
  ['value_floats', { dtype: 'f32', field: { number: 7, wire: WIRE.fixed32 } }],
  ['value_int', { dtype: 'i64', field: { number: 3, wire: WIRE.varint } }],
  ['value_ints', { dtype: 'i64', field: { number: 8, wire: WIRE.varint } }],
]);

/** @throws FormatError ONNX_ATTRIBUTE | ONNX_NAME */
export function readAttributeDraft(context: OnnxContext, fields: Fields): AttributeDraft {
  const at = fields.end;
  context.spend(800, at);
  const draft: AttributeDraft = {
    at,
    name: '',
    type: 0,
    reference: '',
    present: 0,
    floats: NOTHING,
    ints: NOTHING,
    strings: NOTHING,
    messages: NOTHING,
    frame: null,
  };
  while (fields.next()) {
    if (isBytes(fields, 1)) draft.name = context.text(fields);
    else if (isVarint(fields, 20)) draft.type = fields.low | 0;
    else if (isBytes(fields, 21)) draft.reference = context.text(fields);
    else readContent(context, draft, fields);
  }
  if (draft.name === '') throw context.reader.fail('ONNX_NAME', at, { of: 'attribute' });
  assertType(context, draft);
  if (CONSTANT_NUMBERS.has(draft.name)) draft.frame = fields.toFrame();
  return draft;
}

function readContent(context: OnnxContext, draft: AttributeDraft, fields: Fields): void {
  const { number } = fields;
  if (!TYPE_OF_FIELD.has(number)) return;
  if (number === 2 || number === 7) readFloats(context, draft, fields);
  else if (number === 3 || number === 8) readInts(context, draft, fields);
  else if (fields.wire === WIRE.bytes) {
    draft.present |= 1 << number;
    if (number === 4) draft.strings = [context.bytes(fields)];
    else if (number === 9) draft.strings = append(draft.strings, context.bytes(fields));
    else draft.messages = append(draft.messages, context.toInnerFrame(fields));
  }
}

const word = new DataView(new ArrayBuffer(4));

/** f, of which the last occurrence counts, and floats, packed or not. Other wire types are unknown fields. */
function readFloats(context: OnnxContext, draft: AttributeDraft, fields: Fields): void {
  const { number, wire, start, end } = fields;
  const isPacked = number === 7 && wire === WIRE.bytes;
  if (wire !== WIRE.fixed32 && !isPacked) return;
  if ((end - start) % 4 !== 0) throw context.reader.fail('ONNX_WIRE', start, { problem: 'broken packed field' });
  draft.present |= 1 << number;
  if (number === 2) draft.floats = NOTHING;
  for (let at = start; at < end; at += 4) {
    context.spend(16, start);
    word.setUint32(0, context.reader.word(at));
    draft.floats = append(draft.floats, word.getFloat32(0));
  }
}

/** i, of which the last occurrence counts, and ints, packed or not. Other wire types are unknown fields. */
function readInts(context: OnnxContext, draft: AttributeDraft, fields: Fields): void {
  const { number, wire, start, end } = fields;
  const isPacked = number === 8 && wire === WIRE.bytes;
  if (wire !== WIRE.varint && !isPacked) return;
  draft.present |= 1 << number;
  if (number === 3) draft.ints = NOTHING;
  for (let at = start; at < end; ) {
    context.spend(40, start);
    at = context.reader.varint(at, end);
    draft.ints = append(draft.ints, toInt64(context.reader.low, context.reader.high));
  }
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

/** Where an attribute stands. */
export interface AttributePlace {
  readonly scope: ScopeDraft;
  /** Name of the node; "" for a default of a function. */
  readonly node: string;
  /** The value that the node defines by its attribute; "" for all nodes but Constant. */
  readonly constant: string;
  readonly readGraph: (context: OnnxContext, parts: readonly Frame[], path: string) => Graph;
}

/** Reads the content of an attribute, with the tensors and graphs in it. @throws FormatError */
export function readAttribute(context: OnnxContext, draft: AttributeDraft, place: AttributePlace): Attribute {
  const { messages, type } = draft;
  if (draft.reference !== '') return { kind: 'other', type, reference: draft.reference };
  switch (type) {
    case TYPE.float:
      return { kind: 'float', value: draft.floats.at(0) ?? 0 };
    case TYPE.int:
      return { kind: 'int', value: draft.ints.at(0) ?? 0n };
    case TYPE.floats:
      return { kind: 'floats', values: draft.floats };
    case TYPE.ints:
      return { kind: 'ints', values: draft.ints };
    case TYPE.string:
      return { kind: 'string', value: draft.strings.at(0) ?? new Uint8Array(0) };
    case TYPE.strings:
      return { kind: 'strings', values: draft.strings };
    case TYPE.tensor:
      assertSomeMessage(context, draft);
      return { kind: 'tensor', tensor: readTensor(context, messages, toTensorPath(draft, place)) };
    case TYPE.graph:
      assertSomeMessage(context, draft);
      return { kind: 'graph', graph: place.readGraph(context, messages, toPath(draft, place)) };
    case TYPE.graphs: {
      const path = toPath(draft, place);
      return { kind: 'graphs', graphs: messages.map((part, i) => place.readGraph(context, [part], `${path}[${i}]`)) };
    }
    default:
      readOther(context, draft, place);
      return { kind: 'other', type };
  }
}

function toPath({ name }: AttributeDraft, { scope, node }: AttributePlace): string {
  return node === '' ? name : scope.toPath(`${node}.${name}`);
}

function toTensorPath(draft: AttributeDraft, place: AttributePlace): string {
  return place.constant === '' ? toPath(draft, place) : place.scope.toPath(place.constant);
}

/** Kinds that the graph does not interpret, whose tensors are nevertheless tensors of the model. */
function readOther(context: OnnxContext, draft: AttributeDraft, place: AttributePlace): void {
  const { messages } = draft;
  const path = toPath(draft, place);
  if (isPresent(draft, 10)) messages.forEach((part, i) => readTensor(context, [part], `${path}[${i}]`));
  if (isPresent(draft, 22)) readSparseTensor(context, messages, () => toTensorPath(draft, place));
  if (isPresent(draft, 23)) {
    messages.forEach((part, i) => readSparseTensor(context, [part], () => `${path}[${i}]`));
  }
}

function assertSomeMessage(context: OnnxContext, draft: AttributeDraft): void {
  if (draft.messages.length > 0) return;
  throw context.reader.fail('ONNX_ATTRIBUTE', draft.at, { attribute: draft.name, type: draft.type });
}
