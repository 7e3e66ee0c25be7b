/** The text of an API key: `mwk_live_`, 30 base62 characters of chance, 6 of checksum (docs/spec/api-keys.md section 1). */
import { allocSecret, zeroize } from '../../core/bytes.ts';
import type { Random } from '../../core/ports.ts';

const PREFIX = 'mwk_live_';
/** All keys of this product begin so, whatever comes after. */
const FAMILY = 'mwk_';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CHANCE_CHARS = 30;
const CHECK_CHARS = 6;
const CHECK_AT = PREFIX.length + CHANCE_CHARS;

export const KEY_CHARS = CHECK_AT + CHECK_CHARS;

/** The largest multiple of 62 that a byte can reach: bytes above it would make some characters likelier. */
const BYTE_BOUND = 248;

/** So many characters of the alphabet, each as likely as any other. */
export function drawBase62(random: Random, count: number): string {
  const bytes = allocSecret(count);
  let text = '';
  try {
    while (text.length < count) {
      random.fill(bytes);
      for (const byte of bytes) if (byte < BYTE_BOUND && text.length < count) text += ALPHABET[byte % 62];
    }
    return text;
  } finally {
    zeroize(bytes);
  }
}

/** A new key: 178 bits of chance. */
export function drawKeyText(random: Random): string {
  const body = `${PREFIX}${drawBase62(random, CHANCE_CHARS)}`;
  return `${body}${toChecksum(toCrc32(body))}`;
}

/** True for what means to be an API key, well-formed or not. */
export function isKeyLike(text: string): boolean {
  return text.startsWith(FAMILY);
}

/** False for typing errors and guesses; says nothing about whether the key was ever given out. */
export function isKeyFormed(text: string): boolean {
  if (text.length !== KEY_CHARS || !text.startsWith(PREFIX)) return false;
  let crc = -1;
  for (let at = 0; at < CHECK_AT; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x7a || (at >= PREFIX.length && DIGIT[code] < 0)) return false;
    crc = TABLE[(crc ^ code) & 0xff] ^ (crc >>> 8);
  }
  let check = 0;
  for (let at = CHECK_AT; at < KEY_CHARS; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x7a || DIGIT[code] < 0) return false;
    check = check * 62 + DIGIT[code];
  }
  return check === (crc ^ -1) >>> 0;
}

/** The part of chance, of which the tag's key is made. The text must be well-formed. */
export function toSecretPart(text: string): string {
  return text.slice(PREFIX.length, CHECK_AT);
}

/** Six characters, the highest first: 62^6 is above 2^32. */
function toChecksum(crc: number): string {
  let left = crc;
  let text = '';
  for (let at = 0; at < CHECK_CHARS; at += 1) {
    text = `${ALPHABET[left % 62]}${text}`;
    left = Math.floor(left / 62);
  }
  return text;
}

/** Of the ASCII text (IEEE 802.3, as in zlib). */
function toCrc32(text: string): number {
  let crc = -1;
  for (let at = 0; at < text.length; at += 1) crc = TABLE[(crc ^ text.charCodeAt(at)) & 0xff] ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** Value of each character by its code; -1 for those outside the alphabet. */
const DIGIT = Int8Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)));
