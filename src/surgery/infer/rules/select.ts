/** Operators that choose, repeat and join elements. */
import { type Call, one, type Rule, rows, toShapeText } from '../call.ts';
import { findUnified, toProduct, toSum } from '../dims.ts';
import { type Dim, type Elements, type InferredType, type Shape, type TensorType, toTensorType } from '../types.ts';
import { valued } from '../values/follow.ts';
import { concat as concatElements, findConcrete, pick } from '../values/move.ts';
import { sameAsFirst, toCommonDType } from './elementwise.ts';

const gather: Rule = (call) => {
  const { dtype, shape, value } = call.tensor(0);
  const indices = call.shape(1);
  if (shape === null || indices === null) return one(toTensorType(dtype, null));
  const axis = call.axis(call.int('axis', 0), shape.length);
  if (axis === null) return one(toTensorType(dtype, null));
  const out = toTensorType(dtype, [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)]);
  const [from, at] = [findConcrete(shape), findConcrete(indices)];
  const chosen = call.numbers(1);
  if (value === null || from === null || at === null || chosen === null) return one(out);
  return one(valued(out, gatherElements(value, from, axis, chosen)));
};

/** Null when an index lies outside: a runtime would refuse to run. */
function gatherElements(
  value: Elements,
  shape: readonly number[],
  axis: number,
  indices: readonly number[],
): Elements | null {
  const size = shape[axis];
  const positive = indices.map((index) => (index < 0 ? index + size : index));
  if (positive.some((index) => !(index >= 0 && index < size))) return null;
  const to = [...shape.slice(0, axis), positive.length, ...shape.slice(axis + 1)];
  return pick(value, shape, to, (at) => at.map((i, a) => (a === axis ? positive[i] : i)));
}

const gatherElementsRule: Rule = (call) => one(toTensorType(call.tensor(0).dtype, call.shape(1)));

const gatherNd: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const indices = call.shape(1);
  const depth = indices?.at(-1);
  const batch = call.int('batch_dims', 0);
  if (shape === null || indices === null || typeof depth !== 'number') return one(toTensorType(dtype, null));
  return one(toTensorType(dtype, [...indices.slice(0, -1), ...shape.slice(batch + depth)]));
};

const concat: Rule = (call) => {
  const inputs = call.tensors();
  const dtype = toCommonDType(
    call,
    inputs.map((_, i) => i),
  );
  const shapes = inputs.flatMap(({ shape }) => (shape === null ? [] : [shape]));
  const rank = shapes.at(0)?.length;
  if (rank === undefined) return one(toTensorType(dtype, null));
  const axis = call.axis(call.int('axis', 1), rank);
  if (axis === null || shapes.some((shape) => shape.length !== rank)) {
    if (axis !== null) call.conflict('rank', shapes.map(toShapeText).join(' and '));
    return one(toTensorType(dtype, null));
  }
  const dims = shapes[0].map((_, at): Dim => {
    if (at !== axis) return toEqualDim(call, shapes, at);
    return shapes.length < inputs.length ? null : toSum(shapes.map((shape) => shape[at]));
  });
  return one(joinValues(call, toTensorType(dtype, dims), inputs, axis));
};

function toEqualDim(call: Call, shapes: readonly Shape[], axis: number): Dim {
  let dim: Dim = null;
  for (const shape of shapes) {
    const unified = findUnified(dim, shape[axis]);
    if (unified === undefined) call.conflict('dimension', `axis ${axis}: ${shapes.map(toShapeText).join(' and ')}`);
    dim = unified ?? dim;
  }
  return dim;
}

function joinValues(call: Call, out: TensorType, inputs: readonly TensorType[], axis: number): TensorType {
  const isWhole = inputs.every(({ dtype }) => dtype === 'i64' || dtype === 'i32');
  const parts = inputs.map((input, i) => {
    const shape = findConcrete(input.shape);
    // Of a list of integers, the known part is worth keeping.
    const value = isWhole ? call.elements(i) : input.value;
    return shape === null || value === null ? null : { value, shape };
  });
  const isKnown = parts.every((part) => part !== null);
  return isKnown && parts.length > 0 ? valued(out, concatElements(parts, axis)) : out;
}

