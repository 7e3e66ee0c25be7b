/** Entries of the central directory of a zip archive (APPNOTE 6.3.10, 4.3.12). */
import { TextDecoder } from 'node:util';
import { findContainedParts } from '../../source/names.ts';
import type { Reading } from './reading.ts';
import type { Directory } from './zip-end.ts';

/** What the central directory says of a member. Offsets are absolute. */
export interface ZipEntry {
  readonly name: string;
  readonly flags: number;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly headerStart: number;
}

export const FLAG = { encrypted: 0x1, descriptor: 0x8, strongEncryption: 0x40, masked: 0x2000, utf8: 0x800 } as const;
const ENCRYPTION = FLAG.encrypted | FLAG.strongEncryption | FLAG.masked;
/** Bits 1 and 2 say how hard the compressor tried. */
const LEGAL_FLAGS = 0x6 | FLAG.descriptor | FLAG.utf8;

const SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 46;
const U32 = 0xffffffff;

const ZIP64_EXTRA = 0x0001;
/** Info-ZIP's second name, which some readers prefer to the first. */
const UNICODE_NAME_EXTRA = 0x7075;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the entries in their order.
 * @throws FormatError PYTORCH_ZIP_ENTRY | PYTORCH_ZIP_NAME | PYTORCH_ZIP_DUPLICATE | PYTORCH_ZIP_ENCRYPTED |
 *   PYTORCH_ZIP_FLAGS | PYTORCH_ZIP_METHOD
 */
export function readEntries(reading: Reading, directory: Directory): ZipEntry[] {
  const bytes = reading.bytes(directory.start, directory.end - directory.start);
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  let at = 0;
  for (let i = 0; i < directory.count; i++) {
    const entryStart = directory.start + at;
    const isEntry = at + ENTRY_BYTES <= bytes.length && bytes.readUInt32LE(at) === SIGNATURE;
    if (!isEntry) throw reading.fail('PYTORCH_ZIP_ENTRY', entryStart);
    const end = at + ENTRY_BYTES + toTailBytes(bytes, at);
    if (end > bytes.length) throw reading.fail('PYTORCH_ZIP_ENTRY', entryStart);
    const entry = readEntry(reading, bytes.subarray(at, end), entryStart, directory.shift);
    // PyTorch looks members up without regard to case, and so finds one of two where a scanner finds the other.
    const key = toMemberKey(entry.name);
    if (names.has(key)) reading.note('PYTORCH_ZIP_DUPLICATE', entryStart, { member: entry.name });
    names.add(key);
    entries.push(entry);
    at = end;
  }
  if (at !== bytes.length)
    reading.note('PYTORCH_ZIP_ENTRY', directory.start + at, { problem: 'more entries than counted' });
  return entries;
}

/** The form in which member names are compared: ASCII letters in lower case. */
export function toMemberKey(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function toTailBytes(bytes: Buffer, at: number): number {
  return bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
}

function readEntry(reading: Reading, bytes: Buffer, entryStart: number, shift: number): ZipEntry {
  const nameEnd = ENTRY_BYTES + bytes.readUInt16LE(28);
  const extra = bytes.subarray(nameEnd, nameEnd + bytes.readUInt16LE(30));
  const large = readZip64Extra(reading, extra, entryStart);
  const [flags, method, disk] = [8, 10, 34].map((field) => bytes.readUInt16LE(field));
  const toValue = (field: number): number => {
    const value = bytes.readUInt32LE(field);
    return value === U32 ? large.next() : value;
  };
  // The extra field holds its values in this order, and only those that did not fit.
  const sizeBytes = toValue(24);
  const packedBytes = toValue(20);
  const headerStart = toValue(42) + shift;
  large.assertUsedUp();
  if (disk !== 0) reading.note('PYTORCH_ZIP_ENTRY', entryStart, { disk });
  const name = readName(reading, bytes.subarray(ENTRY_BYTES, nameEnd), entryStart);
  checkFlags(reading, name, flags, entryStart);
  if (method !== 0 && method !== 8) reading.note('PYTORCH_ZIP_METHOD', entryStart, { member: name, method });
  if (method === 0 && sizeBytes !== packedBytes) {
    reading.note('PYTORCH_ZIP_ENTRY', entryStart, { member: name, sizeBytes, packedBytes });
  }
  const crc = bytes.readUInt32LE(16);
  return { name, flags, method, crc, packedBytes, sizeBytes, headerStart };
}

function checkFlags(reading: Reading, member: string, flags: number, entryStart: number): void {
  if ((flags & ENCRYPTION) !== 0) reading.note('PYTORCH_ZIP_ENCRYPTED', entryStart, { member, flags });
  else if ((flags & ~LEGAL_FLAGS) !== 0) reading.note('PYTORCH_ZIP_FLAGS', entryStart, { member, flags });
}

/** Names are those of files in a folder: no path that leaves it, nothing that two systems read differently. */
function readName(reading: Reading, bytes: Uint8Array, entryStart: number): string {
  let name: string;
  try {
    name = decoder.decode(bytes);
  } catch {
    reading.note('PYTORCH_ZIP_NAME', entryStart, { problem: 'not UTF-8' });
    name = Buffer.from(bytes).toString('latin1');
  }
  if (findContainedParts(name) === undefined) reading.note('PYTORCH_ZIP_NAME', entryStart, { member: name });
  return name;
}

/** Extra fields tile their space: [id u16, length u16, content]. */
function* readExtraFields(extra: Buffer): Generator<{ id: number; content: Buffer } | null> {
  let at = 0;
  while (at < extra.length) {
    const end = at + 4 <= extra.length ? at + 4 + extra.readUInt16LE(at + 2) : Infinity;
    if (end > extra.length) {
      yield null;
      return;
    }
    yield { id: extra.readUInt16LE(at), content: extra.subarray(at + 4, end) };
    at = end;
  }
}

interface LargeValues {
  next(): number;
  assertUsedUp(): void;
}

/** The 64-bit values of an entry, to be taken in order. */
export function readZip64Extra(reading: Reading, extra: Buffer, offset: number): LargeValues {
  const damaged = (problem: string): void => {
    reading.note('PYTORCH_ZIP_ENTRY', offset, { problem });
  };
  const values: bigint[] = [];
  let seen = 0;
  for (const field of readExtraFields(extra)) {
    if (field === null) damaged('extra fields do not fill their space');
    else if (field.id === UNICODE_NAME_EXTRA) reading.note('PYTORCH_ZIP_NAME', offset, { problem: 'a second name' });
    else if (field.id === ZIP64_EXTRA) {
      if (seen++ > 0 || field.content.length % 8 !== 0 || field.content.length > 24) damaged('a false zip64 field');
      for (let at = 0; at + 8 <= field.content.length && values.length < 3; at += 8)
        values.push(field.content.readBigUInt64LE(at));
    }
  }
  return {
    next() {
      const value = values.shift();
      const isUsable = value !== undefined && value <= BigInt(Number.MAX_SAFE_INTEGER);
      if (!isUsable) damaged('a size is missing');
      return isUsable ? Number(value) : 0;
    },
    assertUsedUp() {
      if (values.length > 0) damaged('a size is given twice');
    },
  };
}
