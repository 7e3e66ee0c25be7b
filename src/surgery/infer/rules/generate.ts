/** Operators that make values from attributes and shapes. */
import { findOnnxDType } from '../../../formats/index.ts';
import type { DType } from '../../../model/dtype.ts';
import { SURGERY_LIMITS } from '../../../core/limits/surgery.ts';
import { type Call, one, type Rule, rows } from '../call.ts';
import { ConstantType } from '../constants.ts';
import { findBroadcastDim, findCount, toProduct } from '../dims.ts';
import { type Dim, type Element, type Shape, toTensorType, UNKNOWN } from '../types.ts';
import { valued } from '../values/follow.ts';
import { expand as expandElements, findConcrete } from '../values/move.ts';
import { toElement } from '../values/scalars.ts';

const { inferValueElementsMax } = SURGERY_LIMITS;

const constant: Rule = (call) => {
  const tensor = call.constant('value');
  if (tensor !== null) return one(new ConstantType(tensor, inferValueElementsMax));
  const int = call.attribute('value_int');
  if (int?.kind === 'int') return one(toList('i64', [], [Number(int.value)]));
  const ints = call.ints('value_ints');
  if (ints !== null) return one(toList('i64', [ints.length], ints));
  const float = call.attribute('value_float');
  if (float?.kind === 'float') return one(toList('f32', [], [float.value]));
  const floats = call.attribute('value_floats');
  if (floats?.kind === 'floats') return one(toList('f32', [floats.values.length], floats.values));
  const text = call.attribute('value_string');
  if (text?.kind === 'string') return one(toTensorType('string', []));
  const texts = call.attribute('value_strings');
  return one(texts?.kind === 'strings' ? toTensorType('string', [texts.values.length]) : UNKNOWN);
};

function toList(dtype: DType, shape: Shape, values: readonly number[]): ReturnType<typeof toTensorType> {
  return valued(
    toTensorType(dtype, shape),
    values.map((value) => toElement(dtype, value)),
  );
}

const shapeOf: Rule = (call) => {
  const { shape } = call.tensor(0);
  if (shape === null) return one(toTensorType('i64', [null]));
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + shape.length : at, 0), shape.length);
  const part = shape.slice(clamp(call.int('start', 0)), clamp(call.int('end', shape.length)));
  return one(valued(toTensorType('i64', [part.length]), part));
};

const size: Rule = (call) => {
  const { shape } = call.tensor(0);
  return one(valued(toTensorType('i64', []), [shape === null ? null : toProduct(shape)]));
};

/** The shape that the elements of an input say; of one dimension for each when they are unknown. */
function toShapeFrom(call: Call, input: number): Shape | null {
  const elements = call.elements(input);
  return elements === null ? null : elements.map((dim) => (typeof dim === 'number' && dim < 0 ? null : dim));
}

const constantOfShape: Rule = (call) => {
  const tensor = call.constant('value');
  const shape = toShapeFrom(call, 0);
  const out = toTensorType(tensor?.dtype ?? 'f32', shape);
  const count = findCount(shape);
  if (count === null || count > inferValueElementsMax) return one(out);
  const fill = tensor === null ? 0 : (new ConstantType(tensor, 1).value?.[0] ?? null);
  return one(fill === null ? out : valued(out, new Array<Element>(count).fill(fill)));
};

const expand: Rule = (call) => {
  const { dtype, shape, value } = call.tensor(0);
  const target = toShapeFrom(call, 1);
  if (shape === null || target === null) return one(toTensorType(dtype, null));
  const rank = Math.max(shape.length, target.length);
  const at = (dims: Shape, axis: number): Dim => (axis < rank - dims.length ? 1 : dims[axis - rank + dims.length]);
  const dims = Array.from({ length: rank }, (_, axis): Dim => {
    const dim = findBroadcastDim(at(shape, axis), at(target, axis));
    if (dim === undefined) call.conflict('broadcast', `axis ${axis}`);
    return dim ?? null;
  });
  const out = toTensorType(dtype, dims);
  const count = findCount(dims);
  const [from, to] = [findConcrete(shape), findConcrete(dims)];
  if (value === null || from === null || to === null || count === null || count > inferValueElementsMax)
    return one(out);
  return one(valued(out, expandElements(value, from, to)));
};

const range: Rule = (call) => {
  const { dtype } = call.tensor(0);
  const [start, limit, delta] = [0, 1, 2].map((input) => call.tensor(input).value?.[0] ?? null);
  if (typeof start !== 'number' || typeof limit !== 'number' || typeof delta !== 'number' || delta === 0) {
    // From zero to a dimension by one has that length.
    return one(toTensorType(dtype, [start === 0 && delta === 1 && typeof limit === 'string' ? limit : null]));
  }
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  if (!Number.isSafeInteger(count)) return one(toTensorType(dtype, [null]));
  const out = toTensorType(dtype, [count]);
  // Floats are summed up differently by runtimes.
  if (count > inferValueElementsMax || (dtype !== 'i64' && dtype !== 'i32')) return one(out);
  return one(
    valued(
      out,
      Array.from({ length: count }, (_, i) => start + i * delta),
    ),
  );
};

/** The element type that an attribute names. */
function toNamedDType(call: Call, attribute: string): DType | null {
  const code = call.int(attribute, null);
  return code === null ? null : (findOnnxDType(code) ?? null);
}

const like =
  (attribute: string): Rule =>
  (call) =>
    one(toTensorType(toNamedDType(call, attribute) ?? call.tensor(0).dtype, call.shape(0)));

const random: Rule = (call) => one(toTensorType(toNamedDType(call, 'dtype') ?? 'f32', call.ints('shape')));

const multinomial: Rule = (call) =>
  one(toTensorType(toNamedDType(call, 'dtype') ?? 'i32', [call.dim(0, 0), call.int('sample_size', 1)]));

const window: Rule = (call) =>
  one(toTensorType(toNamedDType(call, 'output_datatype') ?? 'f32', [call.tensor(0).value?.[0] ?? null]));

const melWeights: Rule = (call) => {
  const [bins, length] = [call.tensor(0).value?.[0], call.tensor(1).value?.[0]];
  const rows = typeof length === 'number' ? Math.floor(length / 2) + 1 : null;
  return one(toTensorType(toNamedDType(call, 'output_datatype') ?? 'f32', [rows, bins ?? null]));
};

export const GENERATE: Readonly<Record<string, Rule>> = Object.fromEntries([
  ['Constant', constant],
  ['ConstantOfShape', constantOfShape],
  ['Expand', expand],
  ['MelWeightMatrix', melWeights],
  ['Multinomial', multinomial],
  ['Range', range],
  ['Shape', shapeOf],
  ['Size', size],
  ...rows(like('dtype'), 'Bernoulli EyeLike RandomNormalLike RandomUniformLike'),
  ...rows(random, 'RandomNormal RandomUniform'),
  ...rows(window, 'BlackmanWindow HammingWindow HannWindow'),
]);
