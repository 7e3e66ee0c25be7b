/** Operators that work element by element, with and without broadcasting. */
import { findOnnxDType } from '../../../formats/index.ts';
import type { DType } from '../../../model/dtype.ts';
import { type Call, one, type Rule, rows, toShapeText } from '../call.ts';
import { findBroadcast } from '../dims.ts';
import { type Shape, toTensorType } from '../types.ts';
import { withValue } from '../values/follow.ts';

/** Type and shape of the first input. */
export const sameAsFirst: Rule = (call) => one(toTensorType(call.tensor(0).dtype, call.shape(0)));

/** Shape of the first input, another element type. */
const sameShape =
  (dtype: DType): Rule =>
  (call) =>
    one(toTensorType(dtype, call.shape(0)));

/** The element type that all inputs from `first` on must have; a contradiction is told. */
export function toCommonDType(call: Call, inputs: readonly number[]): DType | null {
  let common: DType | null = null;
  for (const input of inputs) {
    const { dtype } = call.tensor(input);
    if (dtype !== null && common !== null && dtype !== common) call.conflict('dtype', `${common} and ${dtype}`);
    common ??= dtype;
  }
  return common;
}

/** The shape that the inputs broadcast to; a contradiction is told. */
export function toBroadcast(call: Call, inputs: readonly number[]): Shape | null {
  const shapes = inputs.map((input) => call.shape(input));
  const shape = findBroadcast(shapes);
  if (shape === undefined) call.conflict('broadcast', shapes.map(toShapeText).join(' and '));
  return shape ?? null;
}

const all = (call: Call): number[] => Array.from({ length: call.inputCount }, (_, i) => i);

/** Below opset 7, the second input is laid over the first, whose shape counts. */
function toPairShape(call: Call): Shape | null {
  return call.version < 7 ? call.shape(0) : toBroadcast(call, [0, 1]);
}

/** Sequences and optional values pass as well. */
const identity: Rule = (call) => one(call.type(0));

const arithmetic: Rule = (call) => one(toTensorType(toCommonDType(call, [0, 1]), toPairShape(call)));
const comparison: Rule = (call) => {
  toCommonDType(call, [0, 1]);
  return one(toTensorType('bool', toPairShape(call)));
};
/** The exponent, the shift, … may have a type of its own. */
const firstDecides: Rule = (call) => one(toTensorType(call.tensor(0).dtype, toPairShape(call)));
const variadic: Rule = (call) => one(toTensorType(toCommonDType(call, all(call)), toBroadcast(call, all(call))));

const where: Rule = (call) => one(toTensorType(toCommonDType(call, [1, 2]), toBroadcast(call, [0, 1, 2])));

const cast: Rule = (call) => one(toTensorType(toTarget(call) ?? null, call.shape(0)));

/** Element type that the attribute `to` names; below opset 6 it is a text. */
function toTarget(call: Call): DType | undefined {
  const code = call.int('to', null);
  return code === null ? OLD_NAMES[call.text('to', '')] : findOnnxDType(code);
}

const OLD_NAMES: Readonly<Record<string, DType | undefined>> = Object.assign(
  Object.create(null) as Record<string, DType | undefined>,
  {
    FLOAT: 'f32',
    DOUBLE: 'f64',
    FLOAT16: 'f16',
    INT64: 'i64',
    INT32: 'i32',
    INT16: 'i16',
    INT8: 'i8',
    UINT8: 'u8',
    UINT16: 'u16',
    UINT32: 'u32',
    UINT64: 'u64',
    BOOL: 'bool',
    STRING: 'string',
  } satisfies Record<string, DType>,
);

const castLike: Rule = (call) => one(toTensorType(call.tensor(1).dtype, call.shape(0)));

/** The slope is laid over the first input, whose shape counts. */
const parametric: Rule = (call) => one(toTensorType(toCommonDType(call, [0, 1]), call.shape(0)));

export const ELEMENTWISE: Readonly<Record<string, Rule>> = Object.fromEntries([
  ...rows(
    sameAsFirst,
    'Acos Acosh Affine Asin Asinh Atan Atanh BitwiseNot Celu Cos Cosh Elu Erf Exp Gelu HardSigmoid HardSwish Hardmax ' +
      'LeakyRelu Log LogSoftmax Mish ParametricSoftplus Relu ScaledTanh Selu Shrink Sigmoid Sign Sin Sinh Softmax ' +
      'Softplus Softsign Swish Tan Tanh ThresholdedRelu',
  ),
  ...rows(withValue(sameAsFirst), 'Abs Ceil Clip Floor Neg Reciprocal Round Sqrt'),
  ...rows(identity, 'Identity'),
  ...rows(withValue(arithmetic), 'Add Div Mul Sub'),
  ...rows(withValue(variadic), 'Max Min'),
  ...rows(variadic, 'Mean Sum'),
  ...rows(arithmetic, 'BitwiseAnd BitwiseOr BitwiseXor'),
  ...rows(withValue(arithmetic), 'Mod'),
  ...rows(firstDecides, 'BitShift Pow'),
  ...rows(withValue(comparison), 'And Equal Greater GreaterOrEqual Less LessOrEqual Or Xor'),
  ...rows(withValue(sameShape('bool')), 'Not'),
  ...rows(sameShape('bool'), 'IsInf IsNaN'),
  ...rows(withValue(where), 'Where'),
  ...rows(withValue(cast), 'Cast'),
  ...rows(withValue(castLike), 'CastLike'),
  ...rows(cast, 'BitCast'),
  ...rows(parametric, 'PRelu'),
]);
