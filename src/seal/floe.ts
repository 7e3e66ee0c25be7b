/** FLOE header and segments: random-access authenticated encryption (C2SP FLOE, raAE). */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { concatBytes, isEqualConstantTime, zeroize } from '../core/bytes.ts';
import { SealError } from '../core/errors.ts';
import {
  deriveHeaderTag,
  deriveMessageKey,
  deriveSegmentKey,
  encodeFloeParams,
  FLOE_DEK_BYTES,
  FLOE_SEGMENT_IV_BYTES,
  FLOE_SEGMENT_OVERHEAD_BYTES,
  type FloeBinding,
  type FloeParams,
  toFloeHeaderBytes,
  toKeyPosition,
} from './floe-params.ts';

const CIPHER = 'aes-256-gcm';
const GCM_TAG_BYTES = 16;
const INNER_MARK = 0xffffffff;
const PREFIX_BYTES = 4 + FLOE_SEGMENT_IV_BYTES;

/** The keys of one message while it is open. `close` wipes them; nothing works afterwards. */
export interface FloeKeys {
  readonly params: FloeParams;
  /** The AES key of a segment; valid until the next call or `close`. */
  segmentKey(position: number): Uint8Array;
  close(): void;
}

function makeFloeKeys(dek: Uint8Array, binding: FloeBinding): FloeKeys {
  const messageKey = deriveMessageKey(dek, binding);
  let current: Uint8Array | undefined;
  let currentPosition = -1;
  let isClosed = false;
  return {
    params: binding.params,
    segmentKey(position) {
      if (isClosed) throw new TypeError('the message is closed');
      const keyPosition = toKeyPosition(binding.params, position);
      if (current !== undefined && keyPosition === currentPosition) return current;
      if (current !== undefined) zeroize(current);
      current = deriveSegmentKey(messageKey, binding, keyPosition);
      currentPosition = keyPosition;
      return current;
    },
    close() {
      isClosed = true;
      zeroize(messageKey);
      if (current !== undefined) zeroize(current);
    },
  };
}

/**
 * Starts a message.
 * @param dek 32 bytes; the caller keeps it and wipes it
 * @param iv fresh random bytes, `params.ivBytes` long
 */
export function createFloeHeader(dek: Uint8Array, binding: FloeBinding): { header: Uint8Array; keys: FloeKeys } {
  assertDek(dek);
  const header = concatBytes(encodeFloeParams(binding.params), binding.iv, deriveHeaderTag(dek, binding));
  return { header, keys: makeFloeKeys(dek, binding) };
}

/**
 * Checks a header against key and aad, in constant time and before any segment is looked at.
 * @param header exactly the header's bytes
 * @throws SealError SEAL_AUTH_FAILED for other parameters, another key, another aad or an altered header
 */
export function openFloeHeader(
  dek: Uint8Array,
  message: { params: FloeParams; aad: Uint8Array; header: Uint8Array },
): FloeKeys {
  assertDek(dek);
  const { params, aad, header } = message;
  const expectedParams = encodeFloeParams(params);
  if (header.length !== toFloeHeaderBytes(params)) throw new SealError('SEAL_AUTH_FAILED');
  const iv = header.slice(expectedParams.length, expectedParams.length + params.ivBytes);
  const binding: FloeBinding = { params, aad, iv };
  const isParamsEqual = isEqualConstantTime(header.subarray(0, expectedParams.length), expectedParams);
  const isTagEqual = isEqualConstantTime(
    header.subarray(expectedParams.length + params.ivBytes),
    deriveHeaderTag(dek, binding),
  );
  if (!isParamsEqual || !isTagEqual) throw new SealError('SEAL_AUTH_FAILED');
  return makeFloeKeys(dek, binding);
}

function assertDek(dek: Uint8Array): void {
  if (dek.length !== FLOE_DEK_BYTES) throw new TypeError('a data key has 32 bytes');
}

/** u64be(position) ‖ 01 in the last segment, else 00. */
function toSegmentAad(position: number, isLast: boolean): Uint8Array {
  const aad = new Uint8Array(9);
  new DataView(aad.buffer).setBigUint64(0, BigInt(position));
  aad[8] = isLast ? 1 : 0;
  return aad;
}

export interface FloeSegment {
  /** 0-based index. */
  readonly position: number;
  readonly isLast: boolean;
}

