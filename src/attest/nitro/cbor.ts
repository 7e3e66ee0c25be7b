/**
 * The part of CBOR that attestation documents use: definite lengths, integers, strings, arrays, maps, null, tags.
 *
 * Own code rather than a library: a hundred lines do, nothing is copied, and every length is checked before it is used.
 * @see RFC 8949 3
 */
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { createCursor, type Cursor } from '../cursor.ts';

export type CborValue = number | string | Uint8Array | null | readonly CborValue[] | CborMap | CborTag;

/** Keys are integers or texts. */
export type CborMap = ReadonlyMap<number | string, CborValue>;

export interface CborTag {
  readonly tag: number;
  readonly value: CborValue;
}

export function refuseDocument(at: string): never {
  throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'nitro', at } });
}

/**
 * @param bytes one item, nothing after it
 * @throws AttestError ATTEST_EVIDENCE_MALFORMED, also for indefinite lengths, floats, booleans and numbers beyond 2^53
 */
export function readCbor(bytes: Uint8Array): CborValue {
  const read = createCursor(bytes, refuseDocument);
  const value = readItem(read, 0);
  return read.left === 0 ? value : refuseDocument('CBOR: bytes after the item');
}

const NULL = 0xf6;

function readItem(read: Cursor, depth: number): CborValue {
  if (depth > ATTEST_LIMITS.cborDepthMax) refuseDocument('CBOR: depth');
  const head = read.u8('CBOR: head');
  if (head === NULL) return null;
  const argument = readArgument(read, head & 0x1f);
  switch (head >> 5) {
    case 0:
      return argument;
    case 1:
      return -1 - argument;
    case 2:
      return read.take(argument, 'CBOR: bytes');
    case 3:
      return toText(read.take(argument, 'CBOR: text'));
    case 4:
      return Array.from({ length: toCount(argument) }, () => readItem(read, depth + 1));
    case 5:
      return readMap(read, argument, depth);
    case 6:
      return { tag: argument, value: readItem(read, depth + 1) };
    default:
      return refuseDocument('CBOR: type');
  }
}

/** The number in or after the head byte, in the shortest spelling that RFC 8949 4.2.1 asks for. */
function readArgument(read: Cursor, low: number): number {
  if (low < 24) return low;
  const [value, least] = readLong(read, low);
  return value < least ? refuseDocument('CBOR: long number') : value;
}

function readLong(read: Cursor, low: number): readonly [number, number] {
  if (low === 24) return [read.u8('CBOR: number'), 24];
  if (low === 25) return [read.u16be('CBOR: number'), 0x100];
  if (low === 26) return [read.u32be('CBOR: number'), 0x1_0000];
  if (low !== 27) refuseDocument('CBOR: length');
  const value = Number(read.u64be('CBOR: number'));
  return Number.isSafeInteger(value) ? [value, 0x1_0000_0000] : refuseDocument('CBOR: number');
}

function toCount(argument: number): number {
  return argument <= ATTEST_LIMITS.cborItemsMax ? argument : refuseDocument('CBOR: items');
}

function readMap(read: Cursor, argument: number, depth: number): CborMap {
  const map = new Map<number | string, CborValue>();
  for (let left = toCount(argument); left > 0; left--) {
    const key = readItem(read, depth + 1);
    if (typeof key !== 'number' && typeof key !== 'string') refuseDocument('CBOR: key');
    if (map.has(key)) refuseDocument('CBOR: key twice');
    map.set(key, readItem(read, depth + 1));
  }
  return map;
}

function toText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refuseDocument('CBOR: text');
  }
}
