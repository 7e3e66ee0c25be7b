/** The GGUF header: counts, metadata, tensor infos, and the check that the data is covered once. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { type DType, DTYPES, findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { TensorLayout } from '../span-tensor.ts';
import { Cursor } from './cursor.ts';
import { GGUF_DTYPES } from './dtypes.ts';
import { type MetadataValue, readTypedValue } from './values.ts';

/** "GGUF" as a little-endian number. */
export const GGUF_MAGIC = 0x46554747;
/** Offset of the number of metadata entries. */
export const METADATA_COUNT_AT = 16;
export const ALIGNMENT_KEY = 'general.alignment';
export const ALIGNMENT_DEFAULT = 32;

/** One metadata entry; the span holds key, type and value. */
export interface MetadataMember {
  readonly key: string;
  readonly value: MetadataValue;
  readonly start: number;
  readonly end: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly members: readonly MetadataMember[];
  /** Where the tensor infos begin. */
  readonly metadataEnd: number;
  /** Where the tensor infos end, and the padding before the data begins. */
  readonly infosEnd: number;
  /** Where the data begins; without tensors, where the infos end. */
  readonly dataStart: number;
  /** In bytes, a power of two. */
  readonly alignment: number;
  /** In data order. */
  readonly tensors: readonly TensorLayout[];
}

/** Heap of one entry of the index, beside its text (that of metadata is kept once asked for); a little high. */
const ENTRY_BYTES = 300;

/**
 * Reads and checks the header as strictly as the reference loader, and more where two readers would see different
 * models: NUL in names, bytes after the last tensor, truth values that are neither.
 * @throws FormatError GGUF_…
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; ggml `gguf.cpp`
 */
export function readHeader(source: ByteSource): GgufHeader {
  const draft = new HeaderDraft(new Cursor(source));
  const { version, tensorCount, metadataCount } = draft.readCounts();
  const members = draft.readMembers(metadataCount);
  const metadataEnd = draft.cursor.at;
  const alignment = draft.toAlignment(members);
  const infos = draft.readInfos(tensorCount);
  const infosEnd = draft.cursor.at;
  const dataStart = tensorCount === 0 ? infosEnd : toAligned(infosEnd, alignment);
  const tensors = draft.toLayout(infos, dataStart, alignment);
  return { version, members, metadataEnd, infosEnd, dataStart, alignment, tensors };
}

/** The next multiple of `alignment`. */
export function toAligned(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  /** Slowest first, as everywhere but in the file. */
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly byteLength: number;
  /** From the start of the data. */
  readonly offset: number;
  /** Where the info lies in the file, for messages. */
  readonly entryStart: number;
}

class HeaderDraft {
  readonly cursor: Cursor;
  #indexBytes = 0;

  constructor(cursor: Cursor) {
    this.cursor = cursor;
  }

  readCounts(): { readonly version: number; readonly tensorCount: number; readonly metadataCount: number } {
    const { cursor } = this;
    if (cursor.source.size < 4 || cursor.u32() !== GGUF_MAGIC) throw cursor.fail('GGUF_MAGIC', {}, 0);
    const version = cursor.u32();
    // A small version written by a big-endian machine has its bytes at the other end.
    if ((version & 0xffff) === 0 && version !== 0) throw cursor.fail('GGUF_BIG_ENDIAN', {}, 4);
    if (version !== 2 && version !== 3) throw cursor.fail('GGUF_VERSION', { version }, 4);
    const tensorCount = cursor.u64();
    if (tensorCount > FORMAT_LIMITS.tensorsMax) {
      throw cursor.fail('GGUF_TENSOR_COUNT', { tensors: String(tensorCount) }, 8);
    }
    const metadataCount = cursor.u64();
    if (metadataCount > FORMAT_LIMITS.ggufMetadataMax) {
      throw cursor.fail('GGUF_METADATA_COUNT', { entries: String(metadataCount) }, METADATA_COUNT_AT);
    }
    return { version, tensorCount, metadataCount };
  }

  readMembers(count: number): MetadataMember[] {
    const { cursor } = this;
    const members: MetadataMember[] = [];
    const keys = new Set<string>();
    const steps = { left: FORMAT_LIMITS.ggufArrayStepsMax };
    for (let i = 0; i < count; i++) {
      const start = cursor.at;
      const key = cursor.string(FORMAT_LIMITS.ggufKeyBytesMax, 'GGUF_KEY').toString();
      if (key === '' || key.includes('\0')) throw cursor.fail('GGUF_KEY', { key }, start);
      if (keys.has(key)) throw cursor.fail('GGUF_DUPLICATE_KEY', { key }, start);
      keys.add(key);
      const value = readTypedValue(cursor, steps);
      this.#spend(key.length + (value.kind === 'string' ? value.end - value.start : 0), start);
      members.push({ key, value, start, end: cursor.at });
    }
    return members;
  }

