/** A forward reader of little-endian fields over a source: one window in memory, every read bounded by the file. */
import { isUtf8 } from 'node:buffer';
import { type ErrorCode, FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';

export class Cursor {
  /** Offset of the next byte. */
  at: number;
  readonly source: ByteSource;
  readonly #window: Buffer;
  #start = 0;
  #length = 0;

  constructor(source: ByteSource, at = 0) {
    this.source = source;
    this.at = at;
    this.#window = Buffer.alloc(Math.min(FORMAT_LIMITS.ggufWindowBytes, source.size));
  }

  /** An error at `offset`, by default at the cursor. */
  fail(code: ErrorCode, fields: Record<string, string | number> = {}, offset = this.at): FormatError {
    return new FormatError(code, { fields: { file: this.source.label, offset, ...fields } });
  }

  /** @throws FormatError GGUF_TRUNCATED when fewer than `count` bytes are left (Infinity always is too many) */
  require(count: number): void {
    const left = this.source.size - this.at;
    if (count > left) throw this.fail('GGUF_TRUNCATED', { needed: String(count), left });
  }

  skip(count: number): void {
    this.require(count);
    this.at += count;
  }

  u8(): number {
    return this.#window[this.#take(1)];
  }

  u32(): number {
    return this.#window.readUInt32LE(this.#take(4));
  }

  /** A number beyond 2^53 - 1 reads as Infinity: every cap refuses it. */
  u64(): number {
    const place = this.#take(8);
    const value = this.#window.readUInt32LE(place + 4) * 2 ** 32 + this.#window.readUInt32LE(place);
    return Number.isSafeInteger(value) ? value : Infinity;
  }

  /** The next `count` bytes, at most 8, valid until the next read. */
  view(count: number): DataView {
    const place = this.#take(count);
    return new DataView(this.#window.buffer, this.#window.byteOffset + place, count);
  }

  /**
   * A length (u64) and that many bytes of UTF-8, valid until the next read.
   * @throws FormatError `code` when there are more than `bytesMax` or they are no UTF-8
   */
  string(bytesMax: number, code: ErrorCode): Buffer {
    const start = this.at;
    const length = this.u64();
    if (length > bytesMax) throw this.fail(code, { bytes: String(length), bytesMax }, start);
    const bytes = this.#bytes(length);
    if (!isUtf8(bytes)) throw this.fail(code, { problem: 'not UTF-8' }, start);
    return bytes;
  }

  /** Short runs lie in the window, long ones get a buffer of their own. */
  #bytes(count: number): Buffer {
    if (count <= this.#window.length) {
      const place = this.#take(count);
      return this.#window.subarray(place, place + count);
    }
    this.require(count);
    const bytes = Buffer.alloc(count);
    this.source.read(this.at, bytes);
    this.at += count;
    return bytes;
  }

  /** Place of the next `count` bytes in the window, which moves when they are not in it. */
  #take(count: number): number {
    this.require(count);
    if (this.at < this.#start || this.at + count > this.#start + this.#length) {
      this.#start = this.at;
      this.#length = Math.min(this.#window.length, this.source.size - this.at);
      this.source.read(this.#start, this.#window.subarray(0, this.#length));
    }
    const place = this.at - this.#start;
    this.at += count;
    return place;
  }
}
