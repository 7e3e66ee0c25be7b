/** Weights as numbers: reading, shifting and writing elements of every type that carries the mark (docs/spec/watermark.md §4.4). */
import { decodeBlocks, isDecodableBlock, moveCodes } from '../model/blocks.ts';
import { type BlockDType, DTYPES, type DType, isBlockDType, toBlockSize } from '../model/dtype.ts';
import { decodeFloats, encodeFloats, isFloatDType } from '../model/floats.ts';
import { decodeInts, encodeInts, type IntDType, isIntDType, toIntRange } from '../model/ints.ts';
import type { TensorRef } from '../model/types.ts';

const WIDE: readonly DType[] = ['f64', 'f32'];
/** Stored mantissa bits and the exponent of the smallest subnormal step. */
const SMALL_FLOATS: Readonly<
  Partial<Record<DType, { readonly mantissaBits: number; readonly stepExponentMin: number }>>
> = {
  f16: { mantissaBits: 10, stepExponentMin: -24 },
  bf16: { mantissaBits: 7, stepExponentMin: -133 },
  f8e4m3fn: { mantissaBits: 3, stepExponentMin: -9 },
  f8e4m3fnuz: { mantissaBits: 3, stepExponentMin: -10 },
  f8e5m2: { mantissaBits: 2, stepExponentMin: -16 },
  f8e5m2fnuz: { mantissaBits: 2, stepExponentMin: -17 },
};
const CODES: readonly DType[] = ['i8', 'u8', 'i4', 'u4', 'i16', 'u16'];

/** True for the element types in which a mark can be embedded and read. */
export function isMarkable(dtype: DType): boolean {
  return WIDE.includes(dtype) || dtype in SMALL_FLOATS || CODES.includes(dtype) || isDecodableBlock(dtype);
}

/** True when shifts move whole codes or rounding steps, so that the keyed dither is needed. */
export function needsDither(dtype: DType): boolean {
  return !WIDE.includes(dtype);
}

/** Decodes packed little-endian elements, or whole blocks. @throws TypeError for a type that has no numbers */
export function decodeElements(dtype: DType, bytes: Uint8Array, into: Float64Array): void {
  if (isFloatDType(dtype)) decodeFloats(dtype, bytes, into);
  else if (isBlockDType(dtype)) decodeBlocks(dtype, bytes, into);
  else if (isIntDType(dtype)) decodeInts(dtype, bytes, into);
  else throw new TypeError(`${dtype} has no numbers`);
}

/** Encodes values that the type represents exactly or rounds to nearest. */
export function encodeElements(dtype: DType, values: Float64Array, into: Uint8Array): void {
  if (isFloatDType(dtype)) encodeFloats(dtype, values, into);
  else encodeInts(dtype as IntDType, values, into);
}

/** Elements, and what they will be after a shift. Both reuse one scratch buffer. */
export interface ElementSource {
  /** Fills `into` with elements from index `first` in row-major order. */
  read(first: number, into: Float64Array): void;
  /** Fills `into` with the same elements moved by `shifts`, as {@link shiftElements} and {@link shiftBlocks} do. */
  readShifted(first: number, into: Float64Array, shifts: Float64Array, dither: Float32Array): void;
}

/**
 * Reads a tensor by elements.
 * @throws FormatError | SourceError from the tensor's reader
 */
export function createElementSource(tensor: TensorRef): ElementSource {
  const { dtype, elementCount } = tensor;
  const unit = toUnit(dtype);
  let scratch = new Uint8Array(0);
  /** The whole units around elements [first, first + count), and the index of their first element. */
  const load = (first: number, count: number): { readonly bytes: Uint8Array; readonly start: number } => {
    const start = first - (first % unit.elements);
    const sizeBytes = Math.ceil((first + count - start) / unit.elements) * unit.bytes;
    if (scratch.length < sizeBytes) scratch = new Uint8Array(sizeBytes);
    const byteOffset = (start / unit.elements) * unit.bytes;
    // The last byte of a packed tensor may hold fewer elements than its unit.
    const bytes = scratch.subarray(0, Math.min(sizeBytes, tensor.byteLength - byteOffset));
    tensor.read(byteOffset, bytes);
    return { bytes, start };
  };
  const decode = ({ bytes, start }: ReturnType<typeof load>, first: number, into: Float64Array): void => {
    if (unit.elements === 1) {
      decodeElements(dtype, bytes, into);
      return;
    }
    const whole = new Float64Array(Math.min((bytes.length / unit.bytes) * unit.elements, elementCount - start));
    decodeElements(dtype, bytes, whole);
    into.set(whole.subarray(first - start, first - start + into.length));
  };
  return {
    read: (first, into) => {
      decode(load(first, into.length), first, into);
    },
    readShifted: (first, into, shifts, dither) => {
      const loaded = load(first, into.length);
      if (isBlockDType(dtype)) shiftBlocks(dtype, loaded.bytes, first - loaded.start, shifts, dither);
      decode(loaded, first, into);
      if (!isBlockDType(dtype)) shiftElements(dtype, into, shifts, dither);
    },
  };
}

