/** Reads zip archives as NumPy writes them: stored or deflated entries, one disk, no encryption (APPNOTE 6.3.10). */
import { crc32 } from 'node:zlib';
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import { LIMITS } from '../../core/limits.ts';
import { openBufferSource } from '../../source/buffer.ts';
import type { ByteSource } from '../../source/ports.ts';
import { inflateRaw } from './inflate.ts';
import { malformed, tooLarge } from './types.ts';

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly storedBytes: number;
  readonly sizeBytes: number;
  readonly headerOffset: number;
}

const END_BYTES = 22;
const END_SIGNATURE = 0x06054b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const ZIP64_MARK = 0xffffffff;

/**
 * Entries of the central directory, which alone is believed about sizes.
 * @throws RuntimeError DATA_MALFORMED | DATA_TOO_LARGE (zip64 entries of over 4 GiB included)
 */
export function listZip(source: ByteSource): readonly ZipEntry[] {
  const { label } = source;
  const end = readEnd(source);
  if (end.count > FIDELITY_LIMITS.zipEntriesMax) {
    throw tooLarge(label, 'zip entries', end.count, FIDELITY_LIMITS.zipEntriesMax);
  }
  const directoryBytesMax = end.count * FIDELITY_LIMITS.zipEntryBytesMax;
  if (end.offset + end.sizeBytes > source.size || end.sizeBytes > directoryBytesMax) {
    throw malformed(label, 'the zip directory leaves the file', end.offset);
  }
  const bytes = Buffer.alloc(end.sizeBytes);
  source.read(end.offset, bytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < end.count; i++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== CENTRAL_SIGNATURE) {
      throw malformed(label, 'the zip directory is damaged', end.offset + at);
    }
    const nameBytes = bytes.readUInt16LE(at + 28);
    entries.push({
      name: bytes.toString('utf8', at + 46, at + 46 + nameBytes),
      method: bytes.readUInt16LE(at + 10),
      crc: bytes.readUInt32LE(at + 16),
      storedBytes: bytes.readUInt32LE(at + 20),
      sizeBytes: bytes.readUInt32LE(at + 24),
      headerOffset: bytes.readUInt32LE(at + 42),
    });
    at += 46 + nameBytes + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return entries;
}

/** The end record; its comment may hide a false one, so the last that fits the end of the file counts. */
function readEnd(source: ByteSource): { count: number; sizeBytes: number; offset: number } {
  const tail = Buffer.alloc(Math.min(source.size, END_BYTES + 65_535));
  source.read(source.size - tail.length, tail);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END_SIGNATURE || at + END_BYTES + tail.readUInt16LE(at + 20) !== tail.length)
      continue;
    return {
      count: tail.readUInt16LE(at + 10),
      sizeBytes: tail.readUInt32LE(at + 12),
      offset: tail.readUInt32LE(at + 16),
    };
  }
  throw malformed(source.label, 'the file does not end as zip does');
}

/**
 * The content of an entry: a window of `source` when stored, else inflated into memory; its CRC-32 is checked.
 * @throws RuntimeError DATA_MALFORMED | DATA_TOO_LARGE
 */
export function openZipEntry(source: ByteSource, entry: ZipEntry): ByteSource {
  const label = `${source.label}/${entry.name}`;
  if (entry.sizeBytes === ZIP64_MARK || entry.storedBytes === ZIP64_MARK || entry.headerOffset === ZIP64_MARK) {
    throw tooLarge(label, 'bytes', ZIP64_MARK, ZIP64_MARK - 1);
  }
  const start = findContent(source, entry, label);
  const content =
    entry.method === 0 ? openWindow(source, label, start, entry) : openInflated(source, label, start, entry);
  if (toCrc(content) !== entry.crc) throw malformed(label, 'the checksum of the zip entry is wrong');
  return content;
}

function findContent(source: ByteSource, entry: ZipEntry, label: string): number {
  const head = Buffer.alloc(30);
  if (entry.headerOffset + 30 > source.size)
    throw malformed(label, 'the zip entry leaves the file', entry.headerOffset);
  source.read(entry.headerOffset, head);
  if (head.readUInt32LE(0) !== LOCAL_SIGNATURE) throw malformed(label, 'the zip entry is damaged', entry.headerOffset);
  if ((head.readUInt16LE(6) & 1) === 1) throw malformed(label, 'the zip entry is encrypted', entry.headerOffset);
  const start = entry.headerOffset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  if (start + entry.storedBytes > source.size) throw malformed(label, 'the zip entry leaves the file', start);
  return start;
}

function openWindow(source: ByteSource, label: string, start: number, entry: ZipEntry): ByteSource {
  if (entry.storedBytes !== entry.sizeBytes) throw malformed(label, 'the sizes of a stored zip entry differ', start);
  return {
    label,
    size: entry.sizeBytes,
    read(offset, into) {
      if (offset < 0 || offset + into.length > entry.sizeBytes)
        throw malformed(label, 'a read leaves the zip entry', offset);
      source.read(start + offset, into);
    },
    close() {
      source.close();
    },
  };
}

function openInflated(source: ByteSource, label: string, start: number, entry: ZipEntry): ByteSource {
  if (entry.method !== 8) throw malformed(label, `zip method ${entry.method} is not known`, start);
  const limit = FIDELITY_LIMITS.inflatedBytesMax;
  if (entry.sizeBytes > limit || entry.storedBytes > limit) {
    throw tooLarge(label, 'bytes', Math.max(entry.sizeBytes, entry.storedBytes), limit);
  }
  const stored = new Uint8Array(entry.storedBytes);
  source.read(start, stored);
  // One byte above the declared size is asked for, so that an entry that inflates to more is seen.
  const bytes = inflateRaw(label, stored, entry.sizeBytes + 1);
  if (bytes.length !== entry.sizeBytes) throw malformed(label, 'the zip entry inflates to another size', start);
  return openBufferSource(label, bytes);
}

function toCrc(source: ByteSource): number {
  const chunk = new Uint8Array(Math.min(LIMITS.streamChunkBytes, source.size));
  let crc = 0;
  for (let at = 0; at < source.size; at += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, source.size - at));
    source.read(at, part);
    crc = crc32(part, crc);
  }
  return crc;
}
