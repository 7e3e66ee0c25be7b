/** How alike two tensors are, from a bounded draw of their values. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { TensorRef } from '../../model/types.ts';
import { canTurn, toTurned } from './turned.ts';
import { isNumeric, openElements } from './values.ts';

/** Runs of neighbours, so that a draw costs few reads. */
const RUNS = 16;

/** Values at places that only the number of elements fixes. @throws FormatError | SourceError */
export function drawValues(tensor: TensorRef): Float64Array {
  const total = Math.min(DIFF_LIMITS.likenessValues, tensor.elementCount);
  const values = new Float64Array(total);
  const reader = openElements(tensor);
  const length = Math.ceil(total / RUNS);
  for (let run = 0, at = 0; at < total; run++, at += length) {
    const count = Math.min(length, total - at);
    const first = Math.floor((run * (tensor.elementCount - count)) / Math.max(1, RUNS - 1));
    reader.readValues(Math.min(first, tensor.elementCount - count), values.subarray(at, at + count));
  }
  return values;
}

/** Cosine of two draws, 1 for equal ones; 0 where it has no meaning. */
export function toCosine(a: Float64Array, b: Float64Array): number {
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    squaresA += a[i] * a[i];
    squaresB += b[i] * b[i];
  }
  const size = Math.sqrt(squaresA * squaresB);
  if (size === 0) return squaresA === squaresB ? 1 : 0;
  return Number.isFinite(size) ? product / size : 0;
}

/** Whether `after` is more like `before` when it is turned: square matrices do not show it by their shape. */
export function isLikeTurned(before: TensorRef, after: TensorRef): boolean {
  const [rows, columns] = before.shape;
  if (before.shape.length !== 2 || rows !== columns || rows < 2 || !canTurn(after) || !isNumeric(after)) return false;
  if (!isNumeric(before)) return false;
  const drawn = drawValues(before);
  if (toCosine(drawn, drawValues(after)) > 0.5) return false;
  return toCosine(drawn, drawValues(toTurned(after))) > 0.9;
}

/** Draws of a turned matrix. */
export function drawTurned(tensor: TensorRef): Float64Array | null {
  return canTurn(tensor) && isNumeric(tensor) ? drawValues(toTurned(tensor)) : null;
}

/** The tensor without its axes of one index, for pairs that differ in those alone. */
export function toSqueezed(shape: readonly number[]): readonly number[] {
  return shape.filter((dim) => dim !== 1);
}
