/** Reads a tensor once, in chunks of whole elements, as numbers and as stored bytes. */
import { LIMITS } from '../../../core/limits.ts';
import { decodeBlocks, isDecodableBlock } from '../../../model/blocks.ts';
import { DTYPES, isBlockDType, toBlockSize } from '../../../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../../../model/floats.ts';
import type { TensorRef } from '../../../model/types.ts';

export interface Chunk {
  /** Of the first element. */
  readonly index: number;
  /** Logical bytes; used again for the next chunk. */
  readonly bytes: Uint8Array;
  /** Values as f32 (f64 rounded), used again like `bytes`; null for integers, texts and blocks that cannot be decoded. */
  readonly values: Float32Array | null;
}

export function isNumeric({ dtype }: TensorRef): boolean {
  return isFloatDType(dtype) || isDecodableBlock(dtype);
}

/** @throws FormatError | SourceError */
export function* eachChunk(tensor: TensorRef): Generator<Chunk> {
  const { dtype, byteLength } = tensor;
  const unit = isBlockDType(dtype) ? toBlockSize(dtype) : toUnit(DTYPES[dtype].bits);
  const chunkBytes = Math.max(1, Math.floor(LIMITS.streamChunkBytes / unit.bytes)) * unit.bytes;
  const buffer = new Uint8Array(Math.min(chunkBytes, byteLength));
  // Fresh ones would wait for the collector, in numbers that grow with the tensor.
  const decoded = isNumeric(tensor) ? new Float32Array(Math.ceil(buffer.length / unit.bytes) * unit.elements) : null;
  for (let at = 0; at < byteLength; at += buffer.length) {
    const bytes = buffer.subarray(0, Math.min(buffer.length, byteLength - at));
    tensor.read(at, bytes);
    const index = (at / unit.bytes) * unit.elements;
    const count = Math.min(tensor.elementCount - index, Math.floor(bytes.length / unit.bytes) * unit.elements);
    const values = decoded?.subarray(0, count) ?? null;
    if (values !== null) decode(tensor, bytes, values);
    yield { index, bytes, values };
  }
}

/** Packed types by whole bytes. */
function toUnit(bits: number): { readonly elements: number; readonly bytes: number } {
  return bits >= 8 ? { elements: 1, bytes: bits / 8 } : { elements: 8, bytes: Math.max(1, bits) };
}

/** Of a numeric tensor. */
function decode({ dtype }: TensorRef, bytes: Uint8Array, values: Float32Array): void {
  if (isFloatDType(dtype)) decodeFloats(dtype, bytes, values);
  else if (isDecodableBlock(dtype)) decodeBlocks(dtype, bytes, values);
}
