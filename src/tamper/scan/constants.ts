/** What constants hold: how many weights they amount to, and the values of small ones. */
import { SCAN_LIMITS } from '../../core/limits/scan.ts';
import { DTYPES } from '../../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../../model/floats.ts';
import { decodeInts, isIntDType } from '../../model/ints.ts';
import type { TensorRef } from '../../model/types.ts';

/** Constants of up to this many elements are looked at by value. */
const SMALL_MAX = 1024;

/** The values of a small tensor of numbers; null for large ones and other types. @throws FormatError | SourceError */
export function readSmall(tensor: TensorRef): Float64Array | null {
  const { dtype, elementCount, byteLength } = tensor;
  if (elementCount > SMALL_MAX || !(isFloatDType(dtype) || isIntDType(dtype))) return null;
  const bytes = new Uint8Array(byteLength);
  tensor.read(0, bytes);
  const values = new Float64Array(elementCount);
  if (isFloatDType(dtype)) decodeFloats(dtype, bytes, values);
  else decodeInts(dtype, bytes, values);
  return values;
}

/**
 * How many weights a tensor amounts to: its elements that are not zero; one, when all of those are the same, because a
 * filler of a thousand equal values decides nothing more than one value does. Long tensors are judged by their front.
 * @throws FormatError | SourceError
 */
export function countWeights(tensor: TensorRef): number {
  const { dtype, elementCount, byteLength } = tensor;
  const itemBytes = Math.max(1, DTYPES[dtype].bits / 8);
  if (elementCount <= 1 || DTYPES[dtype].kind === 'string') return Math.min(1, elementCount);
  if (DTYPES[dtype].kind === 'block') return elementCount;
  const bytes = Buffer.alloc(Math.min(byteLength, Math.floor(SCAN_LIMITS.constantSampleBytes / itemBytes) * itemBytes));
  tensor.read(0, bytes);
  const { nonZero, isOneValue, items } = countItems(bytes, itemBytes);
  if (nonZero === 0) return 0;
  const isWhole = bytes.length === byteLength;
  return isOneValue && isWhole ? 1 : Math.max(1, Math.round((nonZero / items) * elementCount));
}

function countItems(bytes: Buffer, itemBytes: number) {
  const items = Math.floor(bytes.length / itemBytes);
  let nonZero = 0;
  let first = -1;
  let isOneValue = true;
  for (let item = 0; item < items; item++) {
    const at = item * itemBytes;
    let isZero = true;
    for (let i = 0; i < itemBytes && isZero; i++) isZero = bytes[at + i] === 0;
    if (isZero) continue;
    nonZero++;
    if (first === -1) first = at;
    else if (isOneValue) isOneValue = bytes.compare(bytes, first, first + itemBytes, at, at + itemBytes) === 0;
  }
  return { nonZero, isOneValue, items };
}
