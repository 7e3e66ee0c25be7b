/** A tensor of a model as an npy file, in pieces: what NumPy has no type for is decoded to one that it has. */
import { isDecodableBlock, decodeBlocks } from '../model/blocks.ts';
import { type DType, DTYPES, isBlockDType } from '../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../model/floats.ts';
import { decodeInts, isIntDType } from '../model/ints.ts';
import type { TensorRef } from '../model/types.ts';
import { isNpyDType, toNpyHeader } from './npy-value.ts';

export interface NpyTensor {
  /** Element type of the file. */
  readonly dtype: DType;
  /** What became of the elements, where they are not as stored; null where they are. */
  readonly note: string | null;
  readonly totalBytes: number;
  /** Header and elements in order; a piece's memory is used again after the next one is asked for. @throws SourceError */
  pieces(): Iterable<Uint8Array>;
}

/** Elements of one piece: a multiple of every block, and of eight. */
const PIECE_ELEMENTS = 256 * 1024;

type Decode = (bytes: Uint8Array, count: number) => Uint8Array;

/**
 * How a tensor is written: bf16, 8-, 6- and 4-bit floats and quantised blocks as f32, which is exact for all of them;
 * 4- and 2-bit integers as 8-bit ones.
 * @returns undefined for text, and for quantised blocks that cannot be decoded
 */
export function findNpyTensor(tensor: TensorRef): NpyTensor | undefined {
  const { dtype: from, shape, elementCount } = tensor;
  const found = findDecoding(from);
  if (found === undefined) return undefined;
  const [dtype, decode] = found;
  const header = toNpyHeader(dtype, shape);
  return {
    dtype,
    note: toNote(tensor, dtype),
    totalBytes: header.length + (elementCount * DTYPES[dtype].bits) / 8,
    *pieces() {
      yield header;
      const buffer = new Uint8Array(toStoredBytes(from, Math.min(elementCount, PIECE_ELEMENTS)));
      for (let at = 0; at < elementCount; at += PIECE_ELEMENTS) {
        const count = Math.min(PIECE_ELEMENTS, elementCount - at);
        const bytes = buffer.subarray(0, toStoredBytes(from, count));
        tensor.read(toStoredBytes(from, at), bytes);
        yield decode(bytes, count);
      }
    },
  };
}

function findDecoding(from: DType): readonly [DType, Decode] | undefined {
  if (isNpyDType(from)) return [from, (bytes) => bytes];
  const toFloats =
    (decode: (bytes: Uint8Array, into: Float32Array) => void): Decode =>
    (bytes, count) => {
      const values = new Float32Array(count);
      decode(bytes, values);
      return new Uint8Array(values.buffer);
    };
  if (isFloatDType(from)) {
    return [
      'f32',
      toFloats((bytes, into) => {
        decodeFloats(from, bytes, into);
      }),
    ];
  }
  if (isDecodableBlock(from)) {
    return [
      'f32',
      toFloats((bytes, into) => {
        decodeBlocks(from, bytes, into);
      }),
    ];
  }
  if (!isIntDType(from)) return undefined;
  const to = DTYPES[from].kind === 'int' ? 'i8' : 'u8';
  return [
    to,
    (bytes, count) => {
      const values = new Int32Array(count);
      decodeInts(from, bytes, values);
      return Uint8Array.from(values);
    },
  ];
}

/** Bytes of the first `count` elements; `count` fills whole bytes and blocks, or ends the tensor. */
function toStoredBytes(dtype: DType, count: number): number {
  return Math.ceil((count * DTYPES[dtype].bits) / 8);
}

function toNote({ dtype: from, quantization }: TensorRef, dtype: DType): string | null {
  if (quantization) return 'codes as stored; scales and zero points are not applied';
  if (from === dtype) return null;
  return isBlockDType(from) ? `${from} blocks decoded to ${dtype}` : `${from} decoded to ${dtype}`;
}
