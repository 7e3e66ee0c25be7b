/** FLOE header and segments: random-access authenticated encryption (C2SP FLOE, raAE). */
import { createCipheriv, createDecipheriv, type DecipherGCM } from 'node:crypto';
import { concatBytes, isEqualConstantTime, zeroize } from '../core/bytes.ts';
import { SealError } from '../core/errors.ts';
import { freeNow } from './allocator.ts';
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

/**
 * Takes the next part of a segment. The memory of a part is the seal's: it may be wiped, freed or used again as soon as
 * the call returns.
 */
export type TakePart = (part: Uint8Array) => void;

/**
 * Encrypts one segment and hands it on in three parts: prefix, ciphertext, tag.
 * @param plaintext exactly full, or 0..full bytes in the last segment
 * @param iv 12 fresh random bytes
 */
export function sealFloeSegment(
  keys: FloeKeys,
  segment: FloeSegment & { readonly plaintext: Uint8Array; readonly iv: Uint8Array },
  take: TakePart,
): void {
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
  take(prefix);
  const ciphertext = toPlainArray(cipher.update(plaintext));
  take(ciphertext);
  freeNow(ciphertext);
  cipher.final();
  take(toPlainArray(cipher.getAuthTag()));
}

/** The same memory without Buffer's own methods: its `slice` shares memory where that of other arrays copies. */
function toPlainArray(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * Decrypts one segment. Its plaintext is handed on, in one part, only after the tag was checked; whatever happens, it is
 * wiped and freed before this returns or throws.
 * @param bytes the whole segment as stored
 * @throws SealError SEAL_AUTH_FAILED whatever is wrong with the segment, before `take` is called; and what `take` throws
 */
export function openFloeSegment(
  keys: FloeKeys,
  segment: FloeSegment & { readonly bytes: Uint8Array },
  take: TakePart,
): void {
  const { position, isLast, bytes } = segment;
  const mark = bytes.length < 4 ? -1 : new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  const isFramed = isLast
    ? mark === bytes.length && bytes.length <= keys.params.segmentBytes
    : mark === INNER_MARK && bytes.length === keys.params.segmentBytes;
  if (!isFramed || bytes.length < FLOE_SEGMENT_OVERHEAD_BYTES) throw new SealError('SEAL_AUTH_FAILED');
  const tagStart = bytes.length - GCM_TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, keys.segmentKey(position), bytes.subarray(4, PREFIX_BYTES), {
    authTagLength: GCM_TAG_BYTES,
  });
  decipher.setAAD(toSegmentAad(position, isLast));
  decipher.setAuthTag(bytes.subarray(tagStart));
  const plaintext = toPlainArray(decipher.update(bytes.subarray(PREFIX_BYTES, tagStart)));
  try {
    assertTag(decipher);
    take(plaintext);
  } finally {
    zeroize(plaintext);
    freeNow(plaintext);
  }
}

function assertTag(decipher: DecipherGCM): void {
  try {
    decipher.final();
  } catch {
    throw new SealError('SEAL_AUTH_FAILED');
  }
}

/** Puts parts into `into`, one after the other. */
export function createFiller(into: Uint8Array): TakePart {
  let at = 0;
  return (part) => {
    into.set(part, at);
    at += part.length;
  };
}
