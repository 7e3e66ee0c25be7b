/** Metadata values as text: strings as they are, numbers in digits, long arrays by what identifies them. */
import { createHash } from 'node:crypto';
import { LIMITS } from '../../core/limits.ts';
import type { ByteSource } from '../../source/ports.ts';
import { Cursor } from './cursor.ts';
import type { MetadataMember } from './header.ts';
import { type MetadataValue, type NumberTypeName, readNumber } from './values.ts';

/** Arrays of up to this many numbers or truth values are written out. */
const WRITTEN_MAX = 16;

/**
 * Text of every entry, in file order. A long array, or one of strings or arrays, is given by type, count and the
 * SHA-256 of its elements as stored, so that two texts are equal only when the values are.
 * @throws SourceError when the source cannot be read
 */
export function toMetadataTexts(source: ByteSource, members: readonly MetadataMember[]): Map<string, string> {
  return new Map(members.map(({ key, value }) => [key, toText(source, value)]));
}

function toText(source: ByteSource, value: MetadataValue): string {
  switch (value.kind) {
    case 'number':
      return toNumberText(value.type, value.value);
    case 'bool':
      return String(value.value);
    case 'string': {
      const bytes = Buffer.alloc(value.end - value.start);
      source.read(value.start, bytes);
      return bytes.toString('utf8');
    }
    case 'array':
      return toArrayText(source, value);
  }
}

/** The shortest digits that give the same number back. */
function toNumberText(type: NumberTypeName, value: number | bigint): string {
  if (type !== 'f32' || typeof value === 'bigint') return String(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(short), value)) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

function toArrayText(source: ByteSource, { type, count, start, end }: MetadataValue & { kind: 'array' }): string {
  const isWritten = count <= WRITTEN_MAX && type !== 'string' && type !== 'array';
  if (!isWritten) return `[${count} × ${type}, SHA-256 ${toSpanDigest(source, start, end)}]`;
  const cursor = new Cursor(source, start);
  const items = Array.from({ length: count }, () =>
    type === 'bool' ? String(cursor.u8() !== 0) : toNumberText(type, readNumber(cursor, type)),
  );
  return `[${items.join(', ')}]`;
}

function toSpanDigest(source: ByteSource, start: number, end: number): string {
  const hash = createHash('sha256');
  const piece = new Uint8Array(Math.min(LIMITS.streamChunkBytes, end - start));
  for (let at = start; at < end; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, end - at));
    source.read(at, part);
    hash.update(part);
  }
  return hash.digest('hex');
}