const split: Rule = (call) => {
  const input = call.tensor(0);
  const { dtype, shape } = input;
  const count = call.outputCount;
  if (shape === null) return Array.from({ length: count }, () => toTensorType(dtype, null));
  const axis = call.axis(call.int('axis', 0), shape.length);
  if (axis === null) return Array.from({ length: count }, () => toTensorType(dtype, null));
  const sizes = toSplitSizes(call, shape[axis], count);
  const starts = sizes.map((_, i) => toSum(sizes.slice(0, i)));
  return sizes.map((size, i) => {
    const out = toTensorType(
      dtype,
      shape.map((dim, at) => (at === axis ? size : dim)),
    );
    return sliceValue(input, out, (at) => at.map((x, a) => (a === axis ? x + Number(starts[i] ?? NaN) : x)));
  });
};

function toSplitSizes(call: Call, whole: Dim, count: number): readonly Dim[] {
  const given = call.version < 13 ? call.ints('split') : call.has(1) ? call.numbers(1) : null;
  if (given !== null && given.length === count) return given;
  const isGiven = call.version >= 13 && call.has(1);
  if (typeof whole !== 'number' || isGiven) return Array.from({ length: count }, () => null);
  const size = Math.ceil(whole / count);
  return Array.from({ length: count }, (_, i) => (i < count - 1 ? size : whole - size * (count - 1)));
}

/** The elements that `toSource` finds, when the input is known. */
function sliceValue(
  { shape, value }: TensorType,
  out: TensorType,
  toSource: (at: readonly number[]) => readonly number[],
): TensorType {
  const [from, to] = [findConcrete(shape), findConcrete(out.shape)];
  if (value === null || from === null || to === null) return out;
  const picked = pick(value, from, to, toSource);
  const isInside = picked?.every((element) => (element as unknown) !== undefined) === true;
  return isInside ? valued(out, picked) : out;
}

/** Where a slice of one axis begins, how far it steps, and how many it takes. */
interface AxisSlice {
  readonly start: number;
  readonly step: number;
  readonly count: Dim;
}

const slice: Rule = (call) => {
  const input = call.tensor(0);
  const { dtype, shape } = input;
  if (shape === null) return one(toTensorType(dtype, null));
  const isOld = call.version < 10;
  const starts = isOld ? call.ints('starts') : call.elements(1);
  const ends = isOld ? call.ints('ends') : call.elements(2);
  const given = isOld ? call.ints('axes') : call.has(3) ? call.numbers(3) : undefined;
  const steps = !isOld && call.has(4) ? call.elements(4) : starts?.map(() => 1);
  const axes = given === null && !isOld ? null : call.axes(given ?? (starts ?? []).map((_, i) => i), shape.length);
  if (starts === null || ends === null || axes === null || steps?.length !== starts.length) {
    return one(
      toTensorType(
        dtype,
        shape.map(() => null),
      ),
    );
  }
  const slices = new Map(axes.map((axis, i) => [axis, toAxisSlice(shape[axis], starts[i], ends[i], steps[i] ?? null)]));
  const out = toTensorType(
    dtype,
    shape.map((dim, axis) => (slices.has(axis) ? slices.get(axis)!.count : dim)),
  );
  const toSource = (at: readonly number[]): number[] =>
    at.map((i, axis) => {
      const part = slices.get(axis);
      return part === undefined ? i : part.start + i * part.step;
    });
  return one(sliceValue(input, out, toSource));
};

function toAxisSlice(dim: Dim, start: Dim, end: Dim, step: Dim): AxisSlice {
  const unknown = { start: NaN, step: 1, count: null };
  if (typeof start !== 'number' || typeof step !== 'number' || step === 0) return unknown;
  // All of an axis, whatever its length: to the largest number, or to the length itself.
  if (start === 0 && step === 1 && (end === dim || (typeof end === 'number' && end >= 2 ** 31 - 1))) {
    return { start, step, count: dim };
  }
  if (typeof end !== 'number') return unknown;
  if (typeof dim !== 'number') return unknown;
  const wrap = (at: number): number => (at < 0 ? at + dim : at);
  const [low, high] = step > 0 ? [0, dim] : [-1, dim - 1];
  const clampedStart = Math.min(Math.max(wrap(start), step > 0 ? 0 : 0), step > 0 ? dim : dim - 1);
  const clampedEnd = Math.min(Math.max(wrap(end), low), high);
  const count = Math.max(0, Math.ceil((clampedEnd - clampedStart) / step));
  return { start: clampedStart, step, count };
}

