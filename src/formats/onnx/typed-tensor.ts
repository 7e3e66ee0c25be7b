/** Tensors in typed fields: their logical bytes, and the re-encoding of edited ones. */
import { DTYPES, type DType } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import { assertInSource } from '../../source/buffer.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { RewriteOp } from '../../source/rewrite.ts';
import { concatBytes } from '../../core/bytes.ts';
import type { ApplyEdit } from '../edits.ts';
import { assertInTensor } from '../span-tensor.ts';
import { toLengthVarint, toTag, toVarint } from './varint.ts';
import { WIRE } from './wire.ts';
import { toFloorIndex } from './floor-index.ts';
import type { TypedField } from './dtypes.ts';
import type { TypedValues } from './typed.ts';

/** Logical bytes that one entry of the typed field stands for; sub-byte types pack one byte into an int32 entry. */
export function toEntryBytes(dtype: DType): number {
  if (dtype === 'c64') return 4;
  if (dtype === 'c128') return 8;
  return Math.max(1, DTYPES[dtype].bits / 8);
}

export class TypedTensor implements TensorRef {
  readonly storage = 'typed';
  readonly fileIndex = 0;
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly byteLength: number;
  readonly start: number;
  readonly end: number;
  readonly values: TypedValues;

  constructor(init: {
    readonly name: string;
    readonly dtype: DType;
    readonly shape: readonly number[];
    readonly elementCount: number;
    readonly byteLength: number;
    readonly values: TypedValues;
  }) {
    this.name = init.name;
    this.dtype = init.dtype;
    this.shape = init.shape;
    this.elementCount = init.elementCount;
    this.byteLength = init.byteLength;
    this.values = init.values;
    this.start = init.values.segments.at(0)?.tagStart ?? 0;
    this.end = init.values.segments.at(-1)?.end ?? 0;
  }

  /** True when the logical bytes lie in the file as they are: one packed field of fixed-width entries. */
  get isStoredPlainly(): boolean {
    const { segments, field } = this.values;
    return segments.length === 1 && segments[0].packed && field.wire !== WIRE.varint;
  }

  read(byteOffset: number, into: Uint8Array): void {
    assertInTensor(this, byteOffset, into.length);
    if (into.length === 0) return;
    if (this.isStoredPlainly) {
      this.values.source.read(this.values.segments[0].start + byteOffset, into);
      return;
    }
    const width = toEntryBytes(this.dtype);
    const first = Math.floor(byteOffset / width);
    const last = Math.floor((byteOffset + into.length - 1) / width);
    const isBool = this.dtype === 'bool';
    let at = first * width - byteOffset;
    this.values.forEach(first, last - first + 1, (low, high) => {
      // Any other value than 0 is true to runtimes, although only its lowest byte would fit here.
      const word = isBool ? Number(low !== 0 || high !== 0) : low;
      for (let i = 0; i < width; i++, at++) {
        if (at >= 0 && at < into.length) into[at] = i < 4 ? word >>> (8 * i) : high >>> (8 * (i - 4));
      }
    });
  }
}

/** Entries per block of {@link toTypedReplacementOps}; one block is encoded at a time. */
const BLOCK_ENTRIES = 16_384;

/**
 * The typed field of an edited tensor, as operations: one field in the style (packed or not) of its first occurrence.
 * Entries are encoded when they are written, so that memory stays flat; only block lengths are known before.
 */
export function toTypedReplacementOps(tensor: TypedTensor, apply: ApplyEdit): readonly RewriteOp[] {
  const { field, segments } = tensor.values;
  return toEntryOps(new EncodedEntries(tensor, field, apply, segments[0].packed), field, segments[0].packed);
}

/** Any tensor but one of strings as a packed typed field. */
export function toTypedFieldOps(tensor: TensorRef, field: TypedField): readonly RewriteOp[] {
  return toEntryOps(new EncodedEntries(tensor, field, null, true), field, true);
}

function toEntryOps(source: EncodedEntries, field: TypedField, isPacked: boolean): readonly RewriteOp[] {
  const body: RewriteOp = { kind: 'keep', source, start: 0, end: source.size };
  if (!isPacked) return [body];
  const head = concatBytes(toTag(field.number, WIRE.bytes), toLengthVarint(source.size));
  return [{ kind: 'bytes', bytes: head }, body];
}

/** The encoded entries of a tensor as a source that encodes the block that is asked for. */
class EncodedEntries implements ByteSource {
  readonly label: string;
  readonly size: number;
  readonly #tensor: TensorRef;
  readonly #isVarint: boolean;
  readonly #apply: ApplyEdit | null;
  readonly #tag: Uint8Array | null;
  /** Offset of each block in the output, and the end. */
  readonly #starts: number[] = [0];
  #block: { index: number; bytes: Uint8Array } | null = null;

  constructor(tensor: TensorRef, field: TypedField, apply: ApplyEdit | null, isPacked: boolean) {
    this.label = tensor.name;
    this.#tensor = tensor;
    this.#isVarint = field.wire === WIRE.varint;
    this.#apply = apply;
    this.#tag = isPacked ? null : toTag(field.number, field.wire);
    const blocks = Math.ceil(tensor.byteLength / toEntryBytes(tensor.dtype) / BLOCK_ENTRIES);
    for (let i = 0; i < blocks; i++) this.#starts.push(this.#starts[i] + this.#encode(i).length);
    this.size = this.#starts[blocks];
  }

  read(offset: number, into: Uint8Array): void {
    assertInSource(this, offset, into.length);
    for (let done = 0; done < into.length; ) {
      const index = this.#findBlock(offset + done);
      if (this.#block?.index !== index) this.#block = { index, bytes: this.#encode(index) };
      const from = offset + done - this.#starts[index];
      const part = this.#block.bytes.subarray(from, from + into.length - done);
      into.set(part, done);
      done += part.length;
    }
  }

  close(): void {
    // The tensor's own source stays open.
  }

  #findBlock(offset: number): number {
    return toFloorIndex(this.#starts.length - 1, (i) => this.#starts[i], offset);
  }

  #encode(block: number): Uint8Array {
    const width = toEntryBytes(this.#tensor.dtype);
    const start = block * BLOCK_ENTRIES * width;
    const logical = new Uint8Array(Math.min(BLOCK_ENTRIES * width, this.#tensor.byteLength - start));
    this.#tensor.read(start, logical);
    this.#apply?.(start, logical);
    const tagLength = this.#tag?.length ?? 0;
    const out = new Uint8Array((logical.length / width) * (tagLength + 10));
    let at = 0;
    for (let i = 0; i < logical.length; i += width) {
      if (this.#tag !== null) out.set(this.#tag, at);
      const entry = this.#toEntry(logical, i, width);
      out.set(entry, at + tagLength);
      at += tagLength + entry.length;
    }
    return out.subarray(0, at);
  }

  #toEntry(logical: Uint8Array, at: number, width: number): Uint8Array {
    if (!this.#isVarint) return logical.subarray(at, at + width);
    let low = 0;
    let high = 0;
    for (let i = 0; i < width; i++) {
      if (i < 4) low |= logical[at + i] << (8 * i);
      else high |= logical[at + i] << (8 * (i - 4));
    }
    // int32 entries carry a sign, which protobuf extends to 64 bits; packed sub-byte entries and halves do not.
    const { kind, bits } = DTYPES[this.#tensor.dtype];
    if (kind === 'int' && bits >= 8 && width <= 4) {
      const shift = 32 - 8 * width;
      low = (low << shift) >> shift;
      high = low < 0 ? -1 : 0;
    }
    return toVarint(low, high);
  }
}
