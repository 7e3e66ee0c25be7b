/** A suspect's tensor read in the element order of the original's layer. */
import type { ElementOrder } from '../../align/index.ts';
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
 * The view of `tensor` in a layer's element order.
 * @param order where the layer's elements lie in it; empty when both lie alike
 * @param runs ascending and apart; a turned tensor can be read in exactly these, and they are held (4 bytes per element)
 */
export function createSuspectView(tensor: TensorRef, order: ElementOrder, runs: readonly ElementRun[]): LayerView {
  if (order.length === 0) return { read: createElementReader(tensor) };
  let held: ReadonlyMap<number, Float32Array> | undefined;
  return {
    read: (first, into) => {
      held ??= gatherRuns(tensor, toRowPieces(runs, order), runs);
      const values = held.get(first);
      if (values?.length !== into.length) throw new Error('internal error: a turned tensor was read outside its runs');
      into.set(values);
    },
  };
}

/** The parts of all runs that lie in one row each, column by column. A row is what the innermost counter runs through. */
interface RowPieces {
  /** Elements from one column of the original to the next, as the suspect stores them. */
  readonly stride: number;
  /** Where the suspect stores column 0 of each piece's row. */
  readonly rowStart: Float64Array;
  readonly columnFirst: Float64Array;
  readonly columnEnd: Float64Array;
}

function toRowPieces(runs: readonly ElementRun[], order: ElementOrder): RowPieces {
  const outer = order.slice(0, -1).reverse();
  const { size: columns, stride } = order[order.length - 1];
  const length = runs.reduce((sum, { first, count }) => {
    return sum + Math.floor((first + count - 1) / columns) - Math.floor(first / columns) + 1;
  }, 0);
  const pieces = {
    stride,
    rowStart: new Float64Array(length),
    columnFirst: new Float64Array(length),
    columnEnd: new Float64Array(length),
  };
  let piece = 0;
  for (const { first, count } of runs) {
    for (let at = first; at < first + count; piece++) {
      const column = at % columns;
      const end = Math.min(columns, column + first + count - at);
      pieces.rowStart[piece] = toRowStart(Math.floor(at / columns), outer);
      pieces.columnFirst[piece] = column;
      pieces.columnEnd[piece] = end;
      at += end - column;
    }
  }
  return pieces;
}

/** @param outer all counters but the innermost, from the inside out */
function toRowStart(row: number, outer: ElementOrder): number {
  let start = 0;
  let rest = row;
  for (const { size, stride } of outer) {
    start += (rest % size) * stride;
    rest = Math.floor(rest / size);
  }
  return start;
}

/**
 * Reads the tensor once from front to back and keeps what the runs want: a column read for itself would touch every page
 * of the file. Column c of a row is suspect element rowStart + c · stride.
 * @returns the values of each run by its first element
 */
function gatherRuns(
  tensor: TensorRef,
  { stride, rowStart, columnFirst, columnEnd }: RowPieces,
  runs: readonly ElementRun[],
): Map<number, Float32Array> {
  const held = new Float32Array(runs.reduce((sum, { count }) => sum + count, 0));
  const read = createElementReader(tensor);
  const buffer = new Float64Array(Math.min(PIECE_ELEMENTS, tensor.elementCount));
  for (let start = 0; start < tensor.elementCount; start += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, tensor.elementCount - start));
    read(start, piece);
    let at = 0;
    for (let i = 0; i < rowStart.length; i++) {
      const first = columnFirst[i];
      const end = columnEnd[i];
      const from = Math.max(first, Math.ceil((start - rowStart[i]) / stride));
      const to = Math.min(end, Math.ceil((start + piece.length - rowStart[i]) / stride));
      for (let column = from; column < to; column++) {
        held[at + column - first] = piece[column * stride + rowStart[i] - start];
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