/** One sealed segment in the parts that it is written in: 16, 0..full and 16 bytes. */
export interface SealedSegment {
  /** Mark or length, then the IV. */
  readonly prefix: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/**
 * Encrypts one segment. The ciphertext is the cipher's own output, not copied: one call for the whole segment, because
 * every call costs Node a fresh block of memory.
 * @param plaintext exactly full, or 0..full bytes in the last segment
 * @param iv 12 fresh random bytes
 */
export function sealFloeSegment(
  keys: FloeKeys,
  segment: FloeSegment & { readonly plaintext: Uint8Array; readonly iv: Uint8Array },
): SealedSegment {
  const { position, isLast, plaintext, iv } = segment;
  const totalBytes = plaintext.length + FLOE_SEGMENT_OVERHEAD_BYTES;
  if (totalBytes > keys.params.segmentBytes || (!isLast && totalBytes < keys.params.segmentBytes)) {
    throw new TypeError('a segment before the last is exactly full, the last at most full');
  }
  const prefix = new Uint8Array(PREFIX_BYTES);
  new DataView(prefix.buffer).setUint32(0, isLast ? totalBytes : INNER_MARK);
  prefix.set(iv, 4);
  const cipher = createCipheriv(CIPHER, keys.segmentKey(position), iv, { authTagLength: GCM_TAG_BYTES });
  cipher.setAAD(toSegmentAad(position, isLast));
  const ciphertext = toPlainArray(cipher.update(plaintext));
  cipher.final();
  return { prefix, ciphertext, tag: toPlainArray(cipher.getAuthTag()) };
}

/** The same memory without Buffer's own methods: its `slice` shares memory where that of other arrays copies. */
function toPlainArray(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** As {@link sealFloeSegment}, into memory that may be reused for the next. Returns the segment's length in bytes. */
export function encryptFloeSegment(
  keys: FloeKeys,
  segment: FloeSegment & { readonly plaintext: Uint8Array; readonly iv: Uint8Array },
  into: Uint8Array,
): number {
  const { prefix, ciphertext, tag } = sealFloeSegment(keys, segment);
  into.set(prefix);
  into.set(ciphertext, PREFIX_BYTES);
  into.set(tag, PREFIX_BYTES + ciphertext.length);
  return PREFIX_BYTES + ciphertext.length + tag.length;
}

/**
 * Decrypts one segment; on failure what was decrypted is wiped before the error is thrown, so that no unauthenticated
 * byte can be read.
 * @param bytes the whole segment as stored
 * @returns the plaintext in fresh memory, not copied; the caller wipes it
 * @throws SealError SEAL_AUTH_FAILED whatever is wrong with the segment
 */
export function openFloeSegment(keys: FloeKeys, segment: FloeSegment & { readonly bytes: Uint8Array }): Uint8Array {
  const { position, isLast, bytes } = segment;
  const mark = bytes.length < 4 ? -1 : new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  const isFramed = isLast
    ? mark === bytes.length && bytes.length <= keys.params.segmentBytes
    : mark === INNER_MARK && bytes.length === keys.params.segmentBytes;
  if (!isFramed || bytes.length < FLOE_SEGMENT_OVERHEAD_BYTES) throw new SealError('SEAL_AUTH_FAILED');
  const ciphertext = bytes.subarray(PREFIX_BYTES, bytes.length - GCM_TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, keys.segmentKey(position), bytes.subarray(4, PREFIX_BYTES), {
    authTagLength: GCM_TAG_BYTES,
  });
  decipher.setAAD(toSegmentAad(position, isLast));
  decipher.setAuthTag(bytes.subarray(bytes.length - GCM_TAG_BYTES));
  const plaintext = toPlainArray(decipher.update(ciphertext));
  try {
    decipher.final();
    return plaintext;
  } catch {
    zeroize(plaintext);
    throw new SealError('SEAL_AUTH_FAILED');
  }
}

/**
 * As {@link openFloeSegment}, into memory that may be reused for the next; nothing is written there on failure.
 * @returns the plaintext's length in bytes
 * @throws SealError SEAL_AUTH_FAILED
 */
export function decryptFloeSegment(
  keys: FloeKeys,
  segment: FloeSegment & { readonly bytes: Uint8Array },
  into: Uint8Array,
): number {
  const plaintext = openFloeSegment(keys, segment);
  into.set(plaintext);
  zeroize(plaintext);
  return plaintext.length;
}
