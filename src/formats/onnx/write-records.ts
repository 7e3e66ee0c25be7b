/** NodeProto, ValueInfoProto, GraphProto, FunctionProto and OperatorSetIdProto written for a document. */
import type {
  AnnotationRecord,
  FunctionRecord,
  InitializerRecord,
  NodeRecord,
  OpsetRecord,
  Place,
  ScopeRecord,
  ValueRecord,
} from '../../model/document.ts';
import { FormatError } from '../../core/errors.ts';
import { isBytes } from './context.ts';
import { toOnnxCode } from './dtypes.ts';
import { OpList } from './op-list.ts';
import { toPlace, walkPlace } from './place.ts';
import { type FieldItem, type FieldPlan, toTextPlan, toWholePlan, weaveMessage } from './weave.ts';
import { toInt64Halves, toTag, toVarint } from './varint.ts';
import { WIRE } from './wire.ts';
import { toAttributesPlan } from './write-attribute.ts';
import type { WriteContext } from './write-context.ts';
import { writeTensor } from './write-tensor.ts';

interface Record {
  readonly place: Place | null;
}

/** Records of one repeated field. */
export function toRecordsPlan<T extends Record>(
  number: number,
  records: readonly T[],
  write: (record: T, out: OpList) => void,
): FieldPlan {
  return { number, items: records.map((record) => new RecordItem(record, write)) };
}

/** A class, so that a graph of thousands of nodes, all but one the same, shares one `write`. */
class RecordItem<T extends Record> implements FieldItem {
  readonly place: Place | null;
  readonly isSame: boolean;
  readonly #record: T;
  readonly #write: (record: T, out: OpList) => void;

  constructor(record: T, write: (record: T, out: OpList) => void) {
    this.place = record.place;
    this.isSame = record.place?.record === record;
    this.#record = record;
    this.#write = write;
  }

  write(out: OpList): void {
    this.#write(this.#record, out);
  }
}

/** What the record was when it was read. */
function findBefore<T extends Record>(record: T): T | null {
  return (record.place?.record ?? null) as T | null;
}

/** A plan for a string field that was `before`, when it is another now. */
function toChangedText(number: number, before: string | undefined, after: string): readonly FieldPlan[] {
  if (before === undefined ? after === '' : before === after) return [];
  return [toTextPlan(number, after === '' ? [] : [after])];
}

function toChangedTexts(
  number: number,
  before: readonly string[] | undefined,
  after: readonly string[],
): readonly FieldPlan[] {
  const isSame = before === after || (before?.length === after.length && after.every((text, i) => text === before[i]));
  return isSame ? [] : [toTextPlan(number, after)];
}

function writeNode(context: WriteContext, node: NodeRecord, out: OpList): void {
  const before = findBefore(node);
  const plans = [
    ...toChangedTexts(1, before?.inputs, node.inputs),
    ...toChangedTexts(2, before?.outputs, node.outputs),
    ...toChangedText(3, before?.name, node.name),
    ...toChangedText(4, before?.op, node.op),
  ];
  if (node.attributes !== before?.attributes) {
    const after = node.attributes;
    const options = { number: 5, place: node.place, before: before?.attributes ?? new Map(), after, writeScope };
    plans.push(toAttributesPlan(context, options));
  }
  plans.push(...toChangedText(7, before?.domain, node.domain), ...toChangedText(8, before?.overload, node.overload));
  weaveMessage(context.findReader, node.place, plans, out);
}

function writeValue(context: WriteContext, value: ValueRecord, out: OpList): void {
  const before = findBefore(value);
  const plans = [...toChangedText(1, before?.name, value.name)];
  const isSameType = before !== null && before.dtype === value.dtype && before.shape === value.shape;
  if (!isSameType && value.dtype !== null) plans.push(toTypePlan(context, value));
  weaveMessage(context.findReader, value.place, plans, out);
}

/** TypeProto of a tensor. */
function toTypePlan(context: WriteContext, value: ValueRecord): FieldPlan {
  const code = value.dtype === null ? undefined : toOnnxCode(value.dtype);
  if (code === undefined) {
    throw new FormatError('FORMAT_GRAPH_UNSUPPORTED', { fields: { value: value.name, dtype: value.dtype } });
  }
  const nest = (number: number, ...plans: readonly FieldPlan[]): FieldPlan => {
    const write = (out: OpList): void => {
      weaveMessage(context.findReader, null, plans, out);
    };
    return { number, items: [{ place: null, isSame: false, write }] };
  };
  const dims = value.shape?.map((dim): FieldPlan => {
    if (dim === null) return nest(1);
    return nest(1, typeof dim === 'string' ? toTextPlan(2, [dim]) : toIntPlan(1, dim));
  });
  const element = toIntPlan(1, code);
  return nest(2, nest(1, element, ...(dims === undefined ? [] : [nest(2, ...dims)])));
}

function toIntPlan(number: number, value: number): FieldPlan {
  const { low, high } = toInt64Halves(BigInt(value));
  return toWholePlan(number, toTag(number, WIRE.varint), toVarint(low, high));
}

