/** The end records of a zip archive: where its central directory lies (APPNOTE 6.3.10, 4.3.14 to 4.3.16). */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Reading } from './reading.ts';

/** The central directory, half-open, and how far the offsets in it are off in an archive with bytes in front. */
export interface Directory {
  readonly start: number;
  readonly end: number;
  readonly count: number;
  /** 0 but for a lenient reading of a file with something in front of the archive. */
  readonly shift: number;
}

const END = { signature: 0x06054b50, bytes: 22 } as const;
const LOCATOR = { signature: 0x07064b50, bytes: 20 } as const;
const END64 = { signature: 0x06064b50, bytes: 56 } as const;
const ENTRY_BYTES = 46;
const U16 = 0xffff;
const U32 = 0xffffffff;

interface EndRecord {
  readonly at: number;
  readonly bytes: Buffer;
}

/**
 * Finds the central directory.
 * @throws FormatError PYTORCH_ZIP_END | PYTORCH_ZIP_GAP | PYTORCH_ZIP_BUDGET
 */
export function readDirectoryPlace(reading: Reading): Directory {
  const end = findEnd(reading);
  const { bytes } = end;
  const small = {
    disks: [bytes.readUInt16LE(4), bytes.readUInt16LE(6)],
    counts: [bytes.readUInt16LE(8), bytes.readUInt16LE(10)],
    size: bytes.readUInt32LE(12),
    offset: bytes.readUInt32LE(16),
  };
  const large = readEnd64(reading, end.at);
  if (large !== null) {
    const agrees =
      [...small.disks, ...small.counts].every((value) => value === U16 || [0, large.count].includes(value)) &&
      [U16, large.count].includes(small.counts[0]) &&
      [U16, large.count].includes(small.counts[1]) &&
      [U32, large.size].includes(small.size) &&
      [U32, large.offset].includes(small.offset);
    if (!agrees) reading.note('PYTORCH_ZIP_END', end.at, { problem: 'the two end records disagree' });
    return placeDirectory(reading, large.at, large);
  }
  const isOneDisk = small.disks.every((disk) => disk === 0) && small.counts[0] === small.counts[1];
  const isSmall = small.counts[1] < U16 && small.size < U32 && small.offset < U32;
  if (!isOneDisk || !isSmall) reading.note('PYTORCH_ZIP_END', end.at, { problem: 'several disks, or no zip64 record' });
  return placeDirectory(reading, end.at, { count: small.counts[1], size: small.size, offset: small.offset });
}

/**
 * PyTorch writes no comment, so the record ends the file. Anything else leaves room for a second record, and readers
 * that search from different ends then see different archives.
 */
function findEnd(reading: Reading): EndRecord {
  const { size } = reading.source;
  if (size < END.bytes) throw reading.fail('PYTORCH_ZIP_END', size);
  const tailBytes = Math.min(size, END.bytes + U16);
  const tail = reading.bytes(size - tailBytes, tailBytes);
  const isEnd = (at: number): boolean => tail.readUInt32LE(at) === END.signature;
  const last = tailBytes - END.bytes;
  const at = isEnd(last) && tail.readUInt16LE(last + 20) === 0 ? last : findEarlierEnd(tail, isEnd);
  if (at === -1) throw reading.fail('PYTORCH_ZIP_END', size - END.bytes);
  if (at !== last || tail.readUInt16LE(at + 20) !== 0) {
    reading.note('PYTORCH_ZIP_GAP', size - tailBytes + at + END.bytes, { problem: 'bytes behind the archive' });
  }
  return { at: size - tailBytes + at, bytes: tail.subarray(at, at + END.bytes) };
}

function findEarlierEnd(tail: Buffer, isEnd: (at: number) => boolean): number {
  for (let at = tail.length - END.bytes; at >= 0; at--) if (isEnd(at)) return at;
  return -1;
}

interface Extent {
  readonly count: number;
  readonly size: number;
  readonly offset: number;
}

/** The zip64 records in front of the end record, or null. PyTorch always writes them. */
function readEnd64(reading: Reading, endAt: number): (Extent & { readonly at: number }) | null {
  const locatorAt = endAt - LOCATOR.bytes;
  if (locatorAt < 0) return null;
  const locator = reading.bytes(locatorAt, LOCATOR.bytes);
  if (locator.readUInt32LE(0) !== LOCATOR.signature) return null;
  const at = locatorAt - END64.bytes;
  if (at < 0) throw reading.fail('PYTORCH_ZIP_END', locatorAt);
  const record = reading.bytes(at, END64.bytes);
  const isRecord = record.readUInt32LE(0) === END64.signature && record.readBigUInt64LE(4) === BigInt(END64.bytes - 12);
  if (!isRecord) throw reading.fail('PYTORCH_ZIP_END', at, { problem: 'no zip64 record in front of its locator' });
  const isPlaced = locator.readBigUInt64LE(8) === BigInt(at) && locator.readUInt32LE(4) === 0;
  const isOneDisk =
    locator.readUInt32LE(16) <= 1 &&
    record.readUInt32LE(16) === 0 &&
    record.readUInt32LE(20) === 0 &&
    record.readBigUInt64LE(24) === record.readBigUInt64LE(32);
  if (!isPlaced || !isOneDisk) reading.note('PYTORCH_ZIP_END', at, { problem: 'several disks, or a false locator' });
  const [count, size, offset] = [32, 40, 48].map((field) => Number(record.readBigUInt64LE(field)));
  return { at, count, size, offset };
}

/** The directory must end where the end records begin. */
function placeDirectory(reading: Reading, recordsAt: number, { count, size, offset }: Extent): Directory {
  if (count > FORMAT_LIMITS.zipMembersMax || size > FORMAT_LIMITS.zipDirectoryBytesMax) {
    throw reading.fail('PYTORCH_ZIP_BUDGET', recordsAt, { members: count, directoryBytes: size });
  }
  if (size > recordsAt || size < count * ENTRY_BYTES) {
    throw reading.fail('PYTORCH_ZIP_END', recordsAt, { members: count, directoryBytes: size });
  }
  const start = recordsAt - size;
  if (start !== offset) reading.note('PYTORCH_ZIP_GAP', start, { problem: 'bytes around the directory', offset });
  return { start, end: recordsAt, count, shift: Math.max(0, start - offset) };
}
