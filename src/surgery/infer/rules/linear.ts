/** Matrix products. */
import type { DType } from '../../../model/dtype.ts';
import { type Call, one, type Rule, toShapeText } from '../call.ts';
import { findBroadcast, findBroadcastDim, findUnified } from '../dims.ts';
import { type Dim, type Shape, toTensorType } from '../types.ts';
import { toCommonDType } from './elementwise.ts';

/** The shape of a product as numpy.matmul gives it; vectors are rows on the left and columns on the right. */
export function toMatMulShape(call: Call, a: Shape | null, b: Shape | null): Shape | null {
  if (a === null || b === null) return null;
  if (a.length === 0 || b.length === 0) {
    call.conflict('rank', 'a scalar in a matrix product');
    return null;
  }
  const [left, right] = [a.length === 1 ? [1, ...a] : a, b.length === 1 ? [...b, 1] : b];
  if (findUnified(left[left.length - 1], right[right.length - 2]) === undefined) {
    call.conflict('dimension', `${toShapeText(a)} times ${toShapeText(b)}`);
  }
  const batch = findBroadcast([left.slice(0, -2), right.slice(0, -2)]);
  if (batch === undefined) call.conflict('broadcast', `${toShapeText(a)} times ${toShapeText(b)}`);
  if (batch === undefined || batch === null) return null;
  const rows = a.length === 1 ? [] : [left[left.length - 2]];
  const columns = b.length === 1 ? [] : [right[right.length - 1]];
  return [...batch, ...rows, ...columns];
}

const matMul =
  (toDType: (call: Call) => DType | null, b = 1): Rule =>
  (call) =>
    one(toTensorType(toDType(call), toMatMulShape(call, call.shape(0), call.shape(b))));

/** Quantised: the element type is that of the last zero point. */
const ofZeroPoint = (call: Call): DType | null => call.tensor(7).dtype;

const gemm: Rule = (call) => {
  const dtype = toCommonDType(call, call.has(2) ? [0, 1, 2] : [0, 1]);
  const [a, b] = [call.shape(0), call.shape(1)];
  if (!call.isRank(0, 2) || !call.isRank(1, 2)) return one(toTensorType(dtype, [null, null]));
  const [transA, transB] = [call.int('transA', 0), call.int('transB', 0)];
  const [rows, inner] = transA === 0 ? [0, 1] : [1, 0];
  const [otherInner, columns] = transB === 0 ? [0, 1] : [1, 0];
  if (findUnified(a?.[inner] ?? null, b?.[otherInner] ?? null) === undefined) {
    call.conflict('dimension', `${toShapeText(a)} times ${toShapeText(b)}`);
  }
  const shape = [a?.[rows] ?? null, b?.[columns] ?? null];
  const bias = call.has(2) ? call.shape(2) : null;
  // The bias is broadcast to the product, never the other way.
  if (bias !== null && findBroadcast([shape, bias]) === undefined) {
    call.conflict('broadcast', `${toShapeText(bias)} on ${toShapeText(shape)}`);
  }
  return one(toTensorType(dtype, shape));
};

const einsum: Rule = (call) => {
  const inputs = call.tensors();
  const dtype = toCommonDType(
    call,
    inputs.map((_, i) => i),
  );
  const equation = call.text('equation', '').replaceAll(/\s/g, '');
  const shapes = inputs.map(({ shape }) => shape);
  return one(toTensorType(dtype, toEinsumShape(equation, shapes)));
};

/** Null for an equation that does not fit; "…" stands for the axes that have no letter. */
function toEinsumShape(equation: string, shapes: readonly (Shape | null)[]): Shape | null {
  const [left, right] = equation.split('->');
  const terms = left.split(',');
  if (terms.length !== shapes.length) return null;
  const letters = new Map<string, Dim>();
  const dots: Shape[] = [];
  for (const [i, term] of terms.entries()) {
    const shape = shapes[i];
    if (shape === null) return null;
    const [before, after] = term.split('...');
    const isDotted = term.includes('...');
    const named = before.length + (isDotted ? after.length : 0);
    if (named > shape.length || (!isDotted && named !== shape.length)) return null;
    for (let axis = 0; axis < before.length; axis++) meet(letters, before[axis], shape[axis]);
    if (!isDotted) continue;
    for (let i = 0; i < after.length; i++) meet(letters, after[i], shape[shape.length - after.length + i]);
    dots.push(shape.slice(before.length, shape.length - after.length));
  }
  const broadcast = findBroadcast(dots) ?? null;
  if (broadcast === null) return null;
  return toOutputTerm(terms, right).flatMap((letter) => (letter === '.' ? broadcast : [letters.get(letter) ?? null]));
}

function meet(letters: Map<string, Dim>, letter: string, dim: Dim): void {
  const known = letters.get(letter);
  letters.set(letter, known === undefined ? dim : (findBroadcastDim(known, dim) ?? null));
}

/** Letters of the result, "." for the dots; without an arrow, those that occur once, in order. */
function toOutputTerm(terms: readonly string[], right: string | undefined): readonly string[] {
  if (right !== undefined) return Array.from(right.replace('...', '.'));
  const all = Array.from(terms.join('').replaceAll('...', ''));
  const once = all.filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort();
  return terms.some((term) => term.includes('...')) ? ['.', ...once] : once;
}

export const LINEAR: Readonly<Record<string, Rule>> = {
  Einsum: einsum,
  Gemm: gemm,
  MatMul: matMul((call) => toCommonDType(call, [0, 1])),
  MatMulInteger: matMul(() => 'i32'),
  QLinearMatMul: matMul(ofZeroPoint, 3),
};
