/** Reads tensors of every element type as numbers and as codes, in pieces. */
import type { TensorRef } from '../../model/types.ts';
import { decodeBlocks, isDecodableBlock } from '../../model/blocks.ts';
import { DTYPES, findPackedByteLength } from '../../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../../model/floats.ts';
import { decodeInts, isIntDType } from '../../model/ints.ts';
import { readPackedBits } from '../../model/packed.ts';

/** True when the elements are real numbers that can be decoded; strings, complex numbers and some blocks are not. */
export function isNumeric({ dtype }: TensorRef): boolean {
  return isFloatDType(dtype) || isIntDType(dtype) || isDecodableBlock(dtype);
}

/** One tensor, read in any order. Buffers are its own and overwritten by the next call. */
export interface ElementReader {
  /** Fills `into` with the numbers from element `first`; quantised codes of formats that keep the scale are scaled. */
  readValues(first: number, into: Float64Array): void;
  /** Logical bytes of `count` elements from `first`, which must lie at a byte border. */
  readBytes(first: number, count: number): Uint8Array;
}

/** @throws TypeError for a tensor that is not numeric; reading throws FormatError | SourceError */
export function openElements(tensor: TensorRef): ElementReader {
  if (!isNumeric(tensor)) throw new TypeError(`${tensor.name}: ${tensor.dtype} has no numbers`);
  const unit = toUnit(tensor);
  let bytes = new Uint8Array(0);
  let decoded = new Float64Array(0);
  const scale = toScale(tensor);

  const readBytes = (first: number, count: number): Uint8Array => {
    const length = findPackedByteLength(tensor.dtype, count)!;
    if (bytes.length < length) bytes = new Uint8Array(length);
    const piece = bytes.subarray(0, length);
    tensor.read(findPackedByteLength(tensor.dtype, first)!, piece);
    return piece;
  };
  const readValues = (first: number, into: Float64Array): void => {
    const start = Math.floor(first / unit) * unit;
    const end = Math.min(tensor.elementCount, Math.ceil((first + into.length) / unit) * unit);
    if (start === first && end === first + into.length) {
      decode(tensor, readBytes(first, into.length), into);
    } else {
      if (decoded.length < end - start) decoded = new Float64Array(end - start);
      const wide = decoded.subarray(0, end - start);
      decode(tensor, readBytes(start, end - start), wide);
      into.set(wide.subarray(first - start, first - start + into.length));
    }
    scale?.(first, into);
  };
  return { readValues, readBytes };
}

/** Elements that share a byte or a block. */
function toUnit({ dtype }: TensorRef): number {
  const { bits, block } = DTYPES[dtype];
  return block?.elements ?? (bits < 8 ? 8 : 1);
}

function decode({ dtype }: TensorRef, bytes: Uint8Array, into: Float64Array): void {
  if (isFloatDType(dtype)) decodeFloats(dtype, bytes, into);
  else if (isIntDType(dtype)) decodeInts(dtype, bytes, into);
  else if (isDecodableBlock(dtype)) decodeBlocks(dtype, bytes, into);
}

/** Scale and zero point of TFLite tensors, applied in place. */
function toScale({ quantization, shape }: TensorRef): ((first: number, values: Float64Array) => void) | null {
  if (quantization === null || quantization === undefined) return null;
  const { scales, zeroPoints } = quantization.read();
  const { axis } = quantization;
  const inner = axis === null ? 1 : shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const count = axis === null ? 1 : shape[axis];
  return (first, values) => {
    for (let i = 0; i < values.length; i++) {
      const at = axis === null ? 0 : Math.floor((first + i) / inner) % count;
      values[i] = scales[at] * (values[i] - zeroPoints[at]);
    }
  };
}

/** Bits of one code; 0 for quantised blocks, whose codes do not lie side by side. */
export function toCodeBits({ dtype }: TensorRef): number {
  const { bits, block } = DTYPES[dtype];
  return block === undefined ? bits : 0;
}

/** Low and high 32 bits of each code of `bytes`. */
export function decodeCodes(bits: number, bytes: Uint8Array, low: Uint32Array, high: Uint32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < low.length; i++) {
    if (bits === 32) low[i] = view.getUint32(4 * i, true);
    else if (bits === 16) low[i] = view.getUint16(2 * i, true);
    else if (bits === 64) {
      low[i] = view.getUint32(8 * i, true);
      high[i] = view.getUint32(8 * i + 4, true);
    } else low[i] = readPackedBits(bytes, i, bits);
  }
}
