/** Tensors that do not lie in a model file as they are: bytes in memory, and changed views of other tensors. */
import { type DType, findElementCount, findPackedByteLength } from './dtype.ts';
import type { TensorRef } from './types.ts';

export interface TensorBytes {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The logical bytes; of strings, for each its length as little-endian u32 and then its bytes. */
  readonly bytes: Uint8Array;
  /** How a format that knows both should store it; raw unless told. */
  readonly storage?: 'raw' | 'typed';
}

/** A tensor in memory. It lies in no file: `fileIndex` is -1. @throws TypeError when `bytes` does not fit the shape */
export function toMemoryTensor(init: TensorBytes): TensorRef {
  const { name, dtype, shape, bytes } = init;
  const elementCount = findElementCount(shape);
  if (elementCount === undefined) throw new TypeError(`${name}: not a shape`);
  if (dtype !== 'string' && findPackedByteLength(dtype, elementCount) !== bytes.length) {
    throw new TypeError(`${name}: ${bytes.length} bytes do not fit ${dtype}[${shape.join(', ')}]`);
  }
  return {
    name,
    dtype,
    shape,
    elementCount,
    byteLength: bytes.length,
    storage: init.storage ?? 'raw',
    fileIndex: -1,
    start: 0,
    end: bytes.length,
    read(byteOffset, into) {
      if (byteOffset < 0 || byteOffset + into.length > bytes.length) throw new TypeError(`${name}: outside the tensor`);
      into.set(bytes.subarray(byteOffset, byteOffset + into.length));
    },
  };
}

/** Changes `chunk`, logical bytes from `byteOffset`, in place; whatever the cut, the result must be the same. */
export type TensorPatch = (byteOffset: number, chunk: Uint8Array) => void;

/** A tensor of a model with other contents or another storage; element type and shape stay. */
export class EditedTensor implements TensorRef {
  readonly base: TensorRef;
  readonly patch: TensorPatch | null;
  readonly storage: TensorRef['storage'];

  constructor(base: TensorRef, change: { readonly patch?: TensorPatch; readonly storage?: 'raw' | 'typed' }) {
    // Layers would hide the tensor that lies in the file: two edits of one tensor become one patch of it.
    const below = base instanceof EditedTensor ? base : null;
    this.base = below === null ? base : below.base;
    this.patch = toOnePatch(below?.patch ?? null, change.patch ?? null);
    this.storage = change.storage ?? base.storage;
  }

  get name(): string {
    return this.base.name;
  }

  get dtype(): DType {
    return this.base.dtype;
  }

  get shape(): readonly number[] {
    return this.base.shape;
  }

  get elementCount(): number {
    return this.base.elementCount;
  }

  get byteLength(): number {
    return this.base.byteLength;
  }

  get fileIndex(): number {
    return this.base.fileIndex;
  }

  get start(): number {
    return this.base.start;
  }

  get end(): number {
    return this.base.end;
  }

  read(byteOffset: number, into: Uint8Array): void {
    this.base.read(byteOffset, into);
    this.patch?.(byteOffset, into);
  }
}

function toOnePatch(first: TensorPatch | null, second: TensorPatch | null): TensorPatch | null {
  if (first === null || second === null) return first ?? second;
  return (byteOffset, chunk) => {
    first(byteOffset, chunk);
    second(byteOffset, chunk);
  };
}
