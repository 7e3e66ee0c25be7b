/** The protobuf wire format over a byte source: fields and their spans through a small window, nothing decoded ahead. */
import { type ErrorCode, type ErrorFields, FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';
import { toText } from '../text.ts';
import { TextCache } from './text-cache.ts';

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, groupStart: 3, groupEnd: 4, fixed32: 5 } as const;

/** The body of one embedded message. A message that occurs twice is merged by protobuf: it has several frames. */
export interface Frame {
  readonly parent: Frame | null;
  /** Offset of the length prefix; 0 for the whole file, which has none. */
  readonly lengthStart: number;
  readonly start: number;
  readonly end: number;
  /** 0 for the whole file. */
  readonly depth: number;
}

/** One field as it lies in the file. */
export interface Field {
  readonly number: number;
  readonly wire: number;
  /** Offset of the tag. */
  readonly tagStart: number;
  /** For length-delimited fields, the offset of the length. */
  readonly lengthStart: number;
  /** Span of the value; of a length-delimited field, without its length. */
  readonly start: number;
  readonly end: number;
  /** Value of a varint, as two unsigned halves. */
  readonly low: number;
  readonly high: number;
}

/**
 * The fields of one message, in file order: `while (fields.next())`, then it is the field that it stands at. The object
 * is used again for the next message of its depth: read from it, do not keep it. Only the reader writes to it.
 */
export class Fields implements Field {
  number = 0;
  wire = 0;
  tagStart = 0;
  lengthStart = 0;
  start = 0;
  end = 0;
  low = 0;
  high = 0;
  /** End of the message. */
  limit = 0;
  readonly depth: number;
  readonly #reader: WireReader;
  #parent: Fields | null = null;
  /** The message; made when somebody keeps it. */
  #frame: Frame | null = null;
  #messageLengthStart = 0;
  #messageStart = 0;

  constructor(reader: WireReader, depth: number) {
    this.#reader = reader;
    this.depth = depth;
  }

  /** Starts over at the first field of `frame`. */
  walk(frame: Frame): this {
    this.#frame = frame;
    this.end = frame.start;
    this.limit = frame.end;
    return this;
  }

  /** Goes to the next field. Groups, which ONNX does not use, are skipped. @returns false at the end of the message */
  next(): boolean {
    while (this.end < this.limit) {
      this.#reader.readField(this);
      if (this.wire !== WIRE.groupStart) return true;
    }
    return false;
  }

  /** The fields of the message inside this field. */
  enter(): Fields {
    const inner = this.#reader.toFields(this.#toInnerDepth());
    inner.#parent = this;
    inner.#frame = null;
    inner.#messageLengthStart = this.lengthStart;
    inner.#messageStart = this.start;
    inner.end = this.start;
    inner.limit = this.end;
    return inner;
  }

  /** The message whose fields these are, to be kept. */
  toFrame(): Frame {
    this.#frame ??= {
      parent: this.#parent!.toFrame(),
      lengthStart: this.#messageLengthStart,
      start: this.#messageStart,
      end: this.limit,
      depth: this.depth,
    };
    return this.#frame;
  }

  /** The message inside this field, to be kept or read later. */
  toInnerFrame(): Frame {
    const { lengthStart, start, end } = this;
    return { parent: this.toFrame(), lengthStart, start, end, depth: this.#toInnerDepth() };
  }

  #toInnerDepth(): number {
    const depth = this.depth + 1;
    if (depth > FORMAT_LIMITS.onnxDepthMax) throw this.#reader.fail('ONNX_DEPTH', this.tagStart, { depth });
    return depth;
  }
}

const WINDOW_BYTES_MIN = 4096;

