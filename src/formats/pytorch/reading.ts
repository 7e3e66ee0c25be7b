/** What one PyTorch file is read with: its source, and what happens on a violation. */
import { type ErrorCode, type ErrorFields, FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';

/** One violation that a scan noted where opening would have refused. */
export interface Problem {
  readonly code: ErrorCode;
  /** Byte offset in the file. */
  readonly offset: number;
  readonly message: string;
  readonly fields: ErrorFields;
}

/**
 * Opening is strict: the first violation is thrown. A scan is lenient: it notes what it can go on after, because a
 * payload in front of a defect runs before any loader reaches the defect.
 */
export class Reading {
  readonly source: ByteSource;
  readonly isLenient: boolean;
  readonly problems: Problem[] = [];
  /** Opcodes that were followed, bytes that were summed, bytes that were inflated: members may overlap and repeat. */
  opcodes = 0;
  #summedBytes = 0;
  #inflatedBytes = 0;

  constructor(source: ByteSource, isLenient: boolean) {
    this.source = source;
    this.isLenient = isLenient;
  }

  /** The error to throw where reading cannot go on. */
  fail(code: ErrorCode, offset: number, fields: ErrorFields = {}): FormatError {
    return new FormatError(code, { fields: { file: this.source.label, offset, ...fields } });
  }

  /** @throws FormatError of `code` unless lenient */
  note(code: ErrorCode, offset: number, fields: ErrorFields = {}): void {
    const error = this.fail(code, offset, fields);
    if (!this.isLenient) throw error;
    this.keep(error);
  }

  /** Keeps what stopped one part of a lenient reading. */
  keep(error: FormatError): void {
    const offset = typeof error.fields.offset === 'number' ? error.fields.offset : 0;
    if (this.problems.length < PROBLEMS_MAX) {
      this.problems.push({ code: error.code, offset, message: error.message, fields: error.fields });
    }
  }

  /** Counts bytes of a member before they are summed. @throws FormatError PYTORCH_ZIP_BOMB */
  spendSummed(bytes: number, offset: number): void {
    this.#summedBytes += bytes;
    if (this.#summedBytes > 2 * this.source.size) throw this.fail('PYTORCH_ZIP_BOMB', offset, { problem: 'overlaps' });
  }

  /** Counts bytes before they are inflated. @throws FormatError PYTORCH_ZIP_BOMB */
  spendInflated(bytes: number, offset: number): void {
    this.#inflatedBytes += bytes;
    if (this.#inflatedBytes > FORMAT_LIMITS.zipInflatedBytesMax) {
      throw this.fail('PYTORCH_ZIP_BOMB', offset, { inflatedBytesMax: FORMAT_LIMITS.zipInflatedBytesMax });
    }
  }

  bytes(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.source.read(offset, bytes);
    return bytes;
  }
}

/** A damaged archive of many members repeats itself; the first thousand say enough. */
const PROBLEMS_MAX = 1000;
