/** Elements of small tensors that are moved about: what they are does not matter here. */
import { SURGERY_LIMITS } from '../../../core/limits/surgery.ts';
import type { Element, Elements, Shape } from '../types.ts';

/** The shape when every dimension is a number. */
export function findConcrete(shape: Shape | null): readonly number[] | null {
  return shape?.every((dim) => typeof dim === 'number') === true ? shape : null;
}

/** Elements from one place to the next along each axis, in row-major order. */
function toStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

/** Calls `visit` with the coordinates of every element, in row-major order. */
function eachIndex(shape: readonly number[], visit: (at: readonly number[]) => void): void {
  if (shape.includes(0)) return;
  const at = shape.map(() => 0);
  for (;;) {
    visit(at);
    let axis = shape.length - 1;
    while (axis >= 0 && ++at[axis] === shape[axis]) at[axis--] = 0;
    if (axis < 0) return;
  }
}

/** The elements whose coordinates `toSource` gives, for every element of `shape`; null when they are too many. */
export function pick(
  value: Elements,
  from: readonly number[],
  shape: readonly number[],
  toSource: (at: readonly number[]) => readonly number[],
): Elements | null {
  // The shape may come from a file: it is counted before it is walked.
  if (shape.reduce((product, dim) => product * dim, 1) > SURGERY_LIMITS.inferValueElementsMax) return null;
  const strides = toStrides(from);
  const picked: Element[] = [];
  eachIndex(shape, (at) => {
    const source = toSource(at);
    picked.push(value[strides.reduce((sum, stride, axis) => sum + stride * source[axis], 0)]);
  });
  return picked;
}

/** `value` laid over `shape`, aligned at the last axis. */
export function expand(value: Elements, from: readonly number[], shape: readonly number[]): Elements | null {
  if (from.length === shape.length && from.every((dim, axis) => dim === shape[axis])) return value;
  const skipped = shape.length - from.length;
  return pick(value, from, shape, (at) => from.map((dim, axis) => (dim === 1 ? 0 : at[axis + skipped])));
}

/** Parts one behind the other along an axis. */
export function concat(
  parts: readonly { readonly value: Elements; readonly shape: readonly number[] }[],
  axis: number,
): Elements {
  const outer = parts[0].shape.slice(0, axis).reduce((product, dim) => product * dim, 1);
  const joined: Element[] = [];
  for (let i = 0; i < outer; i++) {
    for (const { value, shape } of parts) {
      const run = shape.slice(axis).reduce((product, dim) => product * dim, 1);
      for (let at = i * run; at < (i + 1) * run; at++) joined.push(value[at]);
    }
  }
  return joined;
}