function writeInitializer(context: WriteContext, initializer: InitializerRecord, out: OpList): void {
  const { name, tensor } = initializer;
  if (tensor !== null) {
    writeTensor(context, name, tensor, out);
    return;
  }
  // A sparse initializer is called as its values are.
  const { place } = initializer;
  if (place === null) throw new TypeError('a sparse initializer can be kept and renamed, not made');
  const items: FieldItem[] = [];
  const fields = walkPlace(context.findReader(place.source), place);
  while (fields.next()) {
    if (!isBytes(fields, 1)) continue;
    const values = toPlace(place.source, fields);
    const write = (inner: OpList): void => {
      weaveMessage(context.findReader, values, [toTextPlan(8, [name])], inner);
    };
    items.push({ place: values, isSame: false, write });
  }
  weaveMessage(context.findReader, place, [{ number: 1, items }], out);
}

function writeAnnotation(context: WriteContext, annotation: AnnotationRecord, out: OpList): void {
  const entries = annotation.parameters.map(([key, value]): FieldItem => {
    const write = (inner: OpList): void => {
      weaveMessage(context.findReader, null, [toTextPlan(1, [key]), toTextPlan(2, [value])], inner);
    };
    return { place: null, isSame: false, write };
  });
  const plans = [toTextPlan(1, [annotation.value]), { number: 2, items: entries }];
  weaveMessage(context.findReader, annotation.place, plans, out);
}

/** GraphProto. */
export function writeScope(context: WriteContext, scope: ScopeRecord, out: OpList): void {
  const before = findBefore(scope);
  const value = (record: ValueRecord, into: OpList): void => {
    writeValue(context, record, into);
  };
  const initializer = (record: InitializerRecord, into: OpList): void => {
    writeInitializer(context, record, into);
  };
  const plans: FieldPlan[] = [];
  if (scope.nodes !== before?.nodes) plans.push(toNodesPlan(context, 1, scope));
  plans.push(...toChangedText(2, before?.name, scope.name));
  if (scope.initializers !== before?.initializers) {
    const { initializers } = scope;
    plans.push(
      toRecordsPlan(
        5,
        initializers.filter(({ tensor }) => tensor !== null),
        initializer,
      ),
    );
    plans.push(
      toRecordsPlan(
        15,
        initializers.filter(({ tensor }) => tensor === null),
        initializer,
      ),
    );
  }
  if (scope.inputs !== before?.inputs) plans.push(toRecordsPlan(11, scope.inputs, value));
  if (scope.outputs !== before?.outputs) plans.push(toRecordsPlan(12, scope.outputs, value));
  if (scope.values !== before?.values) plans.push(toRecordsPlan(13, scope.values, value));
  if (scope.annotations !== before?.annotations) {
    plans.push(
      toRecordsPlan(14, scope.annotations, (record, into) => {
        writeAnnotation(context, record, into);
      }),
    );
  }
  weaveMessage(context.findReader, scope.place, plans, out);
}

function toNodesPlan(context: WriteContext, number: number, scope: ScopeRecord): FieldPlan {
  return toRecordsPlan(number, scope.nodes, (node, out) => {
    writeNode(context, node, out);
  });
}

/** FunctionProto. */
export function writeFunction(
  context: WriteContext,
  record: FunctionRecord,
  before: FunctionRecord | null,
  out: OpList,
): void {
  const { body } = record;
  const bodyBefore = before?.body ?? null;
  const names = (values: readonly ValueRecord[]): string[] => values.map(({ name }) => name);
  const plans: FieldPlan[] = [
    ...toChangedText(1, before?.name, record.name),
    ...toChangedTexts(4, bodyBefore === null ? undefined : names(bodyBefore.inputs), names(body.inputs)),
    ...toChangedTexts(5, bodyBefore === null ? undefined : names(bodyBefore.outputs), names(body.outputs)),
    ...toChangedTexts(6, before?.attributes, record.attributes),
  ];
  if (body.nodes !== bodyBefore?.nodes) plans.push(toNodesPlan(context, 7, body));
  if (record.opsets !== before?.opsets) plans.push(toOpsetsPlan(context, 9, record.opsets));
  plans.push(...toChangedText(10, before?.domain, record.domain));
  if (record.defaults !== before?.defaults) {
    const options = { number: 11, place: body.place, before: before?.defaults ?? new Map(), writeScope };
    plans.push(toAttributesPlan(context, { ...options, after: record.defaults }));
  }
  if (body.values !== bodyBefore?.values) {
    plans.push(
      toRecordsPlan(12, body.values, (value, into) => {
        writeValue(context, value, into);
      }),
    );
  }
  plans.push(...toChangedText(13, before?.overload, record.overload));
  weaveMessage(context.findReader, body.place, plans, out);
}

export function toOpsetsPlan(context: WriteContext, number: number, opsets: readonly OpsetRecord[]): FieldPlan {
  return toRecordsPlan(number, opsets, ({ domain, version, place }, out) => {
    const before = (place?.record ?? null) as OpsetRecord | null;
    // An empty domain is written out: some readers tell it from a missing one.
    const domains = before?.domain === domain ? [] : [toTextPlan(1, [domain])];
    weaveMessage(context.findReader, place, [...domains, toIntPlan(2, version)], out);
  });
}
