/** The protobuf wire format over bytes in memory: a cursor that goes from field to field, and a writer. @see https://protobuf.dev/programming-guides/encoding/ */
import { type ErrorCode, GatewayError } from '../../../core/errors.ts';

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/**
 * `while (cursor.next())`, then it stands at a field: `number`, `wire`, and the value in `start`..`end` or in `low` and
 * `high`. Groups, which proto3 does not have, are refused.
 * @throws GatewayError the given code, with the offset
 */
export class WireCursor {
  number = 0;
  wire = 0;
  /** Where the field begins, with its tag. */
  fieldStart = 0;
  /** Value of a field of bytes or of fixed width. */
  start = 0;
  end = 0;
  /** Value of a varint, as two unsigned halves. */
  low = 0;
  high = 0;
  readonly bytes: Uint8Array;
  readonly #limit: number;
  readonly #code: ErrorCode;

  /** Over [start, end) of `bytes`. */
  constructor(bytes: Uint8Array, start: number, end: number, code: ErrorCode) {
    this.bytes = bytes;
    this.end = start;
    this.#limit = end;
    this.#code = code;
  }

  fail(problem: string): never {
    throw new GatewayError(this.#code, { fields: { problem, offset: this.fieldStart } });
  }

  /** Goes to the next field; false at the end. */
  next(): boolean {
    if (this.end >= this.#limit) return false;
    this.fieldStart = this.end;
    this.#varint(this.end);
    this.number = this.high === 0 ? this.low >>> 3 : 0;
    if (this.number === 0) this.fail('no field number');
    this.wire = this.low & 7;
    const { wire } = this;
    if (wire === VARINT) this.#varint(this.end);
    else if (wire === BYTES) {
      this.#varint(this.end);
      this.#take(this.end, this.high * 2 ** 32 + this.low);
    } else if (wire === FIXED32 || wire === FIXED64) this.#take(this.end, wire === FIXED64 ? 8 : 4);
    else this.fail('no wire type');
    return true;
  }

  /** The message in this field. */
  enter(): WireCursor {
    this.#expect(BYTES);
    return new WireCursor(this.bytes, this.start, this.end, this.#code);
  }

  /** The bytes of this field, not copied. */
  view(): Uint8Array {
    this.#expect(BYTES);
    return this.bytes.subarray(this.start, this.end);
  }

  /** Text of at most `bytesMax` bytes of UTF-8. */
  text(bytesMax: number): string {
    this.#expect(BYTES);
    if (this.end - this.start > bytesMax) this.fail('a text that is too long');
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.start, this.end - this.start).toString('utf8');
  }

  truth(): boolean {
    this.#expect(VARINT);
    return this.low !== 0 || this.high !== 0;
  }

  /** A varint as signed 64-bit integer that a double holds. */
  safeInt(): number {
    this.#expect(VARINT);
    const value = (this.high | 0) * 2 ** 32 + this.low;
    if (!Number.isSafeInteger(value)) this.fail('a number beyond 2^53');
    return value;
  }

  /** Calls `each` for every value of a repeated scalar, packed or not; the halves of varints stand in `low` and `high`. */
  scalars(width: 'varint' | 4 | 8, each: (at: number) => void): void {
    const wire = width === 'varint' ? VARINT : width === 8 ? FIXED64 : FIXED32;
    if (this.wire === wire) {
      each(this.start);
      return;
    }
    this.#expect(BYTES);
    const { start, end } = this;
    if (width === 'varint') {
      for (let at = start; at < end; at = this.end) {
        this.#varint(at);
        if (this.end > end) this.fail('a value beyond its field');
        each(at);
      }
      this.end = end;
    } else {
      if ((end - start) % width !== 0) this.fail('a value beyond its field');
      for (let at = start; at < end; at += width) each(at);
    }
  }

  #expect(wire: number): void {
    if (this.wire !== wire) this.fail('another wire type than the field has');
  }

  #take(start: number, length: number): void {
    if (length > this.#limit - start) this.fail('a field longer than the message');
    this.start = start;
    this.end = start + length;
  }

  /** Reads at `at`; `end` is behind it then. */
  #varint(at: number): void {
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (at + i >= this.#limit) this.fail('a message that breaks off');
      const byte = this.bytes[at + i];
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high |= bits >> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        this.start = at;
        this.end = at + i + 1;
        return;
      }
    }
    this.fail('a varint of more than ten bytes');
  }
}

/** Puts a message together from parts; long bytes are kept as views until `finish`. */
export class WireWriter {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  bytes(number: number, value: Uint8Array): this {
    this.varints((number << 3) | BYTES, value.length);
    return this.raw(value);
  }

  /** Left out when empty, as proto3 does. */
  text(number: number, value: string): this {
    return value === '' ? this : this.bytes(number, Buffer.from(value, 'utf8'));
  }

  /** Left out when false. */
  truth(number: number, value: boolean): this {
    return value ? this.varints(number << 3, 1) : this;
  }

  message(number: number, message: WireWriter): this {
    this.varints((number << 3) | BYTES, message.length);
    for (const part of message.#parts) this.raw(part);
    return this;
  }

  /** Packed int64 values. */
  packedInts(number: number, values: readonly number[]): this {
    if (values.length === 0) return this;
    const packed = new WireWriter();
    for (const value of values) packed.varints(value);
    return this.message(number, packed);
  }

  /** Bytes of fields that are complete already. */
  raw(value: Uint8Array): this {
    this.#parts.push(value);
    this.length += value.length;
    return this;
  }

  varints(...values: readonly number[]): this {
    const out: number[] = [];
    for (const value of values) pushVarint(out, value);
    return this.raw(Uint8Array.from(out));
  }

  /** @param headBytes left free before the message */
  finish(headBytes = 0): Uint8Array {
    const out = new Uint8Array(headBytes + this.length);
    let at = headBytes;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

/** @param value a safe integer; negative ones take ten bytes */
function pushVarint(out: number[], value: number): void {
  let low = value >>> 0;
  let high = Math.floor(value / 2 ** 32) >>> 0;
  while (high !== 0 || low > 0x7f) {
    out.push((low & 0x7f) | 0x80);
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  out.push(low);
}
