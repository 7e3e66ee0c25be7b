/** Bech32 (BIP 173) without its length limit, as age spells keys. Bytes in and out: a secret never becomes a string. */
import { allocSecret, zeroize } from '../../../core/bytes.ts';

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM_DIGITS = 6;

/** ASCII of the encoding, lower case. */
export function encodeBech32(prefix: string, data: Uint8Array): Uint8Array {
  const digits = regroup(data, 8, 5, true) ?? new Uint8Array();
  const sum = toChecksum(prefix, digits);
  const text = allocSecret(prefix.length + 1 + digits.length + CHECKSUM_DIGITS);
  text.set(Buffer.from(`${prefix}1`, 'latin1'));
  const start = prefix.length + 1;
  for (const [at, digit] of digits.entries()) text[start + at] = ALPHABET.charCodeAt(digit);
  for (const [at, digit] of sum.entries()) text[start + digits.length + at] = ALPHABET.charCodeAt(digit);
  zeroize(digits);
  return text;
}

/**
 * The data bytes of a text with this prefix, in memory of their own, or undefined when it is anything else.
 * @param text ASCII, all lower case or all upper case
 */
export function findBech32Bytes(prefix: string, text: Uint8Array): Uint8Array | undefined {
  const start = prefix.length + 1;
  if (text.length < start + CHECKSUM_DIGITS || !hasPrefix(`${prefix}1`, text)) return undefined;
  const digits = allocSecret(text.length - start);
  try {
    for (let at = start; at < text.length; at++) {
      const digit = toDigit(text[at], isUpper(text[0]));
      if (digit < 0) return undefined;
      digits[at - start] = digit;
    }
    if (toResidue(prefix, digits) !== 1) return undefined;
    return regroup(digits.subarray(0, digits.length - CHECKSUM_DIGITS), 5, 8, false);
  } finally {
    zeroize(digits);
  }
}

function hasPrefix(expected: string, text: Uint8Array): boolean {
  const spelled = isUpper(text[0]) ? expected.toUpperCase() : expected;
  return Buffer.from(spelled, 'latin1').every((byte, at) => text[at] === byte);
}

function isUpper(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** Mixed case is refused: letters must be of the case of the prefix. */
function toDigit(byte: number, isUpperCase: boolean): number {
  const isLetter = byte >= 0x41;
  if (isLetter && isUpper(byte) !== isUpperCase) return -1;
  return ALPHABET.indexOf(String.fromCharCode(isUpper(byte) ? byte + 0x20 : byte));
}

/** Bits regrouped, most significant first; undefined when the last group carries bits that no byte uses. */
function regroup(data: Uint8Array, fromBits: number, toBits: number, isPadded: boolean): Uint8Array | undefined {
  const out = allocSecret(
    isPadded ? Math.ceil((data.length * fromBits) / toBits) : Math.floor((data.length * fromBits) / toBits),
  );
  let held = 0;
  let heldBits = 0;
  let at = 0;
  for (const value of data) {
    held = ((held << fromBits) | value) & 0xfff;
    heldBits += fromBits;
    for (; heldBits >= toBits; heldBits -= toBits) out[at++] = (held >> (heldBits - toBits)) & ((1 << toBits) - 1);
  }
  const rest = (held << (toBits - heldBits)) & ((1 << toBits) - 1);
  if (isPadded) {
    if (heldBits > 0) out[at] = rest;
    return out;
  }
  return heldBits < fromBits && rest === 0 ? out : undefined;
}

function toChecksum(prefix: string, digits: Uint8Array): number[] {
  let residue = toResidue(prefix, digits);
  for (let at = 0; at < CHECKSUM_DIGITS; at++) residue = addDigit(residue, 0);
  residue ^= 1;
  return Array.from({ length: CHECKSUM_DIGITS }, (_, at) => (residue >> (5 * (5 - at))) & 31);
}

/** The checksum polynomial over the expanded prefix and the digits; no copy of the digits is made. */
function toResidue(prefix: string, digits: Uint8Array): number {
  const codes = Array.from(Buffer.from(prefix, 'latin1'));
  const head = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
  return digits.reduce(addDigit, head.reduce(addDigit, 1));
}

function addDigit(residue: number, digit: number): number {
  const top = residue >>> 25;
  let next = ((residue & 0x1ffffff) << 5) ^ digit;
  for (const [bit, generator] of GENERATORS.entries()) if (((top >> bit) & 1) === 1) next ^= generator;
  return next;
}
