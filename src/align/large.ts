/** Layers of so many weights that they are never held whole: some rows of them are read, or some numbers of every row. */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { decodeBlocks, isDecodableBlock } from '../model/blocks.ts';
import { DTYPES, isBlockDType, toBlockSize } from '../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../model/floats.ts';
import { decodeInts, type IntDType, isIntDType } from '../model/ints.ts';
import type { TensorRef } from '../model/types.ts';
import type { LayerPair } from './channel-maps.ts';
import type { Lattice, LatticePart, LayerShape } from './lattice.ts';

/** Whether a layer that both models have is read by parts. */
export function isReadByParts({ ours, theirs }: LayerPair): boolean {
  if (ours === null || theirs === null) return false;
  const elements = Math.max(ours.tensor.elementCount, theirs.tensor.elementCount);
  return elements > ALIGN_LIMITS.wholeElementsMax && canReadParts(ours) && canReadParts(theirs);
}

/** Matrices whose rows are whole bytes, and whole blocks. */
function canReadParts({ tensor, shape, groups }: LayerShape): boolean {
  if (shape.length !== 2 || groups !== 1) return false;
  const { dtype } = tensor;
  const elements = isBlockDType(dtype) ? toBlockSize(dtype).elements : 1;
  return shape[1] % elements === 0 && (shape[1] * DTYPES[dtype].bits) % 8 === 0;
}

/** Elements that are decoded at once, where rows are not longer. */
const RUN_ELEMENTS = 32 * 1024;

interface Run {
  readonly first: number;
  readonly count: number;
}

/** Rows as numbers; column k of the wanted ones is `values[row * width + columns[k]]`. Good until the next run. */
interface Rows {
  readonly values: Float64Array;
  readonly width: number;
  readonly columns: Int32Array;
}

/** Reads runs of rows of a stored matrix for some of their columns; what is not finite as a single is 0. */
function createRowReader({ tensor, shape }: LayerShape, columns: Int32Array): (run: Run) => Rows {
  const { bits } = DTYPES[tensor.dtype];
  const words = WORDS.get(bits);
  const isChosen = words !== undefined && columns.length < shape[1];
  const width = isChosen ? columns.length : shape[1];
  const places = isChosen ? columns.map((_, place) => place) : columns;
  const toBytes = (elements: number): number => (elements * bits) / 8;
  let [raw, chosen] = [new Uint8Array(0), new Uint8Array(0)];
  let numbers = new Float64Array(0);
  return ({ first, count }) => {
    if (raw.length < toBytes(count * shape[1])) {
      raw = new Uint8Array(toBytes(count * shape[1]));
      chosen = isChosen ? new Uint8Array(toBytes(count * width)) : raw;
      numbers = new Float64Array(count * width);
    }
    tensor.read(toBytes(first * shape[1]), raw.subarray(0, toBytes(count * shape[1])));
    if (isChosen) chooseColumns(new words(raw.buffer), new words(chosen.buffer), { count, width: shape[1], columns });
    const values = numbers.subarray(0, count * width);
    decode(tensor, chosen.subarray(0, toBytes(values.length)), values);
    for (let i = 0; i < values.length; i++) if (!Number.isFinite(Math.fround(values[i]))) values[i] = 0;
    return { values, width, columns: places };
  };
}

/** Elements of whole bytes are picked before they are decoded, which is what takes the time. */
const WORDS = new Map<number, typeof Uint8Array | typeof Uint16Array | typeof Uint32Array>([
  [8, Uint8Array],
  [16, Uint16Array],
  [32, Uint32Array],
]);
type Words = Uint8Array | Uint16Array | Uint32Array;

function chooseColumns(
  from: Words,
  to: Words,
  { count, width, columns }: { readonly count: number; readonly width: number; readonly columns: Int32Array },
): void {
  let at = 0;
  for (let row = 0; row < count; row++) {
    for (const column of columns) to[at++] = from[row * width + column];
  }
}

function decode({ dtype }: TensorRef, bytes: Uint8Array, numbers: Float64Array): void {
  if (isFloatDType(dtype)) decodeFloats(dtype, bytes, numbers);
  else if (isDecodableBlock(dtype)) decodeBlocks(dtype, bytes, numbers);
  else decodeInts(dtype as IntDType, bytes, numbers);
}

/**
 * Some entries of a layer, each row that has one read once.
 * @param centre what an unknown zero point is taken for: subtracted from all numbers
 */
export function readPart(layer: LayerShape, part: LatticePart, centre: number): Lattice {
  const { shape, outAxis, rows: moved } = layer;
  const out = moved === undefined ? part.out : part.out.map((entry) => moved[entry]);
  const [rows, columns] = outAxis === 0 ? [out, part.in] : [part.in, out];
  const values = new Float32Array(rows.length * columns.length);
  const order = Uint32Array.from(rows.keys()).sort((a, b) => rows[a] - rows[b]);
  const read = createRowReader(layer, columns);
  const most = Math.max(1, Math.floor(RUN_ELEMENTS / shape[1]));
  for (let at = 0; at < order.length; ) {
    const first = rows[order[at]];
    let end = at + 1;
    while (end < order.length && rows[order[end]] - rows[order[end - 1]] <= 1 && rows[order[end]] - first < most) end++;
    const found = read({ first, count: rows[order[end - 1]] - first + 1 });
    for (; at < end; at++) {
      const [from, to] = [(rows[order[at]] - first) * found.width, order[at] * columns.length];
      for (let k = 0; k < columns.length; k++) values[to + k] = found.values[from + found.columns[k]] - centre;
    }
  }
  return toPartLattice(values, part, outAxis === 0 ? [columns.length, 1] : [1, columns.length]);
}

function toPartLattice(values: Float32Array, part: LatticePart, steps: readonly [number, number]): Lattice {
  return {
    ...{ values, outLength: part.out.length, inLength: part.in.length, kernel: Int32Array.of(0), steps },
    toIndex: (out, input) => out * steps[0] + input * steps[1],
  };
}

/** Mean of the codes of some rows, which stands for an unknown zero point; 0 for numbers that have a scale. */
export function toCentre(layer: LayerShape): number {
  const { tensor, shape } = layer;
  if (!isIntDType(tensor.dtype)) return 0;
  const read = createRowReader(
    layer,
    Int32Array.from({ length: shape[1] }, (_, at) => at),
  );
  const count = Math.max(1, Math.min(shape[0], Math.floor(ALIGN_LIMITS.balanceElements / shape[1])));
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const { values } = read({ first: Math.floor((i * shape[0]) / count), count: 1 });
    for (const value of values) sum += value;
  }
  return sum / (count * shape[1]);
}
