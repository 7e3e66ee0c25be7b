/** SHA-256, HMAC-SHA-256 and HKDF-SHA-256 (RFC 5869) over node:crypto. */
import { createHash, createHmac, hash, hkdfSync } from 'node:crypto';

/** SHA-256 of the parts in order, 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** SHA-256 of few bytes, 32 bytes: for chains and trees, of which each node is one. */
export function sha256OfShort(bytes: Uint8Array): Uint8Array {
  // As text and back: Node takes longer to make a buffer of its own for each digest.
  return new Uint8Array(Buffer.from(hash('sha256', bytes, 'binary'), 'latin1'));
}

/** HMAC-SHA-256, 32 bytes. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return new Uint8Array(hmac.digest());
}

/**
 * HKDF-SHA-256 (extract and expand) of `ikm`.
 * @param info ASCII label, such as "wm/v1/seed/own"
 * @param lengthBytes 1..8160
 * @see RFC 5869
 */
export function hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: string, lengthBytes: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', ikm, salt, info, lengthBytes));
}
