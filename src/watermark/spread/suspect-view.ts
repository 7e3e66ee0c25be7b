/** A suspect's tensor read in the element order of the original's layer. */
import type { Layer } from '../../align/index.ts';
import type { TensorRef } from '../../model/types.ts';
import { createElementReader } from '../elements.ts';
import type { LayerView } from './measure.ts';

/** Elements of the original's layer that will be read, as [first, first + count). */
export interface ElementRun {
  readonly first: number;
  readonly count: number;
}

/** Elements that are decoded at once while a turned tensor is gathered (2 MiB); even, so that 4-bit pairs stay whole. */
const PIECE_ELEMENTS = 256 * 1024;

/**
 * The view of `tensor` as `layer`; `isTransposed` when its two dimensions lie the other way round.
 * @param runs ascending and apart; a turned tensor can be read in exactly these, and they are held (4 bytes per element)
 */
export function createSuspectView(
  layer: Layer,
  tensor: TensorRef,
  isTransposed: boolean,
  runs: readonly ElementRun[],
): LayerView {
  if (!isTransposed) return { read: createElementReader(tensor) };
  const [rows = 1, columns = 1] = layer.storedShape.filter((dim) => dim !== 1);
  let held: ReadonlyMap<number, Float32Array> | undefined;
  return {
    read: (first, into) => {
      held ??= gatherRuns(tensor, toRowPieces(runs, rows, columns), runs);
      const values = held.get(first);
      if (values?.length !== into.length) throw new Error('internal error: a turned tensor was read outside its runs');
      into.set(values);
    },
  };
}

/** The parts of all runs that lie in one row each, column by column. */
interface RowPieces {
  /** Elements from one column of the original to the next, as the suspect stores them. */
  readonly stride: number;
  readonly row: Float64Array;
  readonly columnFirst: Float64Array;
  readonly columnEnd: Float64Array;
}

function toRowPieces(runs: readonly ElementRun[], rows: number, columns: number): RowPieces {
  const length = runs.reduce((sum, { first, count }) => {
    return sum + Math.floor((first + count - 1) / columns) - Math.floor(first / columns) + 1;
  }, 0);
  const pieces = {
    stride: rows,
    row: new Float64Array(length),
    columnFirst: new Float64Array(length),
    columnEnd: new Float64Array(length),
  };
  let piece = 0;
  for (const { first, count } of runs) {
    for (let at = first; at < first + count; piece++) {
      const column = at % columns;
      const end = Math.min(columns, column + first + count - at);
      pieces.row[piece] = Math.floor(at / columns);
      pieces.columnFirst[piece] = column;
      pieces.columnEnd[piece] = end;
      at += end - column;
    }
  }
  return pieces;
}

/**
 * Reads the tensor once from front to back and keeps what the runs want: a column read for itself would touch every page
 * of the file. Original element (r, c) of [rows, columns] is suspect element c · rows + r.
 * @returns the values of each run by its first element
 */
function gatherRuns(
  tensor: TensorRef,
  { stride, row, columnFirst, columnEnd }: RowPieces,
  runs: readonly ElementRun[],
): Map<number, Float32Array> {
  const held = new Float32Array(runs.reduce((sum, { count }) => sum + count, 0));
  const read = createElementReader(tensor);
  const buffer = new Float64Array(Math.min(PIECE_ELEMENTS, tensor.elementCount));
  for (let start = 0; start < tensor.elementCount; start += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, tensor.elementCount - start));
    read(start, piece);
    let at = 0;
    for (let i = 0; i < row.length; i++) {
      const first = columnFirst[i];
      const end = columnEnd[i];
      const from = Math.max(first, Math.ceil((start - row[i]) / stride));
      const to = Math.min(end, Math.ceil((start + piece.length - row[i]) / stride));
      for (let column = from; column < to; column++) {
        held[at + column - first] = piece[column * stride + row[i] - start];
      }
      at += end - first;
    }
  }
  return splitRuns(held, runs);
}

function splitRuns(held: Float32Array, runs: readonly ElementRun[]): Map<number, Float32Array> {
  let at = 0;
  return new Map(
    runs.map(({ first, count }) => {
      at += count;
      return [first, held.subarray(at - count, at)] as const;
    }),
  );
}
