/** A suspect's tensor read in the element order of the original's layer. */
import type { Layer } from '../../align/index.ts';
import type { TensorRef } from '../../model/types.ts';
import { createElementReader, readElements } from '../elements.ts';
import type { LayerView } from './measure.ts';

/** Transposed tensors up to this many elements are held decoded (16 MiB); larger ones are gathered row by row. */
const HELD_ELEMENTS_MAX = 4 * 1024 * 1024;

/** The view of `tensor` as `layer`; `isTransposed` when its two dimensions lie the other way round. */
export function createSuspectView(layer: Layer, tensor: TensorRef, isTransposed: boolean): LayerView {
  if (!isTransposed) {
    return { read: createElementReader(tensor) };
  }
  const [rows = 1, columns = 1] = layer.storedShape.filter((dim) => dim !== 1);
  return tensor.elementCount <= HELD_ELEMENTS_MAX
    ? createHeldView(tensor, rows, columns)
    : createGatheredView(tensor, rows, columns);
}

/** Original element (r, c) of [rows, columns] is suspect element c · rows + r. */
function createHeldView(tensor: TensorRef, rows: number, columns: number): LayerView {
  let held: Float32Array | undefined;
  return {
    read: (first, into) => {
      if (held === undefined) {
        const whole = new Float64Array(tensor.elementCount);
        readElements(tensor, 0, whole);
        held = Float32Array.from(whole);
      }
      for (let i = 0; i < into.length; i++) {
        const row = Math.floor((first + i) / columns);
        into[i] = held[((first + i) % columns) * rows + row]!;
      }
    },
  };
}

function createGatheredView(tensor: TensorRef, rows: number, columns: number): LayerView {
  return {
    read: (first, into) => {
      const rowFirst = Math.floor(first / columns);
      const rowLast = Math.floor((first + into.length - 1) / columns);
      const run = new Float64Array(rowLast - rowFirst + 1);
      for (let column = 0; column < columns; column++) {
        const isUsed = rowLast > rowFirst + 1 || wants(first, into.length, rowFirst, rowLast, columns, column);
        if (!isUsed) continue;
        readElements(tensor, column * rows + rowFirst, run);
        for (let row = rowFirst; row <= rowLast; row++) {
          const at = row * columns + column - first;
          if (at >= 0 && at < into.length) into[at] = run[row - rowFirst]!;
        }
      }
    },
  };
}

/** Whether a run of one or two rows touches `column`. */
function wants(first: number, count: number, rowFirst: number, rowLast: number, columns: number, column: number) {
  const at = rowFirst * columns + column;
  const next = rowLast * columns + column;
  return (at >= first && at < first + count) || (next >= first && next < first + count);
}
