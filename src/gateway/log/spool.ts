/** Rows in files before their answers leave (docs/spec/request-log.md section 3): written by the process that answers, read by another thread. */
import { crc32 } from 'node:zlib';
import { GatewayError } from '../../core/errors.ts';
import { GATEWAY_LOG_LIMITS } from '../../core/limits/gateway-log.ts';
import type { LogPlace, LogRow, RequestLog, SpoolFile, SpoolFolder } from '../ports.ts';
import { encodeRow, ROW_BYTES_MAX } from './row.ts';

const HEAD_BYTES = 8;

/** A place in the spool of a stream. */
export interface SpoolMark {
  readonly segment: string;
  readonly offsetBytes: number;
}

export interface SpoolLogOptions {
  readonly stream: string;
  readonly folder: SpoolFolder;
  /** What the database has, as far as it is known; null before anything is. */
  readonly movedTo: () => SpoolMark | null;
  readonly spoolBytesMax?: number;
  readonly segmentBytes?: number;
}

export interface SpoolLog extends RequestLog {
  /** Rows so far. */
  readonly count: number;
  /** Of rows that wait for the database. */
  readonly waitingBytes: number;
  /** Takes no more. */
  close(): void;
}

/** A row costs one write of the system, which outlives this process. */
export function createSpoolLog(options: SpoolLogOptions): SpoolLog {
  const { stream, folder } = options;
  const { spoolBytesMax = GATEWAY_LOG_LIMITS.spoolBytesMax, segmentBytes = GATEWAY_LOG_LIMITS.segmentBytes } = options;
  const record = Buffer.alloc(HEAD_BYTES + ROW_BYTES_MAX);
  let [count, writtenBytes, fileBytes] = [0, 0, 0];
  let file: SpoolFile | null = null;
  let isClosed = false;
  const moved = createMovedCount(options.movedTo);

  const write = (bytes: Uint8Array): void => {
    try {
      if (file === null || fileBytes >= segmentBytes) {
        file?.close();
        file = null;
        const name = toSegmentName(count);
        file = folder.create(name);
        fileBytes = 0;
        moved.begin(name, writtenBytes);
      }
      file.append(bytes);
    } catch (cause) {
      if (file !== null) isClosed = !isTakenBack(file, fileBytes);
      throw new GatewayError('GATEWAY_LOG_FAILED', { cause, fields: { reason: toReason(cause) } });
    }
  };
  return {
    get count() {
      return count;
    },
    get waitingBytes() {
      return writtenBytes - moved.read();
    },
    append: (row: LogRow): LogPlace => {
      if (isClosed) throw new GatewayError('GATEWAY_LOG_FAILED', { fields: { reason: 'closed' } });
      const end = encodeRow(row, record, HEAD_BYTES);
      if (writtenBytes + end - moved.read() > spoolBytesMax) throw new GatewayError('GATEWAY_LOG_FULL');
      record.writeUInt32BE(end - HEAD_BYTES, 0);
      record.writeUInt32BE(crc32(record.subarray(HEAD_BYTES, end)), 4);
      write(record.subarray(0, end));
      writtenBytes += end;
      fileBytes += end;
      count += 1;
      return { stream, index: count - 1 };
    },
    close: () => {
      isClosed = true;
      file?.close();
      file = null;
    },
  };
}

/**
 * Bytes of the spool that the database has, by the place that its writer came to: sums of what was told would be wrong for good after
 * a commit of which nobody heard.
 */
function createMovedCount(movedTo: () => SpoolMark | null) {
  const segments: { readonly name: string; readonly startBytes: number }[] = [];
  return {
    begin: (name: string, startBytes: number): void => {
      segments.push({ name, startBytes });
    },
    read: (): number => {
      const mark = movedTo();
      if (mark === null) return 0;
      while (segments.length > 1 && segments[0].name < mark.segment) segments.shift();
      const first = segments.at(0);
      return first?.name === mark.segment ? first.startBytes + mark.offsetBytes : (first?.startBytes ?? 0);
    },
  };
}

/** Half a record is taken out again; where that fails, too, nothing may come behind it. */
function isTakenBack(file: SpoolFile, bytes: number): boolean {
  try {
    file.truncate(bytes);
    return true;
  } catch {
    return false;
  }
}

/** `<index of its first row, 12 digits>.spool`. */
export function toSegmentName(firstIndex: number): string {
  return `${String(firstIndex).padStart(12, '0')}.spool`;
}

/** Index of the first row of a file, null for a name that is none of a spool. */
export function findFirstIndex(name: string): number | null {
  const digits = /^(\d{12})\.spool$/.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

function toReason(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : 'UNKNOWN';
}

/** Whole records of a piece of a spool file. */
export interface SpoolPiece {
  /** Bytes of each row; views of the piece. */
  readonly rows: readonly Uint8Array[];
  /** Bytes of whole records. */
  readonly bytes: number;
  /** True when a record that can never be whole follows: nothing behind it counts. */
  readonly isTorn: boolean;
}

/** What is whole in `piece`, which begins with a record. */
export function readPiece(piece: Uint8Array, rowsMax: number): SpoolPiece {
  const view = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
  const rows: Uint8Array[] = [];
  let at = 0;
  while (rows.length < rowsMax && at + HEAD_BYTES <= view.length) {
    const length = view.readUInt32BE(at);
    if (length === 0 || length > ROW_BYTES_MAX) return { rows, bytes: at, isTorn: true };
    const end = at + HEAD_BYTES + length;
    if (end > view.length) break;
    const row = view.subarray(at + HEAD_BYTES, end);
    if (crc32(row) !== view.readUInt32BE(at + 4)) return { rows, bytes: at, isTorn: true };
    rows.push(row);
    at = end;
  }
  return { rows, bytes: at, isTorn: false };
}
