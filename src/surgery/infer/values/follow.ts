/** Values of small tensors followed through operators that work element by element. */
import { SURGERY_LIMITS } from '../../../core/limits/surgery.ts';
import { DTYPES, type DType } from '../../../model/dtype.ts';
import type { Call, Rule } from '../call.ts';
import { ConstantType, isFollowed } from '../constants.ts';
import { findCount } from '../dims.ts';
import type { Element, Elements, InferredType, TensorType } from '../types.ts';
import { expand, findConcrete } from './move.ts';
import { SCALARS, toElement } from './scalars.ts';

/** `type` with `value`, when it is a value that is followed and fits. */
export function valued(type: TensorType, value: Elements | null): TensorType {
  if (value === null || !isFollowed(type.dtype) || findCount(type.shape) !== value.length) return type;
  return value.length > SURGERY_LIMITS.inferValueElementsMax ? type : { ...type, value };
}

/** `rule`, and the elements of its first output where the inputs are small and known. */
export const withValue =
  (rule: Rule): Rule =>
  (call) => {
    const outputs = rule(call);
    const [first] = outputs;
    if (first.kind !== 'tensor') return outputs;
    return [valued(first, findElements(call, first)), ...outputs.slice(1)] satisfies InferredType[];
  };

function findElements(call: Call, out: TensorType): Elements | null {
  const count = findCount(out.shape);
  const shape = findConcrete(out.shape);
  if (shape === null || count === null || count > SURGERY_LIMITS.inferValueElementsMax) return null;
  if (!isFollowed(out.dtype) || isOldOrOdd(call)) return null;
  const inputs = call.tensors();
  // What is not in a file is looked at first: constants are read only when that helps.
  if (inputs.some((input) => !(input instanceof ConstantType) && input.value === null)) return null;
  const values = inputs.map((input) => {
    const from = findConcrete(input.shape);
    return from === null || input.value === null ? null : expand(input.value, from, shape);
  });
  if (!values.every((value) => value !== null)) return null;
  return compute(call, out.dtype, inputs, values);
}

/** Calls whose meaning hangs on more than the inputs. */
function isOldOrOdd(call: Call): boolean {
  const isOldBroadcast = call.version < 7 && call.inputCount === 2;
  return (
    isOldBroadcast || (call.op === 'Mod' && call.int('fmod', 0) !== 0) || (call.op === 'Clip' && call.version < 11)
  );
}

function compute(call: Call, dtype: DType, inputs: readonly TensorType[], values: readonly Elements[]): Elements {
  const from = inputs[call.op === 'Where' ? 1 : 0].dtype ?? dtype;
  const scalar = call.op === 'Clip' ? toClip(call) : SCALARS[call.op];
  // A target of a cast gives its type, not its elements.
  const arity = call.op === 'CastLike' ? 1 : values.length;
  return values[0].map((_, i) => {
    const result = scalar(
      values.slice(0, arity).map((value) => value[i]),
      from,
    );
    return typeof result === 'number' ? toStored(call, dtype, from, result) : toSymbol(dtype, result);
  });
}

/** A float becomes an integer by cutting off; everything else must fit. */
function toStored(call: Call, dtype: DType, from: DType, number: number): Element {
  const isCut = call.op.startsWith('Cast') && DTYPES[from].kind === 'float' && dtype !== 'bool';
  if (isCut && DTYPES[dtype].kind !== 'float') return toElement(dtype, Math.trunc(number));
  if (dtype === 'bool') return number === 0 ? 0 : 1;
  return toElement(dtype, number);
}

/** Symbols stand for dimensions; only types that shapes are computed in carry them. */
function toSymbol(dtype: DType, element: Element): Element {
  return dtype === 'i64' || dtype === 'i32' ? element : null;
}

/** Bounds that are omitted do not count. */
function toClip(call: Call): (args: readonly Element[]) => Element {
  const hasMin = call.has(1);
  return ([x, a, b]) => {
    const low = hasMin ? a : -Infinity;
    const high = hasMin ? b : a;
    if (typeof x !== 'number' || typeof low !== 'number' || (call.has(2) && typeof high !== 'number')) return null;
    const top = call.has(2) ? (high as number) : Infinity;
    return Number.isNaN(x) ? null : Math.min(Math.max(x, low), top);
  };
}
