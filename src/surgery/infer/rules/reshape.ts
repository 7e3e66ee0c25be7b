/** Operators that keep the elements and change the shape. */
import { type Call, one, type Rule, toShapeText } from '../call.ts';
import { findCount, toProduct, toQuotient, toScaled, toSum } from '../dims.ts';
import { type Dim, type Element, type Shape, toTensorType } from '../types.ts';
import { valued } from '../values/follow.ts';
import { findConcrete, pick } from '../values/move.ts';

/** The first input with another shape; the elements stay in order. */
function reshaped(call: Call, shape: Shape | null): ReturnType<Rule> {
  const { dtype, value } = call.tensor(0);
  return one(valued(toTensorType(dtype, shape), value));
}

const reshape: Rule = (call) => {
  const target = call.version < 5 ? call.ints('shape') : call.elements(1);
  if (target === null) {
    const rank = call.dim(1, 0);
    const isListable = typeof rank === 'number' && rank <= 64;
    return reshaped(call, isListable ? Array.from({ length: rank }, () => null) : null);
  }
  return reshaped(call, toTargetShape(call, target));
};

/** Zero copies a dimension, -1 is what is left. */
function toTargetShape(call: Call, target: readonly Element[]): Shape {
  const from = call.shape(0);
  const copies = call.int('allowzero', 0) === 0;
  const dims = target.map(
    (dim, axis): Dim => (dim === 0 && copies ? (from === null ? null : (from[axis] ?? null)) : dim),
  );
  const open = dims.findIndex((dim) => dim === -1);
  const rest = dims.filter((_, axis) => axis !== open);
  if (open >= 0) return dims.map((dim, axis) => (axis === open ? toOpenDim(call, from, rest) : toDim(dim)));
  checkCount(call, from, dims);
  // One unknown entry is what is left, too.
  const unknown = target.filter((dim) => dim === null).length;
  const at = target.indexOf(null);
  if (unknown !== 1 || from === null) return dims.map(toDim);
  const others = dims.filter((_, axis) => axis !== at);
  return dims.map((dim, axis) => (axis === at ? toQuotient(from, others) : toDim(dim)));
}

const toDim = (dim: Dim): Dim => (typeof dim === 'number' && dim < 0 ? null : dim);

function toOpenDim(call: Call, from: Shape | null, rest: Shape): Dim {
  if (from === null) return null;
  const quotient = toQuotient(from, rest);
  const isCounted = findCount(from) !== null && findCount(rest) !== null && findCount(rest) !== 0;
  if (quotient === null && isCounted) call.conflict('elements', `${toShapeText(from)} by ${toShapeText(rest)}`);
  return quotient;
}

function checkCount(call: Call, from: Shape | null, dims: Shape): void {
  const [before, after] = [findCount(from), findCount(dims)];
  if (before !== null && after !== null && before !== after) {
    call.conflict('elements', `${toShapeText(from)} to ${toShapeText(dims)}`);
  }
}

const flatten: Rule = (call) => {
  const shape = call.shape(0);
  if (shape === null) return reshaped(call, [null, null]);
  const axis = call.int('axis', 1);
  const at = axis < 0 ? axis + shape.length : axis;
  return reshaped(call, [toProduct(shape.slice(0, at)), toProduct(shape.slice(at))]);
};

/** Axes of an operator that took them as an attribute first; null when unknown, undefined when absent. */
function toAxes(call: Call, inputFrom: number): readonly number[] | null | undefined {
  if (call.version < inputFrom) return call.ints('axes') ?? undefined;
  return call.has(1) ? call.numbers(1) : undefined;
}

