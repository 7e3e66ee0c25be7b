/**
 * FlatBuffers read as a verifier reads them: no offset is followed, and no number used, before it is checked.
 * @see https://flatbuffers.dev/internals/
 */
import { type ErrorCode, type ErrorFields, FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';
import { toText } from '../text.ts';
import { PageReader } from './pages.ts';
import { SpanSet } from './span-set.ts';

const OFFSET_BYTES = 4;
const IDENTIFIER = 'TFL3';

/** Numbers of a table, and the bytes that they take. */
export const SCALAR_BYTES = { i8: 1, u8: 1, bool: 1, u16: 2, i32: 4, u32: 4, f32: 4, i64: 8, u64: 8 } as const;
export type ScalarKind = keyof typeof SCALAR_BYTES;

/** Elements of a list, without its length. */
export interface FlatVector {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

/** The tables of one file, what of it they take, and the heap that an index of them may take. */
export class FlatReader {
  readonly pages: PageReader;
  /** No table, list or text ends after it. */
  readonly end: number;
  /** What tables, field lists, lists and texts cover; not the data of buffers. */
  readonly structure = new SpanSet();
  readonly #fieldLists = new Map<number, number>();
  #indexBytes = 0;

  constructor(source: ByteSource) {
    this.pages = new PageReader(source);
    this.end = Math.min(source.size, FORMAT_LIMITS.tfliteTablesEndMax);
  }

  fail(code: ErrorCode, offset: number, fields: ErrorFields = {}): FormatError {
    return new FormatError(code, { fields: { file: this.pages.source.label, offset, ...fields } });
  }

  /** Counts heap that the index is about to take. @throws FormatError TFLITE_BUDGET */
  spend(bytes: number, offset: number): void {
    this.#indexBytes += bytes;
    if (this.#indexBytes > FORMAT_LIMITS.tfliteIndexBytesMax) {
      throw this.fail('TFLITE_BUDGET', offset, { indexBytesMax: FORMAT_LIMITS.tfliteIndexBytesMax });
    }
  }

  /** @throws FormatError TFLITE_HEADER | TFLITE_OFFSET | TFLITE_TABLE | TFLITE_ALIGNMENT */
  root(): Table {
    if (this.end < 2 * OFFSET_BYTES || this.pages.bytes(4, 8).toString('latin1') !== IDENTIFIER) {
      throw this.fail('TFLITE_HEADER', 0, { size: this.end });
    }
    this.mark(0, 2 * OFFSET_BYTES);
    return new Table(this, this.follow(0));
  }

  /** Target of the offset at `at`; it leads forward. */
  follow(at: number): number {
    const distance = this.pages.u32(at);
    const target = at + distance;
    if (distance === 0 || target > this.end - OFFSET_BYTES) throw this.fail('TFLITE_OFFSET', at, { target });
    this.align(target, OFFSET_BYTES);
    return target;
  }

  /** @throws FormatError TFLITE_ALIGNMENT */
  align(at: number, bytes: number): void {
    if (at % bytes !== 0) throw this.fail('TFLITE_ALIGNMENT', at, { bytes });
  }

  mark(start: number, end: number): void {
    this.spend(16, start);
    this.structure.add(start, end);
  }

  /** Bytes of the field list at `at`, checked once: builders share one among equal tables. */
  fieldListBytes(at: number, table: number): number {
    const known = this.#fieldLists.get(at);
    if (known !== undefined) return known;
    if (at < 0 || at > this.end - 4) throw this.fail('TFLITE_TABLE', table, { fieldList: at });
    this.align(at, 2);
    const bytes = this.pages.u16(at);
    if (bytes < 4 || bytes % 2 !== 0 || at + bytes > this.end) {
      throw this.fail('TFLITE_TABLE', table, { fieldList: at, bytes });
    }
    this.spend(64, at);
    this.mark(at, at + bytes);
    this.#fieldLists.set(at, bytes);
    return bytes;
  }

  /** The list at `at`. @throws FormatError TFLITE_VECTOR | TFLITE_ALIGNMENT */
  vector(at: number, elementBytes: number): FlatVector {
    const count = this.pages.u32(at);
    const start = at + OFFSET_BYTES;
    const end = start + count * elementBytes;
    if (end > this.end) throw this.fail('TFLITE_VECTOR', at, { count, elementBytes });
    // The address of an empty list is never used.
    if (count > 0) this.align(start, elementBytes);
    return { start, end, count };
  }

  /** The text at `at`, which a byte 0 ends. @throws FormatError TFLITE_VECTOR | TFLITE_BUDGET */
  text(at: number): string {
    const { start, end, count } = this.vector(at, 1);
    if (end >= this.end || this.pages.u8(end) !== 0) throw this.fail('TFLITE_VECTOR', at, { count });
    this.mark(at, end + 1);
    return toText(this.bytes(start, end));
  }

  /** A copy of [start, end) that is kept in the index. @throws FormatError TFLITE_BUDGET */
  bytes(start: number, end: number): Buffer {
    if (end - start > FORMAT_LIMITS.tfliteStringBytesMax) {
      throw this.fail('TFLITE_BUDGET', start, { stringBytesMax: FORMAT_LIMITS.tfliteStringBytesMax });
    }
    this.spend(48 + 2 * (end - start), start);
    return this.pages.bytes(start, end);
  }
}

/** One table. Its fields are numbered as in the schema; a missing one has its default. */
export class Table {
  readonly at: number;
  readonly #reader: FlatReader;
  readonly #fieldList: number;
  readonly #fieldListBytes: number;
  readonly #bytes: number;

  /** @throws FormatError TFLITE_TABLE | TFLITE_ALIGNMENT */
  constructor(reader: FlatReader, at: number) {
    this.#reader = reader;
    this.at = at;
    this.#fieldList = at - reader.pages.i32(at);
    this.#fieldListBytes = reader.fieldListBytes(this.#fieldList, at);
    this.#bytes = reader.pages.u16(this.#fieldList + 2);
    if (this.#bytes < OFFSET_BYTES || at + this.#bytes > reader.end) {
      throw reader.fail('TFLITE_TABLE', at, { bytes: this.#bytes });
    }
    reader.mark(at, at + this.#bytes);
  }

  /** Fields that the file knows of. */
  get fieldCount(): number {
    return (this.#fieldListBytes - 4) / 2;
  }

  /** Where the field lies, or null when it is missing. @throws FormatError TFLITE_TABLE | TFLITE_ALIGNMENT */
  position(field: number, bytes: number): number | null {
    if (field >= this.fieldCount) return null;
    const offset = this.#reader.pages.u16(this.#fieldList + 4 + 2 * field);
    if (offset === 0) return null;
    if (offset < OFFSET_BYTES || offset + bytes > this.#bytes) {
      throw this.#reader.fail('TFLITE_TABLE', this.at, { field, fieldOffset: offset });
    }
    this.#reader.align(this.at + offset, bytes);
    return this.at + offset;
  }

  int(field: number, kind: 'i8' | 'u8' | 'bool' | 'i32' | 'u32', otherwise = 0): number {
    const at = this.position(field, SCALAR_BYTES[kind]);
    const { pages } = this.#reader;
    if (at === null) return otherwise;
    if (kind === 'bool') return pages.u8(at) === 0 ? 0 : 1;
    return pages[kind](at);
  }

  float(field: number, otherwise = 0): number {
    const at = this.position(field, 4);
    return at === null ? otherwise : this.#reader.pages.f32(at);
  }

  long(field: number, kind: 'i64' | 'u64' = 'i64'): bigint {
    const at = this.position(field, 8);
    return at === null ? 0n : this.#reader.pages[kind](at);
  }

  text(field: number): string | null {
    const at = this.position(field, OFFSET_BYTES);
    return at === null ? null : this.#reader.text(this.#reader.follow(at));
  }

  table(field: number): Table | null {
    const at = this.position(field, OFFSET_BYTES);
    return at === null ? null : new Table(this.#reader, this.#reader.follow(at));
  }

  /** A list of numbers, or null. */
  vector(field: number, kind: ScalarKind): FlatVector | null {
    const found = this.data(field, SCALAR_BYTES[kind]);
    if (found !== null) this.#reader.mark(found.start - OFFSET_BYTES, found.end);
    return found;
  }

  /** A list that is no part of the structure: the data of a buffer. */
  data(field: number, elementBytes = 1): FlatVector | null {
    const at = this.position(field, OFFSET_BYTES);
    return at === null ? null : this.#reader.vector(this.#reader.follow(at), elementBytes);
  }

  /** The tables of a list of tables, each checked when its turn comes. */
  *tables(field: number): Generator<Table> {
    const vector = this.vector(field, 'u32');
    if (vector === null) return;
    for (let at = vector.start; at < vector.end; at += OFFSET_BYTES) {
      yield new Table(this.#reader, this.#reader.follow(at));
    }
  }

  /** Signed numbers of a list; [] when it is missing. @throws FormatError TFLITE_BUDGET */
  ints(field: number): number[] {
    const vector = this.vector(field, 'i32');
    if (vector === null) return [];
    this.#reader.spend(32 + 8 * vector.count, vector.start);
    return Array.from({ length: vector.count }, (_, i) => this.#reader.pages.i32(vector.start + 4 * i));
  }
}