  toAlignment(members: readonly MetadataMember[]): number {
    const member = members.find(({ key }) => key === ALIGNMENT_KEY);
    if (member === undefined) return ALIGNMENT_DEFAULT;
    const { value, start } = member;
    const bytes = value.kind === 'number' && value.type === 'u32' ? Number(value.value) : 0;
    const isPower = bytes > 0 && Number.isInteger(Math.log2(bytes));
    if (!isPower || bytes > FORMAT_LIMITS.ggufAlignmentMax) {
      throw this.cursor.fail('GGUF_ALIGNMENT', { type: value.kind, alignment: bytes }, start);
    }
    return bytes;
  }

  readInfos(count: number): TensorInfo[] {
    const infos: TensorInfo[] = [];
    const names = new Set<string>();
    for (let i = 0; i < count; i++) {
      const start = this.cursor.at;
      const info = this.#readInfo();
      if (names.has(info.name)) throw this.cursor.fail('GGUF_DUPLICATE_NAME', { tensor: info.name }, start);
      names.add(info.name);
      this.#spend(info.name.length, start);
      infos.push(info);
    }
    return infos;
  }

  #readInfo(): TensorInfo {
    const { cursor } = this;
    const entryStart = cursor.at;
    const name = cursor.string(FORMAT_LIMITS.ggufNameBytesMax, 'GGUF_NAME').toString();
    // Readers in C end a name at its first NUL: two names would be one there.
    if (name === '' || name.includes('\0')) throw cursor.fail('GGUF_NAME', { tensor: name }, entryStart);
    const rank = cursor.u32();
    if (rank > FORMAT_LIMITS.ggufDimensionsMax) {
      throw cursor.fail('GGUF_DIMENSIONS', { tensor: name, dimensions: rank }, entryStart);
    }
    const shape = Array.from({ length: rank }, () => cursor.u64()).reverse();
    const type = cursor.u32();
    const dtype = GGUF_DTYPES.get(type);
    if (dtype === undefined) throw cursor.fail('GGUF_DTYPE', { tensor: name, type }, entryStart);
    const elementCount = findElementCount(shape);
    if (elementCount === undefined) throw cursor.fail('GGUF_DIMENSIONS', { tensor: name }, entryStart);
    const rowElements = shape.at(-1) ?? 1;
    if (rowElements % (DTYPES[dtype].block?.elements ?? 1) !== 0) {
      throw cursor.fail('GGUF_BLOCK_ROW', { tensor: name, dtype, rowElements }, entryStart);
    }
    const byteLength = findPackedByteLength(dtype, elementCount);
    if (byteLength === undefined) throw cursor.fail('GGUF_DIMENSIONS', { tensor: name }, entryStart);
    return { name, dtype, shape, elementCount, byteLength, offset: cursor.u64(), entryStart };
  }

  /** The data must be covered once, with less than one alignment between tensors: larger holes could hide a payload. */
  toLayout(infos: readonly TensorInfo[], dataStart: number, alignment: number): TensorLayout[] {
    const { cursor } = this;
    const sorted = infos.toSorted((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
    let end = 0;
    const tensors = sorted.map(({ name, dtype, shape, elementCount, byteLength, offset, entryStart }) => {
      if (offset % alignment !== 0) {
        throw cursor.fail('GGUF_OFFSET_ALIGNMENT', { tensor: name, start: String(offset), alignment }, entryStart);
      }
      const expected = toAligned(end, alignment);
      if (offset !== expected) {
        throw cursor.fail('GGUF_OFFSETS', { tensor: name, expected, actual: String(offset) }, entryStart);
      }
      end = offset + byteLength;
      if (dataStart + end > cursor.source.size) {
        throw cursor.fail(
          'GGUF_DATA_LENGTH',
          { tensor: name, needed: dataStart + end, size: cursor.source.size },
          entryStart,
        );
      }
      return { name, dtype, shape, elementCount, start: dataStart + offset, end: dataStart + end };
    });
    const last = toAligned(dataStart + end, alignment);
    if (cursor.source.size > last) {
      throw cursor.fail('GGUF_DATA_LENGTH', { expected: last, size: cursor.source.size }, last);
    }
    return tensors;
  }

  #spend(textLength: number, offset: number): void {
    this.#indexBytes += ENTRY_BYTES + textLength;
    if (this.#indexBytes > FORMAT_LIMITS.ggufIndexBytesMax) throw this.cursor.fail('GGUF_BUDGET', {}, offset);
  }
}
