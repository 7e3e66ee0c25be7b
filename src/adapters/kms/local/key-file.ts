/** The file of a local key: a small JSON document, mode 0600, whose keys never become strings in memory. */
import { z } from 'zod';
import { allocSecret, utf8, zeroize } from '../../../core/bytes.ts';
import { toCanonicalJson } from '../../../core/canonical-json.ts';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import { KEK_BYTES } from '../kek.ts';

const KEK_HEX_CHARS = KEK_BYTES * 2;
const BLANK_KEK = '0'.repeat(KEK_HEX_CHARS);
const KEK_MEMBER = utf8('"kek":"');

const versionSchema = z.strictObject({
  version: z.int().min(1),
  createdAt: z.iso.datetime({ precision: 3 }),
  kek: z.literal(BLANK_KEK),
});

const fileSchema = z.strictObject({
  v: z.literal(1),
  type: z.literal('modelward-local-key'),
  keyId: z.string().regex(/^[0-9a-f]{32}$/),
  versions: z.array(versionSchema).min(1),
});

/** One version of the key; `kek` is secret, 32 bytes. */
export interface KekVersion {
  readonly version: number;
  readonly createdAt: string;
  readonly kek: Uint8Array;
}

/** Versions in ascending order; the last one wraps. */
export interface KeyFile {
  readonly keyId: string;
  readonly versions: readonly KekVersion[];
}

/** Bytes of the file; secret, the caller wipes them. */
export function encodeKeyFile(file: KeyFile): Uint8Array {
  const versions = file.versions.map(({ version, createdAt }) => ({ version, createdAt, kek: BLANK_KEK }));
  const bytes = utf8(`${toCanonicalJson({ v: 1, type: 'modelward-local-key', keyId: file.keyId, versions })}\n`);
  // The hex digits go straight into the bytes: a string of them could not be wiped.
  for (const [index, start] of findKekStarts(bytes).entries()) {
    for (const [at, byte] of file.versions[index].kek.entries()) {
      bytes[start + 2 * at] = toHexDigit(byte >> 4);
      bytes[start + 2 * at + 1] = toHexDigit(byte & 15);
    }
  }
  return bytes;
}

/**
 * Reads the file's bytes and blanks the keys in them.
 * @throws SealError KEY_STORE_INVALID
 */
export function parseKeyFile(bytes: Uint8Array): KeyFile {
  if (bytes.length > SEAL_LIMITS.keyFileBytesMax) throw new SealError('KEY_STORE_INVALID');
  const keks = findKekStarts(bytes).map((start) => takeKek(bytes, start));
  try {
    const parsed = fileSchema.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
    if (!parsed.success || parsed.data.versions.length !== keks.length) throw new SealError('KEY_STORE_INVALID');
    const versions = parsed.data.versions.map(({ version, createdAt }, index) => {
      return { version, createdAt, kek: keks[index] };
    });
    const isAscending = versions.every(({ version }, index) => index === 0 || version > versions[index - 1].version);
    // Compared as bytes: a string of a key could not be wiped.
    const isBlank = versions.some(({ kek }) => kek.every((byte) => byte === 0));
    if (!isAscending || isBlank) throw new SealError('KEY_STORE_INVALID');
    return { keyId: parsed.data.keyId, versions };
  } catch {
    // No cause: JSON.parse quotes its input.
    zeroize(...keks);
    throw new SealError('KEY_STORE_INVALID');
  }
}

function findKekStarts(bytes: Uint8Array): number[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts: number[] = [];
  for (let at = text.indexOf(KEK_MEMBER); at >= 0; at = text.indexOf(KEK_MEMBER, at + 1)) {
    starts.push(at + KEK_MEMBER.length);
  }
  return starts;
}

/** Decodes the hex digits at `start` and overwrites them with zeros. */
function takeKek(bytes: Uint8Array, start: number): Uint8Array {
  const kek = allocSecret(KEK_BYTES);
  for (let at = 0; at < KEK_BYTES; at++) {
    const high = toNibble(bytes[start + 2 * at]);
    const low = toNibble(bytes[start + 2 * at + 1]);
    kek[at] = high * 16 + low;
    if (high < 0 || low < 0) {
      zeroize(bytes, kek);
      throw new SealError('KEY_STORE_INVALID');
    }
  }
  bytes.fill(0x30, start, start + KEK_HEX_CHARS);
  return kek;
}

function toHexDigit(nibble: number): number {
  return nibble < 10 ? 0x30 + nibble : 0x61 - 10 + nibble;
}

function toNibble(digit: number | undefined): number {
  if (digit === undefined) return -1;
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  return digit >= 0x61 && digit <= 0x66 ? digit - 0x61 + 10 : -1;
}
