/** FLOE parameters, sizes and the key derivation (C2SP FLOE: AES-256-GCM, HKDF-Expand-SHA-384). */
import { createHmac } from 'node:crypto';
import { allocSecret, concatBytes, u32be, u64be, utf8, zeroize } from '../core/bytes.ts';

/** What both sides must agree on before the first byte. The cipher and the KDF are fixed: identifiers 0 and 0. */
export interface FloeParams {
  /** Bytes of every encrypted segment but the last, its 32 bytes of overhead included. */
  readonly segmentBytes: number;
  /** Bytes of the message IV in the header; 32 in every named parameter set. */
  readonly ivBytes: number;
  /** A new segment key every 2^this segments; 20 for AES-256-GCM, smaller only in known-answer tests. */
  readonly rotationBits: number;
}

/** Length word, GCM IV and GCM tag around every segment's ciphertext. */
export const FLOE_SEGMENT_OVERHEAD_BYTES = 32;
const FLOE_TAG_BYTES = 32;
/** A segment's cipher IV. */
export const FLOE_SEGMENT_IV_BYTES = 12;
export const FLOE_DEK_BYTES = 32;
const MESSAGE_KEY_BYTES = 48;
const SEGMENT_KEY_BYTES = 32;
const PARAMS_BYTES = 10;
const SEGMENTS_MAX = 2 ** 40;

/** The parameter set that seals use, with their segment length. */
export function toFloeParams(segmentBytes: number): FloeParams {
  return { segmentBytes, ivBytes: 32, rotationBits: 20 };
}

/** Length of the FLOE header: parameters, message IV, header tag. */
export function toFloeHeaderBytes(params: FloeParams): number {
  return PARAMS_BYTES + params.ivBytes + FLOE_TAG_BYTES;
}

/** Plaintext bytes of a full segment. */
export function toSegmentPlaintextBytes(params: FloeParams): number {
  return params.segmentBytes - FLOE_SEGMENT_OVERHEAD_BYTES;
}

/** Number of segments that our writer makes: at least one, and no empty last one after full ones. */
export function toFloeSegmentCount(params: FloeParams, plaintextBytes: number): number {
  return Math.max(1, Math.ceil(plaintextBytes / toSegmentPlaintextBytes(params)));
}

/**
 * Length of header and segments for `plaintextBytes`.
 * @throws TypeError above 2^40 segments, the limit of the format
 */
export function toFloeBytes(params: FloeParams, plaintextBytes: number): number {
  const segments = toFloeSegmentCount(params, plaintextBytes);
  if (segments > SEGMENTS_MAX) throw new TypeError('too long for FLOE');
  return toFloeHeaderBytes(params) + plaintextBytes + segments * FLOE_SEGMENT_OVERHEAD_BYTES;
}

/** The first 10 bytes of a FLOE header: AEAD id, KDF id, segment length, IV length. */
export function encodeFloeParams(params: FloeParams): Uint8Array {
  return concatBytes(new Uint8Array(2), u32be(params.segmentBytes), u32be(params.ivBytes));
}

/** What a derivation is bound to beside its key. */
export interface FloeBinding {
  readonly params: FloeParams;
  readonly iv: Uint8Array;
  readonly aad: Uint8Array;
}

/** HKDF-Expand-SHA-384 of at most 48 bytes, so one block: HMAC(key, PARAMS ‖ iv ‖ purpose ‖ aad ‖ 01). */
function deriveFloe(key: Uint8Array, binding: FloeBinding, purpose: Uint8Array, lengthBytes: number): Uint8Array {
  const block = createHmac('sha384', key)
    .update(encodeFloeParams(binding.params))
    .update(binding.iv)
    .update(purpose)
    .update(binding.aad)
    .update(Uint8Array.of(1))
    .digest();
  const out = allocSecret(lengthBytes);
  out.set(block.subarray(0, lengthBytes));
  zeroize(block);
  return out;
}

/** The header tag: commits to key, IV, parameters and aad, so that no file opens under two keys. */
export function deriveHeaderTag(dek: Uint8Array, binding: FloeBinding): Uint8Array {
  return deriveFloe(dek, binding, utf8('HEADER_TAG:'), FLOE_TAG_BYTES);
}

/** The key that segment keys come from; secret. */
export function deriveMessageKey(dek: Uint8Array, binding: FloeBinding): Uint8Array {
  return deriveFloe(dek, binding, utf8('MESSAGE_KEY:'), MESSAGE_KEY_BYTES);
}

/** Index of the segment key that serves `position`; the position with its low bits cleared. */
export function toKeyPosition(params: FloeParams, position: number): number {
  return position - (position % 2 ** params.rotationBits);
}

/** The AES-256 key for the segments that share `keyPosition`; secret. */
export function deriveSegmentKey(messageKey: Uint8Array, binding: FloeBinding, keyPosition: number): Uint8Array {
  const purpose = concatBytes(utf8('DEK:'), u64be(keyPosition));
  return deriveFloe(messageKey, binding, purpose, SEGMENT_KEY_BYTES);
}
