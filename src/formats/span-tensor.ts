/** A tensor whose stored bytes are its logical bytes: raw ONNX data, external data, safetensors data. */
import { DTYPES, type DType } from '../model/dtype.ts';
import type { TensorQuantization, TensorRef } from '../model/types.ts';
import type { ByteSource } from '../source/ports.ts';

/** What a tensor is, and its span. */
export interface TensorLayout {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly start: number;
  readonly end: number;
  readonly quantization?: TensorQuantization | null;
}

/** Which file the span lies in. */
export interface TensorPlace {
  readonly storage: 'raw' | 'external';
  readonly fileIndex: number;
  readonly source: ByteSource;
}

/** A class, so that a model of 100,000 tensors shares one `read`. */
export class SpanTensor implements TensorRef {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly byteLength: number;
  readonly storage: 'raw' | 'external';
  readonly fileIndex: number;
  readonly start: number;
  readonly end: number;
  readonly source: ByteSource;
  readonly quantization: TensorQuantization | null;

  constructor(layout: TensorLayout, place: TensorPlace) {
    this.name = layout.name;
    this.dtype = layout.dtype;
    this.shape = layout.shape;
    this.elementCount = layout.elementCount;
    this.byteLength = layout.end - layout.start;
    this.storage = place.storage;
    this.fileIndex = place.fileIndex;
    this.start = layout.start;
    this.end = layout.end;
    this.source = place.source;
    this.quantization = layout.quantization ?? null;
  }

  read(byteOffset: number, into: Uint8Array): void {
    assertInTensor(this, byteOffset, into.length);
    this.source.read(this.start + byteOffset, into);
  }
}

/** @throws TypeError when [byteOffset, byteOffset + length) leaves the logical bytes of `tensor` */
export function assertInTensor(tensor: TensorRef, byteOffset: number, length: number): void {
  if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset + length > tensor.byteLength) {
    throw new TypeError(`bytes ${byteOffset} + ${length} leave tensor ${tensor.name} of ${tensor.byteLength} bytes`);
  }
}

/** Smallest run of whole bytes that holds whole elements: 4 for f32, 1 for i4, 3 for the six-bit floats, a whole block. */
export function toUnitBytes(dtype: DType): number {
  const { bits, block } = DTYPES[dtype];
  if (block !== undefined) return block.bytes;
  if (bits === 6) return 3;
  return Math.max(1, bits / 8);
}
