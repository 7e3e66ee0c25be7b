/** Cuts a pickle into opcodes. Nothing is built; memory is one window, whatever an argument says of its length. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { OPCODES, type OpcodeName } from './opcodes.ts';
import type { Reading } from './reading.ts';
import type { MemberContent } from './member.ts';

/** One opcode. The object is reused: it holds until the next is read. */
export interface Op {
  name: OpcodeName;
  /** Place of the opcode in the content. */
  at: number;
  /** The argument's bytes in the content (without length, without newline); for line2, the first line. */
  start: number;
  end: number;
  /** The second line of a line2 argument. */
  start2: number;
  end2: number;
  /** The value of a number argument; of the first 2^53 for u8. */
  value: number;
}

const WINDOW_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

export class OpcodeReader {
  readonly op: Op = { name: 'STOP', at: 0, start: 0, end: 0, start2: 0, end2: 0, value: 0 };
  /** Where the next opcode begins. */
  at: number;
  readonly #content: MemberContent;
  readonly #reading: Reading;
  readonly #window: Buffer;
  #windowStart = 0;
  #windowEnd = 0;

  constructor(reading: Reading, content: MemberContent, at: number) {
    this.#reading = reading;
    this.#content = content;
    this.at = at;
    this.#window = Buffer.alloc(Math.min(WINDOW_BYTES, Math.max(1, content.end - content.start)));
  }

  /** Reads the next opcode into {@link op}. @throws FormatError PYTORCH_PICKLE_OPCODE | PYTORCH_PICKLE_TRUNCATED */
  next(): Op {
    const { op } = this;
    const at = this.at;
    if (at >= this.#content.end) throw this.#truncated(at);
    const byte = this.#byte(at);
    const row = OPCODES[byte];
    if (row === undefined)
      throw this.#reading.fail('PYTORCH_PICKLE_OPCODE', this.#content.toOffset(at), { opcode: byte });
    op.name = row.name;
    op.at = at;
    op.start = at + 1;
    switch (row.argument) {
      case 'none':
        op.end = at + 1;
        break;
      case 'line':
        op.end = this.#findNewline(op.start);
        break;
      case 'line2':
        op.end = this.#findNewline(op.start);
        op.start2 = op.end + 1;
        op.end2 = this.#findNewline(op.start2);
        break;
      case 'bytes1':
      case 'bytes4':
      case 'bytes8':
      case 'raw4':
        this.#skipBytes(row.argument);
        break;
      default:
        this.#readNumber(row.argument);
    }
    this.at = row.argument === 'line' ? op.end + 1 : row.argument === 'line2' ? op.end2 + 1 : op.end;
    return op;
  }

  #copy(start: number, end: number): Buffer {
    const bytes = Buffer.alloc(end - start);
    this.#content.source.read(start, bytes);
    return bytes;
  }

  /** Bytes of the content, whose length the caller bounds; short ones hold until the next read. */
  view(start: number, end: number): Buffer {
    if (end - start > this.#window.length) return this.#copy(start, end);
    this.#load(start, end - start);
    return this.#window.subarray(start - this.#windowStart, end - this.#windowStart);
  }

  #truncated(at: number) {
    return this.#reading.fail('PYTORCH_PICKLE_TRUNCATED', this.#content.toOffset(at));
  }

  #byte(at: number): number {
    if (at < this.#windowStart || at >= this.#windowEnd) this.#load(at, 1);
    return this.#window[at - this.#windowStart];
  }

  #load(at: number, length: number): void {
    if (at >= this.#windowStart && at + length <= this.#windowEnd) return;
    const end = Math.min(this.#content.end, at + this.#window.length);
    this.#content.source.read(at, this.#window.subarray(0, end - at));
    this.#windowStart = at;
    this.#windowEnd = end;
  }

  #findNewline(start: number): number {
    const { end } = this.#content;
    const limit = Math.min(end, start + FORMAT_LIMITS.pickleLineBytesMax);
    for (let at = start; at < limit; ) {
      this.#byte(at);
      const found = this.#window.indexOf(NEWLINE, at - this.#windowStart);
      const newline = found === -1 ? Infinity : this.#windowStart + found;
      if (newline < Math.min(limit, this.#windowEnd)) return newline;
      at = this.#windowEnd;
    }
    if (limit === end) throw this.#truncated(end);
    throw this.#reading.fail('PYTORCH_PICKLE_BUDGET', this.#content.toOffset(start), {
      lineBytesMax: FORMAT_LIMITS.pickleLineBytesMax,
    });
  }

  #skipBytes(kind: 'bytes1' | 'bytes4' | 'bytes8' | 'raw4'): void {
    const { op } = this;
    const lengthBytes = kind === 'bytes1' ? 1 : kind === 'bytes8' ? 8 : 4;
    const length = this.#readUnsigned(op.start, lengthBytes);
    op.start += lengthBytes;
    if (kind === 'raw4' && length > 0x7fffffff) {
      throw this.#reading.fail('PYTORCH_PICKLE_OPCODE', this.#content.toOffset(op.at), { problem: 'negative length' });
    }
    if (length > this.#content.end - op.start) throw this.#truncated(op.at);
    op.end = op.start + length;
  }

  #readNumber(kind: 'u1' | 'u2' | 'u4' | 'u8' | 'i4' | 'f8'): void {
    const { op } = this;
    const length = NUMBER_BYTES[kind];
    op.end = op.start + length;
    if (kind === 'f8') op.value = this.#require(op.start, 8).readDoubleBE(0);
    else if (kind === 'i4') op.value = this.#readUnsigned(op.start, 4) | 0;
    else op.value = this.#readUnsigned(op.start, length);
  }

  #readUnsigned(at: number, length: number): number {
    const bytes = this.#require(at, length);
    return length === 8 ? Number(bytes.readBigUInt64LE(0)) : bytes.readUIntLE(0, length);
  }

  #require(at: number, length: number): Buffer {
    if (length > this.#content.end - at) throw this.#truncated(at);
    return this.view(at, at + length);
  }
}

const NUMBER_BYTES = { u1: 1, u2: 2, u4: 4, u8: 8, i4: 4, f8: 8 } as const;
