/** A layer of many weights in the original's order and scale: the rows that are asked for, and no others, are put together. */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { UNMATCHED } from './assignment.ts';
import type { LayerPair, Mapped } from './channel-maps.ts';
import type { Lattice, LayerShape, LoadLattice } from './lattice.ts';
import type { AlignedLayer } from './ports.ts';
import { toBalance } from './similarity.ts';

/** Elements that are put together at once where the suspect's rows are the original's columns: each costs a look at all of it. */
const TURNED_ELEMENTS = 4 * 1024 * 1024;

/**
 * Rows are those of the original as it is stored, columns the other axis. Columns are balanced by some of the rows, and
 * each row by its columns, so that a row costs what reading it in both models costs.
 */
export function createLargeLayer(pair: LayerPair, mapped: Mapped, load: LoadLattice): AlignedLayer {
  const matrix = createMatrix(pair, mapped, load);
  const { columns } = matrix;
  const isTurned = (pair.ours!.outAxis === 0) !== (pair.theirs!.outAxis === 0);
  const least = isTurned ? Math.max(1, Math.floor(TURNED_ELEMENTS / columns)) : 1;
  let scales: ColumnScales | undefined;
  let held: { readonly first: number; readonly values: Float32Array } = { first: 0, values: new Float32Array(0) };
  return {
    read: (first, into) => {
      scales ??= balanceColumns(matrix);
      const [top, end] = [Math.floor(first / columns), Math.ceil((first + into.length) / columns)];
      if (top < held.first || end > held.first + held.values.length / columns) {
        const start = top - (top % least);
        const count = Math.min(matrix.rows.length, Math.ceil((end - start) / least) * least + start) - start;
        held = { first: start, values: toRows(matrix, scales, start, count) };
      }
      const offset = first - held.first * columns;
      for (let i = 0; i < into.length; i++) into[i] = held.values[offset + i];
    },
  };
}

interface Matrix {
  /** The suspect's entry of each row of the original. */
  readonly rows: Int32Array;
  readonly columns: number;
  /** Columns that both models have. */
  readonly ourColumns: Int32Array;
  readonly theirColumns: Int32Array;
  /** Rows of one model over the columns that both have. */
  readonly read: (model: 'ours' | 'theirs', rows: Int32Array) => Float32Array;
}

function createMatrix({ ours, theirs }: LayerPair, mapped: Mapped, load: LoadLattice): Matrix {
  const isOutFirst = ours!.outAxis === 0;
  const [rows, columns] = isOutFirst ? [mapped.out, mapped.in] : [mapped.in, mapped.out];
  const ourColumns = Int32Array.from(columns.keys()).filter((own) => columns[own] !== UNMATCHED);
  const theirColumns = ourColumns.map((own) => columns[own]);
  const read = (model: 'ours' | 'theirs', own: Int32Array): Float32Array => {
    const [shape, others]: [LayerShape, Int32Array] = model === 'ours' ? [ours!, ourColumns] : [theirs!, theirColumns];
    return toRowMajor(load.part(shape, isOutFirst ? { out: own, in: others } : { out: others, in: own }), isOutFirst);
  };
  return { rows, columns: columns.length, ourColumns, theirColumns, read };
}

/** Values of a part with its rows one after the other. */
function toRowMajor({ values, steps, outLength, inLength }: Lattice, isOutFirst: boolean): Float32Array {
  const [rows, columns] = isOutFirst ? [outLength, inLength] : [inLength, outLength];
  const [rowStep, columnStep] = isOutFirst ? steps! : [steps![1], steps![0]];
  if (columnStep === 1) return values;
  const turned = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) turned[r * columns + c] = values[r * rowStep + c * columnStep];
  }
  return turned;
}

/** Scales of the columns after one round, which rows are balanced by, and after the last one. */
interface ColumnScales {
  readonly ours: readonly [Float64Array, Float64Array];
  readonly theirs: readonly [Float64Array, Float64Array];
}

/** Both balances see the same weights: some rows that both models have, evenly chosen. */
function balanceColumns({ rows, ourColumns, read }: Matrix): ColumnScales {
  const both = Int32Array.from(rows.keys()).filter((own) => rows[own] !== UNMATCHED);
  const count = Math.min(both.length, Math.max(64, Math.floor(ALIGN_LIMITS.balanceElements / ourColumns.length)));
  const chosen = Int32Array.from({ length: count }, (_, at) => both[Math.floor((at * both.length) / count)]);
  const toScales = (values: Float32Array): [Float64Array, Float64Array] => {
    const lattice = toPlainLattice(values, count, ourColumns.length);
    const [entries, others] = [toPlaces(count), toPlaces(ourColumns.length)];
    const side = { lattice, side: 'out' as const, entries, inner: 1, others };
    return [toBalance(side, 1)[1], toBalance(side)[1]];
  };
  return {
    ours: toScales(read('ours', chosen)),
    theirs: toScales(
      read(
        'theirs',
        chosen.map((own) => rows[own]),
      ),
    ),
  };
}

function toPlainLattice(values: Float32Array, outLength: number, inLength: number): Lattice {
  const toIndex = (out: number, input: number): number => out * inLength + input;
  return { values, outLength, inLength, kernel: Int32Array.of(0), steps: [inLength, 1], toIndex };
}

function toPlaces(length: number): Int32Array {
  return Int32Array.from({ length }, (_, at) => at);
}

/** Rows [first, first + count) of the original; NaN where the suspect has no weight. */
function toRows(
  { rows, columns, ourColumns, read }: Matrix,
  scales: ColumnScales,
  first: number,
  count: number,
): Float32Array {
  const values = new Float32Array(count * columns).fill(Number.NaN);
  const chosen = Int32Array.from({ length: count }, (_, at) => first + at).filter((own) => rows[own] !== UNMATCHED);
  const own = read('ours', chosen);
  const other = read(
    'theirs',
    chosen.map((row) => rows[row]),
  );
  const width = ourColumns.length;
  const toSum = (all: Float32Array, at: number, scale: Float64Array): number => {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += all[at * width + k] ** 2 * scale[k] * scale[k];
    return sum;
  };
  const columnScale = scales.theirs[1].map((scale, k) => scale / scales.ours[1][k]);
  chosen.forEach((row, at) => {
    const [ours, theirs] = [toSum(own, at, scales.ours[0]), toSum(other, at, scales.theirs[0])];
    const rowScale = theirs > 0 ? Math.sqrt(ours / theirs) : 0;
    if (ours === 0) return;
    const to = (row - first) * columns;
    for (let k = 0; k < width; k++) {
      const scale = rowScale * columnScale[k];
      if (Number.isFinite(scale)) values[to + ourColumns[k]] = other[at * width + k] * scale;
    }
  });
  return values;
}
