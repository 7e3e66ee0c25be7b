/** Ports of the sign area: who signs, who keeps seeds, who attests time. */
import type { Json } from '../core/canonical-json.ts';

/**
 * Signs messages with one P-256 key.
 *
 * An implementer hashes `message` with SHA-256 and returns an ECDSA signature in ASN.1 DER; it may ask a device or a
 * service, so the call is asynchronous. It must never log or keep `message`.
 */
export interface MessageSigner {
  /** Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo. */
  readonly keyId: string;
  readonly publicKeyPem: string;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/**
 * Keeps 32-byte seeds sealed under the owner key.
 *
 * An implementer must bind the box to `aad`, must draw fresh randomness per call, and must fail in one
 * indistinguishable way (SignError SIGN_SEED_REFUSED) whatever is wrong with box, aad or key.
 */
export interface SeedBox {
  /** @returns an opaque box of 80 bytes as base64 */
  sealSeed(seed: Uint8Array, aad: Uint8Array): string;
  /** @returns the 32-byte seed, to be zeroized by the caller. @throws SignError SIGN_SEED_REFUSED */
  openSeed(box: Json, aad: Uint8Array): Uint8Array;
}

/**
 * Carries one RFC 3161 request to a timestamp authority and brings its answer back, both DER.
 *
 * An implementer must bound size and time of the answer, and reject with SignError SIGN_TIMESTAMP_REFUSED when there
 * is none. It need not look inside: the caller verifies.
 */
export interface TimestampAuthority {
  readonly label: string;
  request(requestDer: Uint8Array): Promise<Uint8Array>;
}
