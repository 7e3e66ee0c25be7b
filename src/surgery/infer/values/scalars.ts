/** Operators on single elements, as runtimes compute them; null where the result is not certain. */
import { DTYPES, type DType } from '../../../model/dtype.ts';
import type { Element } from '../types.ts';
import { isFollowed } from '../constants.ts';

/** What an operator makes of elements of type `from`; attributes come as numbers. */
export type Scalar = (args: readonly Element[], from: DType) => Element;

/** The number as an element of `dtype`, rounded as the type rounds; null when the type cannot hold it. */
export function toElement(dtype: DType, number: number): Element {
  if (dtype === 'f32') return Math.fround(number);
  if (dtype === 'f64') return number;
  if (!isFollowed(dtype) || !Number.isSafeInteger(number)) return null;
  const { bits, kind } = DTYPES[dtype];
  if (kind === 'bool') return number === 0 ? 0 : 1;
  const [min, max] = kind === 'int' ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  // Adding zero takes the sign from a negative zero.
  return number >= min && number <= max ? number + 0 : null;
}

const isFloat = (dtype: DType): boolean => DTYPES[dtype].kind === 'float';

/** A function of numbers; symbols and unknown elements make the result unknown. */
const ofNumbers =
  (compute: (args: readonly number[], from: DType) => number | null): Scalar =>
  (args, from) =>
    args.every((arg) => typeof arg === 'number') ? compute(args, from) : null;

/** Arithmetic in which one number leaves the other argument, even a symbol, as it is. */
const withNeutral =
  (
    compute: (a: number, b: number, from: DType) => number | null,
    neutral: (a: Element, b: Element) => Element,
  ): Scalar =>
  (args, from) => {
    const [a, b] = args;
    if (typeof a === 'number' && typeof b === 'number') return compute(a, b, from);
    return neutral(a, b);
  };

/** Whether a comparison holds; symbols are dimensions, which are never negative. */
const comparing =
  (compute: (a: number, b: number) => boolean, isReflexive: boolean): Scalar =>
  ([a, b]) => {
    if (typeof a === 'number' && typeof b === 'number')
      return a === b && !Number.isFinite(a) ? null : compute(a, b) ? 1 : 0;
    if (typeof a === 'string' && a === b) return isReflexive ? 1 : 0;
    if (typeof a === 'string' && typeof b === 'number' && b < 0) return compute(0, -1) ? 1 : 0;
    if (typeof b === 'string' && typeof a === 'number' && a < 0) return compute(-1, 0) ? 1 : 0;
    return null;
  };

function divide(a: number, b: number, from: DType): number | null {
  if (isFloat(from)) return a / b;
  return b === 0 ? null : Number(BigInt(a) / BigInt(b));
}

/** The sign of the divisor, as Mod without fmod. */
function modulo(a: number, b: number, from: DType): number | null {
  if (isFloat(from) || b === 0) return null;
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Runtimes differ on NaN. */
const extreme = (compute: (...args: number[]) => number): Scalar =>
  ofNumbers((args) => (args.some(Number.isNaN) ? null : compute(...args)));

const neutral = (number: number, both: boolean) => (a: Element, b: Element) =>
  b === number ? a : both && a === number ? b : null;

const logic = (compute: (a: boolean, b: boolean) => boolean): Scalar =>
  ofNumbers(([a, b]) => (compute(a !== 0, b !== 0) ? 1 : 0));

const where: Scalar = ([condition, a, b]) => {
  if (condition === 0) return b;
  if (condition !== null) return a;
  return Object.is(a, b) ? a : null;
};

const cast: Scalar = ([x], from) => {
  // A dimension stays one among integers; as a float it is only unknown.
  if (typeof x !== 'number') return x;
  const isExact = isFloat(from) ? !Number.isNaN(x) : Number.isSafeInteger(x);
  return isExact ? x : null;
};

export const SCALARS: Readonly<Record<string, Scalar>> = {
  Abs: ofNumbers(([x]) => Math.abs(x)),
  Add: withNeutral((a, b) => a + b, neutral(0, true)),
  And: logic((a, b) => a && b),
  Cast: cast,
  CastLike: ([x], from) => cast([x], from),
  Ceil: ofNumbers(([x]) => Math.ceil(x)),
  Div: withNeutral(divide, neutral(1, false)),
  Equal: comparing((a, b) => a === b, true),
  Floor: ofNumbers(([x]) => Math.floor(x)),
  Greater: comparing((a, b) => a > b, false),
  GreaterOrEqual: comparing((a, b) => a >= b, true),
  Less: comparing((a, b) => a < b, false),
  LessOrEqual: comparing((a, b) => a <= b, true),
  Max: extreme(Math.max),
  Min: extreme(Math.min),
  Mod: withNeutral(modulo, () => null),
  Mul: withNeutral((a, b) => a * b, neutral(1, true)),
  Neg: ofNumbers(([x]) => -x),
  Not: ofNumbers(([x]) => (x === 0 ? 1 : 0)),
  Or: logic((a, b) => a || b),
  Reciprocal: ofNumbers(([x]) => 1 / x),
  Round: ofNumbers(([x]) => roundHalfEven(x)),
  Sqrt: ofNumbers(([x]) => Math.sqrt(x)),
  Sub: withNeutral((a, b) => a - b, neutral(0, false)),
  Where: where,
  Xor: logic((a, b) => a !== b),
};
