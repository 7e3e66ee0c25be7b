/** Finds the one flipped bit of a leaf from its CRC-32 alone, then proves it by hashing (docs/spec/baseline.md 6). */
import { crc32 } from 'node:zlib';
import { hashLeaf } from '../core/merkle.ts';
import { isSameHash, LEAF_BYTES } from './leaves.ts';

/** Where a bit lies: byte offset in the leaf, bit 0 = least significant. */
export interface FlippedBit {
  readonly byte: number;
  readonly bit: number;
}

/** Reflected polynomial of CRC-32 (ISO-HDLC, as in zlib). */
const POLYNOMIAL = 0xedb88320;
const POSITIONS = LEAF_BYTES * 8;
/** Syndrome and position share one float64: 32 + 20 bits. */
const POSITION_RADIX = 2 ** 20;

let sortedSyndromes: Float64Array | undefined;

/**
 * Syndromes of all single-bit errors in a leaf, sorted, each with the bit's distance from the leaf's end.
 *
 * CRC-32 is linear: crc(m ⊕ e) ⊕ crc(m) depends on e alone. For one set bit it is x^t reduced by the polynomial, where
 * t counts from the end; the polynomial is primitive (period 2^32 − 1), so all 524,288 are different.
 */
function toSyndromes(): Float64Array {
  if (sortedSyndromes !== undefined) return sortedSyndromes;
  const table = new Float64Array(POSITIONS);
  let syndrome = POLYNOMIAL;
  for (let t = 0; t < POSITIONS; t++) {
    table[t] = syndrome * POSITION_RADIX + t;
    syndrome = (syndrome & 1) === 1 ? (syndrome >>> 1) ^ POLYNOMIAL : syndrome >>> 1;
    syndrome >>>= 0;
  }
  sortedSyndromes = table.sort();
  return sortedSyndromes;
}

/** The single bit whose flip explains the difference of two CRCs of equally long leaves, if there is one. */
function findBitOfSyndrome(syndrome: number, lengthBytes: number): FlippedBit | undefined {
  const table = toSyndromes();
  let low = 0;
  let high = table.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (table[middle] < syndrome * POSITION_RADIX) low = middle + 1;
    else high = middle;
  }
  const entry = low < table.length ? table[low] : 0;
  if (Math.floor(entry / POSITION_RADIX) !== syndrome) return undefined;
  const position = lengthBytes * 8 - 1 - (entry % POSITION_RADIX);
  // CRC-32 takes the bits of a byte from the least significant on.
  return position < 0 ? undefined : { byte: Math.floor(position / 8), bit: position % 8 };
}

/**
 * The one bit of `bytes` that differs from the leaf with the given hash and CRC; undefined when it is not exactly one.
 * A chance hit of the CRC is excluded by hashing with the bit flipped back. `bytes` is unchanged on return.
 */
export function findFlippedBit(
  bytes: Uint8Array,
  expected: { readonly hash: Uint8Array; readonly crc: number },
): FlippedBit | undefined {
  const syndrome = (crc32(bytes) ^ expected.crc) >>> 0;
  if (syndrome === 0) return undefined;
  const found = findBitOfSyndrome(syndrome, bytes.length);
  if (found === undefined) return undefined;
  bytes[found.byte] ^= 1 << found.bit;
  const isProven = isSameHash(hashLeaf(bytes), expected.hash);
  bytes[found.byte] ^= 1 << found.bit;
  return isProven ? found : undefined;
}
