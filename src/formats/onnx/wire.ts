/** The protobuf wire format over a byte source: fields and their spans through a small window, nothing decoded ahead. */
import { type ErrorCode, type ErrorFields, FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';
import { toText } from '../text.ts';

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

/** One field as it lies in the file. The reader reuses the object: read from it, do not keep it. */
export interface Field {
  number: number;
  wire: number;
  /** Offset of the tag. */
  tagStart: number;
  /** For length-delimited fields, the offset of the length. */
  lengthStart: number;
  /** Span of the value; of a length-delimited field, without its length. */
  start: number;
  end: number;
  /** Value of a varint, as two unsigned halves. */
  low: number;
  high: number;
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
  readonly #fields: Field[] = [];
  #level = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  toRoot(): Frame {
    return { parent: null, lengthStart: 0, start: 0, end: this.source.size, depth: 0 };
  }

  fail(code: ErrorCode, offset: number, fields: ErrorFields = {}): FormatError {
    return new FormatError(code, { fields: { file: this.source.label, offset, ...fields } });
  }

  /** Visits the fields of `frame`; groups, which ONNX does not use, are skipped. */
  eachField(frame: Frame, visit: (field: Field) => void): void {
    // One field for each level of visits inside visits: a model has tens of thousands of messages.
    const field = (this.#fields[this.#level++] ??= toEmptyField());
    for (let at = frame.start; at < frame.end; at = field.end) {
      this.#readField(field, at, frame.end, frame.depth);
      if (field.wire !== WIRE.groupStart) visit(field);
    }
    this.#level--;
  }

  /** The message inside a length-delimited field. */
  enter(parent: Frame, field: Field): Frame {
    const depth = parent.depth + 1;
    if (depth > FORMAT_LIMITS.onnxDepthMax) throw this.fail('ONNX_DEPTH', field.tagStart, { depth });
    return { parent, lengthStart: field.lengthStart, start: field.start, end: field.end, depth };
  }

  /** Text of [start, end), as {@link toText} reads it. */
  text(start: number, end: number): string {
    if (end - start > WINDOW_BYTES_MIN) return toText(this.#view(start, end));
    if (start < this.#windowStart || end > this.#windowEnd) this.#fill(start);
    // Names come by the ten thousand: no view is made for each.
    return toText(this.#window, start - this.#windowStart, end - this.#windowStart);
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

  #readField(field: Field, at: number, end: number, depth: number): void {
    const after = this.varint(at, end);
    if (this.high !== 0 || after - at > 5 || this.low >>> 3 === 0) {
      throw this.fail('ONNX_WIRE', at, { problem: 'not a field number' });
    }
    field.number = this.low >>> 3;
    field.wire = this.low & 7;
    field.tagStart = at;
    field.start = after;
    switch (field.wire) {
      case WIRE.varint:
        field.end = this.varint(after, end);
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
        field.start = this.varint(after, end);
        field.end = field.start + this.high * 2 ** 32 + this.low;
        break;
      case WIRE.groupStart:
        field.end = this.#skipGroup(field.number, after, end, depth + 1);
        break;
      default:
        throw this.fail('ONNX_WIRE', at, { problem: 'unknown wire type', wire: field.wire });
    }
    if (field.end > end) throw this.fail('ONNX_TRUNCATED', at, { field: field.number, end: field.end, endMax: end });
  }

  #skipGroup(number: number, start: number, end: number, depth: number): number {
    if (depth > FORMAT_LIMITS.onnxDepthMax) throw this.fail('ONNX_DEPTH', start, { depth });
    const field = toEmptyField();
    for (let at = start; ; at = field.end) {
      const after = this.varint(at, end);
      if ((this.low & 7) === WIRE.groupEnd) {
        if (this.low >>> 3 === number && this.high === 0) return after;
        throw this.fail('ONNX_WIRE', at, { problem: 'end of another group' });
      }
      this.#readField(field, at, end, depth);
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

function toEmptyField(): Field {
  return { number: 0, wire: 0, tagStart: 0, lengthStart: 0, start: 0, end: 0, low: 0, high: 0 };
}

const EXACT_LENGTH_MAX = 8;

/** `list` with `item`, in an array of just that length while it is short: a first push reserves room for 17. */
export function append<T>(list: T[], item: T): T[] {
  if (list.length < EXACT_LENGTH_MAX) return [...list, item];
  list.push(item);
  return list;
}

/** Signed 64-bit value of two halves. */
export function toInt64(low: number, high: number): bigint {
  return (BigInt(high | 0) << 32n) | BigInt(low);
}

/** The signed 64-bit value as a number, or undefined outside ±2^53. */
export function findSafeInt(low: number, high: number): number | undefined {
  const value = (high | 0) * 2 ** 32 + low;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The two halves of a signed 64-bit value. */
export function toInt64Halves(value: bigint): { readonly low: number; readonly high: number } {
  const bits = BigInt.asUintN(64, value);
  return { low: Number(bits & 0xffff_ffffn), high: Number(bits >> 32n) };
}

/** Bytes of a varint of two unsigned halves, in the shortest form, or padded to `lengthMin`. */
export function toVarint(low: number, high: number, lengthMin = 1): Uint8Array {
  const out: number[] = [];
  for (let l = low >>> 0, h = high >>> 0; ; ) {
    const bits = l & 0x7f;
    l = ((l >>> 7) | (h << 25)) >>> 0;
    h >>>= 7;
    const isLast = l === 0 && h === 0 && out.length + 1 >= lengthMin;
    out.push(isLast ? bits : bits | 0x80);
    if (isLast) return Uint8Array.from(out);
  }
}

/** {@link toVarint} of a length, a safe integer. */
export function toLengthVarint(length: number, lengthMin = 1): Uint8Array {
  return toVarint(length % 2 ** 32, Math.floor(length / 2 ** 32), lengthMin);
}

export function toTag(number: number, wire: number): Uint8Array {
  return toVarint((number << 3) | wire, 0);
}
