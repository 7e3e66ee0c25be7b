/** Zip archives as PyTorch writes them: every byte belongs to one member, and both descriptions of a member agree. */
import type { Reading } from './reading.ts';
import { readDirectoryPlace } from './zip-end.ts';
import { FLAG, readEntries, readZip64Extra, toMemberKey, type ZipEntry } from './zip-entry.ts';

/** A member with the span of its stored bytes. */
export interface ZipMember extends ZipEntry {
  readonly dataStart: number;
  readonly dataEnd: number;
}

export interface ZipArchive {
  /** In file order. */
  readonly members: readonly ZipMember[];
  /** By {@link toMemberKey}. */
  readonly byKey: ReadonlyMap<string, ZipMember>;
}

const LOCAL = { signature: 0x04034b50, bytes: 30 } as const;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
/** PyTorch pads up to 64 bytes, so that data is aligned. */
const PADDING_BYTES = 80;
const U32 = 0xffffffff;

/**
 * Reads the index of an archive: end records, central directory, and the local header of each member, which must say
 * the same. Content is not read.
 * @throws FormatError PYTORCH_ZIP_…
 * @see APPNOTE 6.3.10; caffe2/serialize/inline_container.cc and third_party/miniz of PyTorch
 */
export function readZip(reading: Reading): ZipArchive {
  const directory = readDirectoryPlace(reading);
  const entries = readEntries(reading, directory).sort((a, b) => a.headerStart - b.headerStart);
  const members: ZipMember[] = [];
  let at = 0;
  entries.forEach((entry, i) => {
    const next = i + 1 < entries.length ? entries[i + 1].headerStart : directory.start;
    if (entry.headerStart > at) {
      reading.note('PYTORCH_ZIP_GAP', at, { problem: 'bytes in front of a member', member: entry.name });
    }
    const member = readMember(reading, entry, directory.start);
    if (member === null) return;
    if (member.dataEnd > next) reading.note('PYTORCH_ZIP_OVERLAP', entry.headerStart, { member: entry.name });
    else checkTail(reading, member, next);
    members.push(member);
    at = Math.max(at, next);
  });
  if (at < directory.start) reading.note('PYTORCH_ZIP_GAP', at, { problem: 'bytes in front of the directory' });
  return { members, byKey: new Map(members.map((member) => [toMemberKey(member.name), member])) };
}

/** The local header of an entry; null in a lenient reading that finds none. */
function readMember(reading: Reading, entry: ZipEntry, limit: number): ZipMember | null {
  const { headerStart, name } = entry;
  const damaged = (problem: string): void => {
    reading.note('PYTORCH_ZIP_LOCAL', headerStart, { member: name, problem });
  };
  // Name and padding mostly fit behind the header: one read for each member instead of two.
  const guess = Math.min(limit - headerStart, LOCAL.bytes + Buffer.byteLength(name) + PADDING_BYTES);
  const head = guess >= LOCAL.bytes ? reading.bytes(headerStart, guess) : null;
  if (head?.readUInt32LE(0) !== LOCAL.signature) {
    damaged('no header');
    return null;
  }
  const nameEnd = LOCAL.bytes + head.readUInt16LE(26);
  const headBytes = nameEnd + head.readUInt16LE(28);
  const dataStart = headerStart + headBytes;
  const dataEnd = dataStart + entry.packedBytes;
  if (dataEnd > limit) {
    damaged('it leaves the archive');
    return null;
  }
  const whole = headBytes <= guess ? head.subarray(0, headBytes) : reading.bytes(headerStart, headBytes);
  const nameBytes = whole.subarray(LOCAL.bytes, nameEnd);
  if (Buffer.compare(nameBytes, Buffer.from(name)) !== 0) damaged('another name');
  if (head.readUInt16LE(6) !== entry.flags) damaged('other flags');
  if (head.readUInt16LE(8) !== entry.method) damaged('another compression');
  const large = readZip64Extra(reading, whole.subarray(nameEnd), headerStart);
  const isDeferred = (entry.flags & FLAG.descriptor) !== 0;
  const check = (field: number, expected: number, what: string): void => {
    const value = head.readUInt32LE(field);
    const isDeferredValue = isDeferred && (value === 0 || value === U32);
    if (value !== expected && !isDeferredValue && !(value === U32 && large.next() === expected)) damaged(what);
  };
  check(14, entry.crc, 'another checksum');
  check(22, entry.sizeBytes, 'another size');
  check(18, entry.packedBytes, 'another packed size');
  return { ...entry, dataStart, dataEnd };
}

/** What follows the data: nothing, or with flag bit 3 a descriptor that repeats checksum and sizes. */
function checkTail(reading: Reading, member: ZipMember, next: number): void {
  const { dataEnd, name } = member;
  const length = next - dataEnd;
  if ((member.flags & FLAG.descriptor) === 0) {
    if (length > 0) reading.note('PYTORCH_ZIP_GAP', dataEnd, { problem: 'bytes behind a member', member: name });
    return;
  }
  if (![12, 16, 20, 24].includes(length)) {
    reading.note('PYTORCH_ZIP_GAP', dataEnd, { problem: 'no data descriptor', member: name, bytes: length });
    return;
  }
  const bytes = reading.bytes(dataEnd, length);
  const isSigned = length === 16 || length === 24;
  const at = isSigned ? 4 : 0;
  const sizes =
    length >= 20
      ? [bytes.readBigUInt64LE(at + 4), bytes.readBigUInt64LE(at + 12)]
      : [BigInt(bytes.readUInt32LE(at + 4)), BigInt(bytes.readUInt32LE(at + 8))];
  const isSame =
    (!isSigned || bytes.readUInt32LE(0) === DESCRIPTOR_SIGNATURE) &&
    bytes.readUInt32LE(at) === member.crc &&
    sizes[0] === BigInt(member.packedBytes) &&
    sizes[1] === BigInt(member.sizeBytes);
  if (!isSame) reading.note('PYTORCH_ZIP_LOCAL', dataEnd, { member: name, problem: 'another data descriptor' });
}