/**
 * Reads fields in file order.
 * @throws FormatError ONNX_WIRE | ONNX_TRUNCATED | ONNX_DEPTH with the offset
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class WireReader {
  readonly source: ByteSource;
  /** Halves of the varint that was read last. */
  low = 0;
  high = 0;
  readonly #window = Buffer.alloc(FORMAT_LIMITS.onnxWindowBytes);
  #windowStart = 0;
  #windowEnd = 0;
  #windowBytes = WINDOW_BYTES_MIN;
  readonly #texts: TextCache;
  /** One for each depth: a model has tens of thousands of messages, and at each depth one is walked at a time. */
  readonly #fields: Fields[] = [];

  constructor(source: ByteSource) {
    this.source = source;
    this.#texts = new TextCache(source.size);
  }

  toRoot(): Frame {
    return { parent: null, lengthStart: 0, start: 0, end: this.source.size, depth: 0 };
  }

  fail(code: ErrorCode, offset: number, fields: ErrorFields = {}): FormatError {
    return new FormatError(code, { fields: { file: this.source.label, offset, ...fields } });
  }

  /** The fields of `frame`. Ends the walk over another message of the same depth. */
  walk(frame: Frame): Fields {
    return this.toFields(frame.depth).walk(frame);
  }

  /** What walks over messages of that depth. */
  toFields(depth: number): Fields {
    return (this.#fields[depth] ??= new Fields(this, depth));
  }

  /** Text of [start, end), as {@link toText} reads it. */
  text(start: number, end: number): string {
    if (end - start > WINDOW_BYTES_MIN) return toText(this.#view(start, end));
    if (start < this.#windowStart || end > this.#windowEnd) this.#fill(start);
    return this.#texts.read(this.#window, start - this.#windowStart, end - this.#windowStart);
  }

  /** Fills `into` from `offset`. */
  copy(offset: number, into: Uint8Array): void {
    into.set(this.#view(offset, offset + into.length));
  }

  /** Bytes [start, end), valid until the next read; through the window when they are few. */
  #view(start: number, end: number): Buffer {
    if (end - start > WINDOW_BYTES_MIN) {
      const bytes = Buffer.alloc(end - start);
      this.source.read(start, bytes);
      return bytes;
    }
    if (start < this.#windowStart || end > this.#windowEnd) this.#fill(start);
    return this.#window.subarray(start - this.#windowStart, end - this.#windowStart);
  }

  byteAt(offset: number): number {
    if (offset < this.#windowStart || offset >= this.#windowEnd) this.#fill(offset);
    return this.#window[offset - this.#windowStart];
  }

  /** The little-endian u32 at `at`. */
  word(at: number): number {
    const low = this.byteAt(at) | (this.byteAt(at + 1) << 8) | (this.byteAt(at + 2) << 16);
    return (low | (this.byteAt(at + 3) << 24)) >>> 0;
  }

  /**
   * Reads a varint at `at` into `low` and `high`; overlong forms are legal.
   * @returns the offset after it
   */
  varint(at: number, end: number): number {
    if (at < end) {
      const first = this.byteAt(at);
      if (first < 0x80) {
        this.low = first;
        this.high = 0;
        return at + 1;
      }
    }
    return this.#longVarint(at, end);
  }

  #longVarint(at: number, end: number): number {
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (at + i >= end) throw this.fail('ONNX_TRUNCATED', at);
      const byte = this.byteAt(at + i);
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high |= bits >> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return at + i + 1;
      }
    }
    throw this.fail('ONNX_WIRE', at, { problem: 'varint of more than 10 bytes' });
  }

  /** Moves `field` on to what stands behind it. */
  readField(field: Fields): void {
    const at = field.end;
    const index = at - this.#windowStart;
    if (index >= 0 && at + 2 <= field.limit && at + 2 <= this.#windowEnd) {
      const tag = this.#window[index];
      const next = this.#window[index + 1];
      const wire = tag & 7;
      // Nine fields of ten: tag and length, or tag and value, are one byte each. Halves the time of the walk.
      if (tag >= 8 && tag < 0x80 && next < 0x80 && (wire === WIRE.bytes || wire === WIRE.varint)) {
        field.number = tag >>> 3;
        field.wire = wire;
        field.tagStart = at;
        if (wire === WIRE.varint) {
          field.start = at + 1;
          field.end = at + 2;
          field.low = next;
          field.high = 0;
          return;
        }
        field.lengthStart = at + 1;
        field.start = at + 2;
        field.end = at + 2 + next;
        this.#assertInside(field);
        return;
      }
    }
    this.#readAnyField(field, at);
  }

  #readAnyField(field: Fields, at: number): void {
    const { limit } = field;
    const after = this.varint(at, limit);
    if (this.high !== 0 || after - at > 5 || this.low >>> 3 === 0) {
      throw this.fail('ONNX_WIRE', at, { problem: 'not a field number' });
    }
    field.number = this.low >>> 3;
    field.wire = this.low & 7;
    field.tagStart = at;
    field.start = after;
    switch (field.wire) {
      case WIRE.varint:
        field.end = this.varint(after, limit);
        field.low = this.low;
        field.high = this.high;
        return;
      case WIRE.fixed64:
        field.end = after + 8;
        break;
      case WIRE.fixed32:
        field.end = after + 4;
        break;
      case WIRE.bytes:
        field.lengthStart = after;
        field.start = this.varint(after, limit);
        field.end = field.start + this.#toLength();
        break;
      case WIRE.groupStart:
        field.end = this.#skipGroup(field.number, after, limit, field.depth + 1);
        break;
      default:
        throw this.fail('ONNX_WIRE', at, { problem: 'unknown wire type', wire: field.wire });
    }
    this.#assertInside(field);
  }

  /** The varint that was read last as a length. */
  #toLength(): number {
    // The engine keeps a product as a heap number, 16 bytes more for each offset of an index; a sum of small numbers not.
    return this.high === 0 ? this.low : this.high * 2 ** 32 + this.low;
  }

  #assertInside({ tagStart, number, end, limit }: Fields): void {
    if (end > limit) throw this.fail('ONNX_TRUNCATED', tagStart, { field: number, end, endMax: limit });
  }

  #skipGroup(number: number, start: number, end: number, depth: number): number {
    if (depth > FORMAT_LIMITS.onnxDepthMax) throw this.fail('ONNX_DEPTH', start, { depth });
    const field = new Fields(this, depth);
    field.limit = end;
    for (let at = start; ; at = field.end) {
      const after = this.varint(at, end);
      if ((this.low & 7) === WIRE.groupEnd) {
        if (this.low >>> 3 === number && this.high === 0) return after;
        throw this.fail('ONNX_WIRE', at, { problem: 'end of another group' });
      }
      this.#readAnyField(field, at);
    }
  }

  /** Weights are skipped, so after a jump little is read; reading on doubles the window. */
  #fill(offset: number): void {
    const isReadingOn = offset === this.#windowEnd;
    this.#windowBytes = isReadingOn ? Math.min(this.#windowBytes * 2, this.#window.length) : WINDOW_BYTES_MIN;
    const length = Math.min(this.#windowBytes, this.source.size - offset);
    this.#windowEnd = this.#windowStart; // an exception must not leave stale bytes under new offsets
    this.source.read(offset, this.#window.subarray(0, length));
    this.#windowStart = offset;
    this.#windowEnd = offset + length;
  }
}
