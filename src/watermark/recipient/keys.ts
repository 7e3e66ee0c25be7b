/** Keys of the recipient codes, and what they say of one recipient (docs/spec/recipient-code.md §1). */
import { hkdfSha256, hmacSha256 } from '../../core/hash.ts';
import { u64be } from '../../core/bytes.ts';

/** 32 bytes each; wiped by the caller. */
export interface RecipientKeys {
  /** Orders of neurons. */
  readonly order: Uint8Array;
  /** Positions, chips and interleaving of the payload. */
  readonly positions: Uint8Array;
  /** Identifiers and tags. */
  readonly ids: Uint8Array;
}

const KEY_BYTES = 32;

/**
 * K = HKDF-SHA-256(S_recipient, salt originalDigest, info "wm/v1/key/recipient/" + use).
 * @param recipientSeed S_recipient, 32 bytes
 * @param originalDigest 32 bytes
 */
export function deriveRecipientKeys(recipientSeed: Uint8Array, originalDigest: Uint8Array): RecipientKeys {
  if (recipientSeed.length !== KEY_BYTES || originalDigest.length !== KEY_BYTES) {
    throw new TypeError('a sub-seed and a digest have 32 bytes');
  }
  const derive = (use: string): Uint8Array =>
    hkdfSha256(recipientSeed, originalDigest, `wm/v1/key/recipient/${use}`, KEY_BYTES);
  return { order: derive('order'), positions: derive('positions'), ids: derive('ids') };
}

/** Bytes of an identifier. */
export const ID_BYTES = 8;

/** The identifier and the tag key of one recipient: outputs of a PRF, never chosen. */
export function toRecipientId(
  idsKey: Uint8Array,
  number: number,
): { readonly id: Uint8Array; readonly tagKey: Uint8Array } {
  const bytes = hmacSha256(idsKey, u64be(number));
  return { id: bytes.subarray(0, ID_BYTES), tagKey: hmacSha256(idsKey, bytes) };
}
