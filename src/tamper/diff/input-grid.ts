/** Cells of an input and changes of them: patches that set some, and faint patterns over all. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';

/** Height and width, wherever the channels stand. */
export interface Plane {
  readonly rows: number;
  readonly columns: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** The two neighbouring axes with the largest product; a vector is one row. */
export function toPlane(shape: readonly number[]): Plane {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1));
  if (shape.length === 1) return { rows: 1, columns: shape[0], rowStride: shape[0], columnStride: 1 };
  let axis = 0;
  for (let i = 1; i + 1 < shape.length; i++) if (shape[i] * shape[i + 1] > shape[axis] * shape[axis + 1]) axis = i;
  const [rows, columns] = [shape[axis], shape[axis + 1]];
  return { rows, columns, rowStride: strides[axis], columnStride: strides[axis + 1] };
}

/** The plane cut into squares of one side, at most `triggerCellsMax` of them; other axes belong to the square. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  /** Values along one side of a square. */
  readonly side: number;
  /** [elements]: the square of each value of an input */
  readonly cellOf: Int32Array;
}

export function toGrid(shape: readonly number[]): Grid {
  const plane = toPlane(shape);
  const size = shape.reduce((product, dim) => product * dim, 1);
  const count = (side: number): number => Math.ceil(plane.rows / side) * Math.ceil(plane.columns / side);
  let side = 1;
  while (count(side) > DIFF_LIMITS.triggerCellsMax) side += 1;
  const columns = Math.ceil(plane.columns / side);
  const cellOf = Int32Array.from({ length: size }, (_, at) => {
    const row = Math.floor(at / plane.rowStride) % plane.rows;
    const column = Math.floor(at / plane.columnStride) % plane.columns;
    return Math.floor(row / side) * columns + Math.floor(column / side);
  });
  return { rows: Math.ceil(plane.rows / side), columns, side, cellOf };
}

/** Every value moves by `strength` of the way to the value of its cell: x + strength · (value − x). */
export interface InputChange {
  /** [cells], 0..1 */
  readonly strength: Float64Array;
  /** [cells], the lowest or the highest value of the inputs */
  readonly value: Float64Array;
}

export interface Patch {
  readonly row: number;
  readonly column: number;
  readonly side: number;
  readonly value: number;
}

const PATCH_SIDES = [1, 2, 3];

/** All squares of one to three cells a side, everywhere, low and high. */
export function listPatches({ rows, columns }: Grid, range: readonly [number, number]): Patch[] {
  const patches: Patch[] = [];
  for (const side of PATCH_SIDES.filter((one) => one <= Math.max(rows, columns))) {
    const height = Math.min(side, rows);
    for (const value of range) {
      for (let row = 0; row + height <= rows; row++) {
        for (let column = 0; column + side <= columns; column++) patches.push({ row, column, side, value });
      }
    }
  }
  return patches;
}

/** Cells of a square, cut off at the edges, with `more` cells around it. */
export function listCells({ rows, columns }: Grid, { row, column, side }: Patch, more = 0): number[] {
  const cells: number[] = [];
  for (let y = Math.max(0, row - more); y < Math.min(rows, row + side + more); y++) {
    for (let x = Math.max(0, column - more); x < Math.min(columns, column + side + more); x++) {
      cells.push(y * columns + x);
    }
  }
  return cells;
}

export function toPatchChange(grid: Grid, patch: Patch): InputChange {
  const cells = grid.rows * grid.columns;
  const change = { strength: new Float64Array(cells), value: new Float64Array(cells).fill(patch.value) };
  for (const cell of listCells(grid, patch)) change.strength[cell] = 1;
  return change;
}

/** Writes the changed input to `into`. */
export function applyChange(
  { cellOf }: Grid,
  { strength, value }: InputChange,
  input: Float64Array,
  into: Float64Array,
): void {
  for (let at = 0; at < input.length; at++) {
    const cell = cellOf[at];
    into[at] = input[at] + strength[cell] * (value[cell] - input[at]);
  }
}