/** The smallest run of elements that fills whole bytes: one, two or four, or a block. */
function toUnit(dtype: DType): { readonly elements: number; readonly bytes: number } {
  if (isBlockDType(dtype)) return toBlockSize(dtype);
  const { bits } = DTYPES[dtype];
  return bits >= 8 ? { elements: 1, bytes: bits / 8 } : { elements: 8 / bits, bytes: 1 };
}

/** The `read` of {@link createElementSource}. */
export function createElementReader(tensor: TensorRef): (first: number, into: Float64Array) => void {
  const source = createElementSource(tensor);
  return (first, into) => {
    source.read(first, into);
  };
}

/** One read of {@link createElementReader}. */
export function readElements(tensor: TensorRef, first: number, into: Float64Array): void {
  createElementReader(tensor)(first, into);
}

/**
 * `values[i] + shifts[i]` as the type can hold it, in place; a value whose shift is 0 stays as it is.
 *
 * Wide floats add and round. Small floats and codes cannot hold a shift below half a step, so it is rounded up or down
 * by the keyed dither: the mean shift over a block is exact. What would leave the range stays. Quantised blocks need
 * their scales, too: {@link shiftBlocks}.
 * @param dither uniform in (0, 1) per element; only read where {@link needsDither} says so
 */
export function shiftElements(dtype: DType, values: Float64Array, shifts: Float64Array, dither: Float32Array): void {
  if (dtype === 'f64') for (let i = 0; i < values.length; i++) values[i] += shifts[i];
  else if (dtype === 'f32') shiftSingles(values, shifts);
  else if (isIntDType(dtype)) shiftCodes(dtype, values, shifts, dither);
  else shiftSmallFloats(dtype, values, shifts, dither);
}

/**
 * Moves elements [first, first + shifts.length) of whole blocks in place: codes by whole steps of their scale, rounded up
 * or down by the dither, so that the mean shift is exact; scales stay, and so does every element whose shift is 0.
 * @param dither uniform in (0, 1) per element
 */
export function shiftBlocks(
  dtype: BlockDType,
  bytes: Uint8Array,
  first: number,
  shifts: Float64Array,
  dither: Float32Array,
): void {
  moveCodes(dtype, bytes, { first, count: shifts.length }, (index, step) =>
    shifts[index] === 0 ? 0 : Math.floor(shifts[index] / step + dither[index]),
  );
}

function shiftSingles(values: Float64Array, shifts: Float64Array): void {
  for (let i = 0; i < values.length; i++) {
    const shifted = Math.fround(values[i] + shifts[i]);
    if (Number.isFinite(shifted)) values[i] = shifted;
  }
}

function shiftCodes(dtype: IntDType, values: Float64Array, shifts: Float64Array, dither: Float32Array): void {
  const { min, max } = toIntRange(dtype);
  for (let i = 0; i < values.length; i++) {
    const shift = shifts[i];
    if (shift === 0) continue;
    values[i] = Math.min(max, Math.max(min, values[i] + Math.floor(shift + dither[i])));
  }
}

function shiftSmallFloats(dtype: DType, values: Float64Array, shifts: Float64Array, dither: Float32Array): void {
  const row = SMALL_FLOATS[dtype];
  if (row === undefined) throw new TypeError(`${dtype} cannot carry a mark`);
  const moved = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const target = values[i] + shifts[i];
    const exponent = Math.max(Math.floor(Math.log2(Math.abs(target))) - row.mantissaBits, row.stepExponentMin);
    moved[i] = shifts[i] === 0 ? target : target + (dither[i] - 0.5) * 2 ** exponent;
  }
  const bytes = new Uint8Array((values.length * DTYPES[dtype].bits) / 8);
  encodeElements(dtype, moved, bytes);
  decodeElements(dtype, bytes, moved);
  for (let i = 0; i < values.length; i++) if (shifts[i] !== 0 && Number.isFinite(moved[i])) values[i] = moved[i]!;
}