const squeeze: Rule = (call) => {
  const shape = call.shape(0);
  const given = toAxes(call, 13);
  if (shape === null) return reshaped(call, null);
  if (given === undefined) {
    const isKnown = shape.every((dim) => typeof dim === 'number');
    return reshaped(call, isKnown ? shape.filter((dim) => dim !== 1) : null);
  }
  const axes = given === null ? null : call.axes(given, shape.length);
  if (axes === null) {
    const count = call.dim(1, 0);
    const rank = typeof count === 'number' ? shape.length - count : -1;
    return reshaped(call, rank >= 0 ? Array.from({ length: rank }, () => null) : null);
  }
  const wrong = axes.find((axis) => typeof shape[axis] === 'number' && shape[axis] !== 1);
  if (wrong !== undefined) call.conflict('dimension', `axis ${wrong} of ${toShapeText(shape)} is not 1`);
  return reshaped(
    call,
    shape.filter((_, axis) => !axes.includes(axis)),
  );
};

const unsqueeze: Rule = (call) => {
  const shape = call.shape(0);
  const given = toAxes(call, 13);
  if (shape === null) return reshaped(call, null);
  const count = given?.length ?? call.dim(1, 0);
  if (typeof count !== 'number' || count > 64) return reshaped(call, null);
  const rank = shape.length + count;
  const axes = given === undefined || given === null ? null : call.axes(given, rank);
  if (axes === null)
    return reshaped(
      call,
      Array.from({ length: rank }, () => null),
    );
  const rest = shape[Symbol.iterator]();
  const dims = Array.from({ length: rank }, (_, axis): Dim => (axes.includes(axis) ? 1 : (rest.next().value ?? null)));
  return reshaped(call, dims);
};

const transpose: Rule = (call) => {
  const { dtype, shape, value } = call.tensor(0);
  if (shape === null) {
    const rank = call.ints('perm')?.length;
    return one(toTensorType(dtype, rank === undefined ? null : Array.from({ length: rank }, () => null)));
  }
  const perm = call.ints('perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (perm.length !== shape.length || perm.some((axis) => !(axis in shape))) {
    call.conflict('rank', `perm of ${perm.length} axes for ${toShapeText(shape)}`);
    return one(toTensorType(dtype, null));
  }
  const out = perm.map((axis) => shape[axis]);
  const [from, to] = [findConcrete(shape), findConcrete(out)];
  const moved =
    value === null || from === null || to === null
      ? null
      : pick(value, from, to, (at) => from.map((_, axis) => at[perm.indexOf(axis)]));
  return one(valued(toTensorType(dtype, out), moved));
};

const depthToSpace: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  if (shape === null || !call.isRank(0, 4)) return one(toTensorType(dtype, null));
  const block = call.int('blocksize', 1);
  const [n, c, h, w] = shape;
  return one(toTensorType(dtype, [n, toQuotient([c], [block * block]), toScaled(h, block), toScaled(w, block)]));
};

const spaceToDepth: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  if (shape === null || !call.isRank(0, 4)) return one(toTensorType(dtype, null));
  const block = call.int('blocksize', 1);
  const [n, c, h, w] = shape;
  return one(toTensorType(dtype, [n, toScaled(c, block * block), toQuotient([h], [block]), toQuotient([w], [block])]));
};

/** The first input, padded at both ends of some axes. */
const pad: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  if (shape === null) return one(toTensorType(dtype, null));
  const pads = call.version < 2 ? call.ints('paddings') : call.version < 11 ? call.ints('pads') : call.numbers(1);
  const given = call.has(3) ? call.numbers(3) : shape.map((_, axis) => axis);
  const axes = given === null ? null : call.axes(given, shape.length);
  if (pads?.length !== (axes?.length ?? -1) * 2 || axes === null) {
    return one(
      toTensorType(
        dtype,
        shape.map(() => null),
      ),
    );
  }
  const dims = [...shape];
  axes.forEach((axis, i) => (dims[axis] = toSum([shape[axis], pads[i] + pads[i + axes.length]])));
  return one(toTensorType(dtype, dims));
};

export const RESHAPE: Readonly<Record<string, Rule>> = {
  DepthToSpace: depthToSpace,
  Flatten: flatten,
  Pad: pad,
  Reshape: reshape,
  SpaceToDepth: spaceToDepth,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
