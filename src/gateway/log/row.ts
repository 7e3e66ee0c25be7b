/** The bytes of a row of the log: what is hashed, chained and proven (docs/spec/request-log.md section 1). */
import { GatewayError } from '../../core/errors.ts';
import type { LogRow, ProtocolName } from '../ports.ts';
import { type RowEnd, RowEnds } from './row-ends.ts';

const VERSION = 1;
const HAS = { tensorHash: 1, answerHash: 2, keyedInputs: 4 } as const;
const HASH_BYTES = 32;
/** Everything before the texts, with all hashes. */
const FIXED_BYTES = 2 + 8 + 8 + 2 + 4 + 8 + 8 + 3 * HASH_BYTES;
const TEXT_BYTES_MAX = 0xffff;
const TEXTS = 7;

export const ROW_BYTES_MAX = FIXED_BYTES + TEXTS * (2 + TEXT_BYTES_MAX);

/**
 * Writes a row into `into` from `at` on; texts are written as UTF-8.
 * @returns the offset behind it
 * @throws GatewayError GATEWAY_LOG_FAILED for a text that is too long, or when `into` ends before the row does
 */
export function encodeRow(row: LogRow, into: Buffer, at = 0): number {
  const end = writeText(row.requestId, into, writeFixed(row, into, at));
  const known = ends.find(row);
  if (known === null || known.length > into.length - end) {
    const behind = writeEnd(row, into, end);
    ends.keep(row, into.subarray(end, behind));
    return behind;
  }
  into.set(known, end);
  return end + known.length;
}

/** The texts behind the request's id. */
function writeEnd(row: RowEnd, into: Buffer, at: number): number {
  let end = writeText(row.principalId, into, at);
  end = writeText(row.tenant, into, end);
  end = writeText(row.model, into, end);
  end = writeText(row.version, into, end);
  end = writeText(row.protocol, into, end);
  return writeText(row.code ?? '', into, end);
}

/** How the rows of a caller end is most often as it was the last time. */
const ends = new RowEnds();

function writeFixed(row: LogRow, into: Buffer, at: number): number {
  if (into.length - at < FIXED_BYTES) throw new GatewayError('GATEWAY_LOG_FAILED', { fields: { reason: 'row' } });
  const { tensorHash, answerHash } = row;
  const flags =
    (tensorHash === null ? 0 : HAS.tensorHash) |
    (answerHash === null ? 0 : HAS.answerHash) |
    (row.isInputKeyed ? HAS.keyedInputs : 0);
  into[at] = VERSION;
  into[at + 1] = flags;
  let end = writeU64(row.timeMs, into, at + 2);
  end = writeU64(row.durationUs, into, end);
  end = into.writeUInt16BE(row.status, end);
  end = into.writeUInt32BE(row.items, end);
  end = writeU64(row.inputBytes, into, end);
  end = writeU64(row.answerBytes, into, end);
  for (const hash of [row.inputHash, tensorHash, answerHash]) {
    if (hash === null) continue;
    if (hash.length !== HASH_BYTES) throw new TypeError('a hash of a log row has 32 bytes');
    into.set(hash, end);
    end += HASH_BYTES;
  }
  return end;
}

/** Whole numbers below 2^53, in two halves. */
function writeU64(value: number, into: Buffer, at: number): number {
  into.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  return into.writeUInt32BE(value % 2 ** 32, at + 4);
}

function writeText(text: string, into: Buffer, at: number): number {
  const room = into.length - at - 2;
  // UTF-8 takes three bytes for each unit at most; what is near the end is measured first.
  const isFit =
    text.length * 3 <= Math.min(room, TEXT_BYTES_MAX) || Buffer.byteLength(text) <= Math.min(room, TEXT_BYTES_MAX);
  if (!isFit) throw new GatewayError('GATEWAY_LOG_FAILED', { fields: { reason: 'text' } });
  const length = into.write(text, at + 2, 'utf8');
  into.writeUInt16BE(length, at);
  return at + 2 + length;
}

/** A row whose hashes are bytes or hex. */
export interface RowOf<Hash> extends Omit<LogRow, 'inputHash' | 'tensorHash' | 'answerHash'> {
  readonly inputHash: Hash;
  readonly tensorHash: Hash | null;
  readonly answerHash: Hash | null;
}

/** The row in these bytes, null when they are none of version 1. Hashes are copies. */
export function findRow(bytes: Uint8Array): LogRow | null {
  return findRowOf(bytes, readHash);
}

/** As {@link findRow}, hashes as hex: as tables have them, without copies in between. */
export function findHexRow(bytes: Uint8Array): RowOf<string> | null {
  return findRowOf(bytes, readHexHash);
}

type HashReader<Hash> = (from: Buffer, at: number) => Hash;

function findRowOf<Hash>(bytes: Uint8Array, toHash: HashReader<Hash>): RowOf<Hash> | null {
  const from = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    return readRow(from, toHash);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readRow<Hash>(from: Buffer, toHash: HashReader<Hash>): RowOf<Hash> | null {
  if (from.length < 2 || from[0] !== VERSION) return null;
  const flags = from[1];
  if (flags > 7) return null;
  const timeMs = readU64(from, 2);
  const durationUs = readU64(from, 10);
  const status = from.readUInt16BE(18);
  const items = from.readUInt32BE(20);
  const inputBytes = readU64(from, 24);
  const answerBytes = readU64(from, 32);
  let at = 40;
  const inputHash = toHash(from, at);
  at += HASH_BYTES;
  let [tensorHash, answerHash]: (Hash | null)[] = [null, null];
  if ((flags & HAS.tensorHash) !== 0) {
    tensorHash = toHash(from, at);
    at += HASH_BYTES;
  }
  if ((flags & HAS.answerHash) !== 0) {
    answerHash = toHash(from, at);
    at += HASH_BYTES;
  }
  const texts: string[] = [];
  for (let n = 0; n < TEXTS; n++) {
    const end = at + 2 + from.readUInt16BE(at);
    if (end > from.length) return null;
    texts.push(from.toString('utf8', at + 2, end));
    at = end;
  }
  if (at !== from.length) return null;
  const [requestId, principalId, tenant, model, version, protocol, code] = texts;
  return {
    timeMs,
    durationUs,
    status,
    items,
    inputBytes,
    answerBytes,
    isInputKeyed: (flags & HAS.keyedInputs) !== 0,
    inputHash,
    tensorHash,
    answerHash,
    requestId,
    principalId,
    tenant,
    model,
    version,
    protocol: protocol as ProtocolName,
    code: code === '' ? null : code,
  };
}

/** @throws RangeError where the row ends before it */
function readU64(from: Buffer, at: number): number {
  return from.readUInt32BE(at) * 2 ** 32 + from.readUInt32BE(at + 4);
}

/** @throws RangeError where the row ends before it */
function readHash(from: Buffer, at: number): Uint8Array {
  if (at + HASH_BYTES > from.length) throw new RangeError('the row ends early');
  return new Uint8Array(from.subarray(at, at + HASH_BYTES));
}

/** @throws RangeError where the row ends before it */
function readHexHash(from: Buffer, at: number): string {
  if (at + HASH_BYTES > from.length) throw new RangeError('the row ends early');
  return from.toString('hex', at, at + HASH_BYTES);
}
