/** Reductions along axes. */
import { type Call, one, type Rule, rows } from '../call.ts';
import { type Element, type Shape, toTensorType, type TensorType } from '../types.ts';
import { valued } from '../values/follow.ts';
import { toElement } from '../values/scalars.ts';

/** The opset from which on the axes are an input. */
const AXES_INPUT_FROM = 18;

/** Axes that are reduced; undefined for all, null when unknown. */
function toAxes(call: Call): readonly number[] | null | undefined {
  const from = call.op === 'ReduceSum' ? 13 : AXES_INPUT_FROM;
  if (call.version < from) return call.ints('axes') ?? undefined;
  if (!call.has(1)) return undefined;
  return call.numbers(1);
}

function toReducedShape(call: Call, shape: Shape | null, given: readonly number[] | null | undefined): Shape | null {
  const keeps = call.int('keepdims', 1) !== 0;
  const isAll = given === undefined || given?.length === 0;
  if (isAll && call.int('noop_with_empty_axes', 0) !== 0) return shape;
  if (shape === null) return isAll && !keeps ? [] : null;
  if (given === null) return keeps ? shape.map(() => null) : null;
  const axes = isAll ? shape.map((_, axis) => axis) : call.axes(given, shape.length);
  if (axes === null) return null;
  return keeps ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) : shape.filter((_, i) => !axes.includes(i));
}

const reduce: Rule = (call) => {
  const { dtype, shape, value } = call.tensor(0);
  const out = toTensorType(dtype, toReducedShape(call, shape, toAxes(call)));
  const fold = FOLDS[call.op];
  const isSingle = out.shape?.every((dim) => dim === 1) === true && shape !== null && toAxes(call) !== null;
  const isWhole = dtype === 'i64' || dtype === 'i32';
  if (fold === undefined || !isSingle || !isWhole || value === null || value.length === 0) return one(out);
  return one(valued(out, [toFolded(fold, value, out)]));
};

const FOLDS: Readonly<Record<string, ((a: number, b: number) => number) | undefined>> = {
  ReduceMax: Math.max,
  ReduceMin: Math.min,
  ReduceProd: (a, b) => a * b,
  ReduceSum: (a, b) => a + b,
};

function toFolded(fold: (a: number, b: number) => number, value: readonly Element[], out: TensorType): Element {
  // One element alone is itself, even when it is a symbol.
  if (value.length === 1) return value[0];
  if (!value.every((element) => typeof element === 'number')) return null;
  return toElement(out.dtype!, value.reduce(fold));
}

const argument: Rule = (call) => {
  const { shape } = call.tensor(0);
  return one(toTensorType('i64', toReducedShape(call, shape, [call.int('axis', 0)])));
};

export const REDUCE: Readonly<Record<string, Rule>> = Object.fromEntries([
  ...rows(
    reduce,
    'ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare',
  ),
  ...rows(argument, 'ArgMax ArgMin'),
]);
