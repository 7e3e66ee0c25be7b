/** The content of small archive members: pickles, records and code. */
import { crc32, inflateRawSync } from 'node:zlib';
import { LIMITS } from '../../core/limits.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { openBufferSource } from '../../source/buffer.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { Reading } from './reading.ts';
import type { ZipMember } from './zip.ts';

/** A member's content; `toOffset` gives the place in the file of a place in the content. */
export interface MemberContent {
  readonly source: ByteSource;
  readonly start: number;
  readonly end: number;
  toOffset(at: number): number;
}

/**
 * Opens a member: stored ones as a span of the file, deflated ones inflated into memory. The checksum is checked, since
 * PyTorch does not check it and other readers stop there.
 * @throws FormatError PYTORCH_ZIP_BOMB | PYTORCH_ZIP_INFLATE | PYTORCH_ZIP_CRC
 */
export function openMember(reading: Reading, member: ZipMember): MemberContent {
  const content = member.method === 0 ? openStored(reading, member) : openDeflated(reading, member);
  const crc = toCrc(content);
  if (crc !== member.crc) {
    reading.note('PYTORCH_ZIP_CRC', member.dataStart, { member: member.name, expected: member.crc, actual: crc });
  }
  return content;
}

function openStored(reading: Reading, member: ZipMember): MemberContent {
  reading.spendSummed(member.packedBytes, member.dataStart);
  return { source: reading.source, start: member.dataStart, end: member.dataEnd, toOffset: (at) => at };
}

function openDeflated(reading: Reading, member: ZipMember): MemberContent {
  const { name, packedBytes, sizeBytes, dataStart } = member;
  const { zipInflatedBytesMax, zipRatioMax } = FORMAT_LIMITS;
  if (packedBytes > zipInflatedBytesMax || sizeBytes > packedBytes * zipRatioMax) {
    throw reading.fail('PYTORCH_ZIP_BOMB', dataStart, { member: name, packedBytes, sizeBytes });
  }
  reading.spendInflated(sizeBytes, dataStart);
  const bytes = inflate(reading.bytes(dataStart, packedBytes), sizeBytes);
  if (bytes === undefined) throw reading.fail('PYTORCH_ZIP_INFLATE', dataStart, { member: name });
  return { source: openBufferSource(name, bytes), start: 0, end: bytes.length, toOffset: () => dataStart };
}

/** Exactly `sizeBytes` from all of `packed`, or undefined: bytes behind the stream would be a hiding place. */
function inflate(packed: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  try {
    // With `info`, the engine says how much of its input it took; the declared type knows the plain result only.
    const result = inflateRawSync(packed, { maxOutputLength: sizeBytes + 1, info: true }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    const isWhole = result.buffer.length === sizeBytes && result.engine.bytesWritten === packed.length;
    return isWhole ? result.buffer : undefined;
  } catch {
    return undefined;
  }
}

/** CRC-32 of a content, streamed. */
function toCrc({ source, start, end }: Omit<MemberContent, 'toOffset'>): number {
  const chunk = new Uint8Array(Math.min(LIMITS.streamChunkBytes, end - start));
  let crc = 0;
  for (let at = start; at < end; at += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, end - at));
    source.read(at, part);
    crc = crc32(part, crc);
  }
  return crc;
}

/** A record that is one short line of text, without space around it; null when it is too long for one. */
export function readRecord(reading: Reading, member: ZipMember): string | null {
  if (member.sizeBytes > RECORD_BYTES_MAX) return null;
  const { source, start, end } = openMember(reading, member);
  const bytes = Buffer.alloc(end - start);
  source.read(start, bytes);
  return bytes.toString('latin1').trim();
}

/** "little", a version number, 40 digits of an id. */
const RECORD_BYTES_MAX = 256;