const tile: Rule = (call) => {
  const input = call.tensor(0);
  const { dtype, shape } = input;
  const repeats = call.version < 6 ? null : call.elements(1);
  if (shape === null || repeats?.length !== shape.length)
    return one(toTensorType(dtype, shape?.map(() => null) ?? null));
  const out = toTensorType(
    dtype,
    shape.map((dim, axis) => toProduct([dim, repeats[axis]])),
  );
  return one(sliceValue(input, out, (at) => at.map((i, axis) => i % Number(shape[axis]))));
};

const topK: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  if (shape === null) return [toTensorType(dtype, null), toTensorType('i64', null)];
  const k = call.version < 10 ? call.int('k', null) : (call.elements(1)?.[0] ?? null);
  const axis = call.axis(call.int('axis', -1), shape.length);
  const dims = shape.map((dim, at) => (at === axis ? k : dim));
  return [toTensorType(dtype, dims), toTensorType('i64', dims)];
};

const compress: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const given = call.int('axis', null);
  const count = call.numbers(1)?.filter((flag) => flag !== 0).length ?? null;
  if (given === null) return one(toTensorType(dtype, [count]));
  if (shape === null) return one(toTensorType(dtype, null));
  const axis = call.axis(given, shape.length);
  return one(
    toTensorType(
      dtype,
      shape.map((dim, at) => (at === axis ? count : dim)),
    ),
  );
};

const oneHot: Rule = (call) => {
  const { shape } = call.tensor(0);
  const { dtype } = call.tensor(2);
  const depth = call.tensor(1).value?.[0] ?? null;
  if (shape === null) return one(toTensorType(dtype, null));
  const axis = call.axis(call.int('axis', -1), shape.length + 1) ?? shape.length;
  return one(toTensorType(dtype, [...shape.slice(0, axis), depth, ...shape.slice(axis)]));
};

const nonZero: Rule = (call) => {
  const { shape, value } = call.tensor(0);
  const rank = shape?.length ?? null;
  const from = findConcrete(shape);
  if (value === null || from === null || !value.every((element) => typeof element === 'number')) {
    return one(toTensorType('i64', [rank === 0 ? null : rank, null]));
  }
  if (rank === 0) return one(toTensorType('i64', [null, null]));
  const strides = from.map((_, axis) => from.slice(axis + 1).reduce((product, dim) => product * dim, 1));
  const found = value.flatMap((element, at) => (element === 0 ? [] : [at]));
  const list = from.flatMap((dim, axis) => found.map((at) => Math.floor(at / strides[axis]) % dim));
  return one(valued(toTensorType('i64', [from.length, found.length]), list));
};

const unique: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const given = call.int('axis', null);
  const axis = given === null || shape === null ? null : call.axis(given, shape.length);
  const whole = axis === null ? null : (shape?.map((dim, at) => (at === axis ? null : dim)) ?? null);
  const first = given === null ? [null] : whole;
  const counts: InferredType = toTensorType('i64', [null]);
  return [toTensorType(dtype, first), counts, counts, counts];
};

export const SELECT: Readonly<Record<string, Rule>> = Object.fromEntries([
  ...rows(sameAsFirst, 'ReverseSequence Scatter ScatterElements ScatterND TensorScatter Trilu'),
  ['Compress', compress],
  ['Concat', concat],
  ['Gather', gather],
  ['GatherElements', gatherElementsRule],
  ['GatherND', gatherNd],
  ['NonZero', nonZero],
  ['OneHot', oneHot],
  ['Slice', slice],
  ['Split', split],
  ['Tile', tile],
  ['TopK', topK],
  ['Unique', unique],
]);
