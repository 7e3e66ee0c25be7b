/** Elements of a tensor at chosen places, as numbers; large tensors are never read whole. */
import { LINEAGE_LIMITS } from '../core/limits/lineage.ts';
import { decodeBlocks, isDecodableBlock } from '../model/blocks.ts';
import { DTYPES, type DType, isBlockDType, toBlockSize } from '../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../model/floats.ts';
import { decodeInts, isIntDType } from '../model/ints.ts';
import type { TensorRef } from '../model/types.ts';

/** Whether the elements can be read as numbers. */
export function isNumeric({ dtype }: TensorRef): boolean {
  return isFloatDType(dtype) || isIntDType(dtype) || isDecodableBlock(dtype);
}

/** Bytes between two wanted elements up to which they are read together: a page. */
const GAP_BYTES = 4096;

/**
 * The elements at `places` (row-major indices, in any order) as singles; what is not finite becomes 0.
 * @throws FormatError | SourceError from the reader
 */
export function readAt(tensor: TensorRef, places: Float64Array): Float32Array {
  // Without an order of its own, nothing is made for each place: samples are ascending, and there are thousands of them.
  const order = isAscending(places) ? null : toAscending(places);
  const placeOf = (at: number): number => places[order === null ? at : order[at]];
  const unit = toUnit(tensor.dtype);
  const gap = Math.max(unit.elements, Math.floor((GAP_BYTES / unit.bytes) * unit.elements));
  const found = new Float32Array(places.length);
  const decode = createDecoder(tensor);
  for (let at = 0; at < places.length; ) {
    const first = placeOf(at) - (placeOf(at) % unit.elements);
    let end = at + 1;
    while (end < places.length && isTogether(placeOf(end - 1), placeOf(end), first, gap)) end++;
    const last = placeOf(end - 1);
    const values = decode(first, Math.min(tensor.elementCount, last - (last % unit.elements) + unit.elements));
    for (; at < end; at++) {
      const value = values[placeOf(at) - first];
      found[order === null ? at : order[at]] = Number.isFinite(value) ? value : 0;
    }
  }
  return found;
}

function toAscending(places: Float64Array): Uint32Array {
  const order = new Uint32Array(places.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  return order.sort((a, b) => places[a] - places[b]);
}

function isTogether(before: number, next: number, first: number, gap: number): boolean {
  return next - before <= gap && next - first < LINEAGE_LIMITS.pieceElementsMax;
}

/** A loop: `every` would make an object of each number, which piles up over hundreds of layers. */
function isAscending(places: Float64Array): boolean {
  for (let i = 1; i < places.length; i++) if (places[i - 1] > places[i]) return false;
  return true;
}

/** The smallest run of elements that fills whole bytes: one, a few, or a block. */
function toUnit(dtype: DType): { readonly elements: number; readonly bytes: number } {
  if (isBlockDType(dtype)) return toBlockSize(dtype);
  const { bits } = DTYPES[dtype];
  if (bits >= 8) return { elements: 1, bytes: bits / 8 };
  return bits === 6 ? { elements: 4, bytes: 3 } : { elements: 8 / bits, bytes: 1 };
}

/**
 * Elements [first, end); `first` begins a unit, and `end` ends one or the tensor. The numbers are good until the next call:
 * hundreds of runs a tensor would else pile up until they are collected.
 */
function createDecoder(tensor: TensorRef): (first: number, end: number) => Float64Array {
  const { dtype } = tensor;
  const unit = toUnit(dtype);
  let values = new Float64Array(0);
  let bytes = new Uint8Array(0);
  return (first, end) => {
    const count = end - first;
    const size = Math.ceil((count / unit.elements) * unit.bytes);
    if (values.length < count) values = new Float64Array(count);
    if (bytes.length < size) bytes = new Uint8Array(size);
    const [numbers, raw] = [values.subarray(0, count), bytes.subarray(0, size)];
    tensor.read((first / unit.elements) * unit.bytes, raw);
    if (isFloatDType(dtype)) decodeFloats(dtype, raw, numbers);
    else if (isBlockDType(dtype)) decodeBlocks(dtype, raw, numbers);
    else if (isIntDType(dtype)) decodeInts(dtype, raw, numbers);
    return numbers;
  };
}
