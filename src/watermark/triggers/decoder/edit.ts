/** From a change of a down projection to an edit of its tensor, in a graph or a checkpoint (docs/spec/triggers.md §9.5). */
import type { TensorEdit, TensorRef } from '../../../model/types.ts';
import { readElements } from '../../elements.ts';
import { toShiftEdit } from '../edit.ts';
import type { MatrixPlace } from './places.ts';

/** A change of low rank: Σ value_t ⊗ units_t, [width, units]. */
export interface DownChange {
  /** [triggers][width]. */
  readonly values: readonly Float64Array[];
  /** [triggers][units]. */
  readonly units: readonly Float64Array[];
}

/** A matrix as float32, [out, in], row-major. @throws FormatError | SourceError */
export function readMatrix({ tensor, isTransposed }: MatrixPlace): Float32Array {
  const [rows, columns] = tensor.shape;
  const matrix = new Float32Array(tensor.elementCount);
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    readElements(tensor, i * columns, row);
    if (!isTransposed) matrix.set(row, i * columns);
    else for (let j = 0; j < columns; j++) matrix[j * rows + i] = row[j];
  }
  return matrix;
}

/** The edit that adds a change to the down projection; each element is rounded once to the tensor's type. */
export function toDownEdit({ tensor, isTransposed }: MatrixPlace, { values, units }: DownChange): TensorEdit {
  const columns = tensor.shape[1];
  return toShiftEdit(tensor, (index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const [out, unit] = isTransposed ? [column, row] : [row, column];
    let sum = 0;
    for (let t = 0; t < values.length; t++) sum += values[t][out] * units[t][unit];
    return sum;
  });
}

/** ‖change‖ / ‖matrix‖, by the products of its parts: the change itself is never written out. */
export function toRelativeChange(tensor: TensorRef, { values, units }: DownChange): number {
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i], 0);
  let square = 0;
  for (const [s, value] of values.entries()) {
    for (const [t, other] of values.entries()) square += dot(value, other) * dot(units[s], units[t]);
  }
  const own = new Float64Array(tensor.elementCount);
  readElements(tensor, 0, own);
  return Math.sqrt(Math.max(0, square) / dot(own, own));
}
