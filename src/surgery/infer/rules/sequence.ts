/** Sequences and optional values. */
import { findOnnxDType } from '../../../formats/index.ts';
import { type Call, one, type Rule } from '../call.ts';
import { toCommonType, toSequenceType, toTensorType, type TensorType, UNKNOWN } from '../types.ts';

/** What every element of a sequence input is. */
function toElementType(call: Call, input: number): TensorType {
  const type = call.type(input);
  return type.kind === 'sequence' ? type.element : UNKNOWN;
}

const common = (types: readonly TensorType[]): TensorType =>
  types.reduce((a, b) => {
    const both = toCommonType(a, b);
    return both.kind === 'tensor' ? both : UNKNOWN;
  });

const plain = ({ dtype, shape }: TensorType): TensorType => toTensorType(dtype, shape);

const construct: Rule = (call) => one(toSequenceType(common(call.tensors().map(plain))));
const empty: Rule = (call) => one(toSequenceType(toTensorType(findOnnxDType(call.int('dtype', 1)) ?? null, null)));
const at: Rule = (call) => one(toElementType(call, 0));
const erase: Rule = (call) => one(toSequenceType(toElementType(call, 0)));
/** An empty sequence says nothing of the shape of what is put in. */
const insert: Rule = (call) => one(toSequenceType(common([toElementType(call, 0), plain(call.tensor(1))])));
const length: Rule = () => one(toTensorType('i64', []));

const splitToSequence: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  if (shape === null) return one(toSequenceType(toTensorType(dtype, null)));
  const axis = call.axis(call.int('axis', 0), shape.length);
  if (axis === null) return one(toSequenceType(toTensorType(dtype, null)));
  const sizes = call.has(1) ? call.tensor(1).value : [1];
  const [first] = sizes ?? [null];
  const isEven = typeof first === 'number' && toIsEven(call, shape[axis], first, sizes!.length);
  const keeps = call.has(1) || call.int('keepdims', 1) !== 0;
  const dims = shape.map((dim, i) => (i === axis ? (isEven ? first : null) : dim));
  return one(toSequenceType(toTensorType(dtype, keeps ? dims : dims.filter((_, i) => i !== axis))));
};

/** True when all parts have the size `first`. */
function toIsEven(call: Call, whole: string | number | null, first: number, count: number): boolean {
  if (first === 1 && !call.has(1)) return true;
  const isOneSize = call.shape(1)?.length === 0;
  if (isOneSize) return typeof whole === 'number' && whole % first === 0;
  const sizes = call.numbers(1);
  return sizes?.length === count && sizes.every((size) => size === first);
}

const concatFromSequence: Rule = (call) => {
  const { dtype, shape } = toElementType(call, 0);
  if (shape === null) return one(toTensorType(dtype, null));
  const isNew = call.int('new_axis', 0) !== 0;
  const axis = call.axis(call.int('axis', 0), shape.length + (isNew ? 1 : 0));
  if (axis === null) return one(toTensorType(dtype, null));
  const rest = isNew ? shape.slice(axis) : shape.slice(axis + 1);
  return one(toTensorType(dtype, [...shape.slice(0, axis), null, ...rest]));
};

const optional: Rule = (call) => {
  const element = call.type(0);
  return call.has(0) && element.kind !== 'optional' ? one({ kind: 'optional', element }) : [];
};

const getElement: Rule = (call) => {
  const type = call.type(0);
  return one(type.kind === 'optional' ? type.element : type);
};

const hasElement: Rule = () => one(toTensorType('bool', []));

/** Runs a graph for every element; sequences of one length come out. */
const map: Rule = (call) => {
  const body = call.graph('body');
  if (body === null) return [];
  const inputs = Array.from({ length: call.inputCount }, (_, i) =>
    call.type(i).kind === 'sequence' ? toElementType(call, i) : plain(call.tensor(i)),
  );
  return call.inferGraph(body, inputs).map((type) => toSequenceType(type.kind === 'tensor' ? plain(type) : UNKNOWN));
};

export const SEQUENCE: Readonly<Record<string, Rule>> = {
  ConcatFromSequence: concatFromSequence,
  Optional: optional,
  OptionalGetElement: getElement,
  OptionalHasElement: hasElement,
  SequenceAt: at,
  SequenceConstruct: construct,
  SequenceEmpty: empty,
  SequenceErase: erase,
  SequenceInsert: insert,
  SequenceLength: length,
  SequenceMap: map,
  SplitToSequence: splitToSequence,
};
