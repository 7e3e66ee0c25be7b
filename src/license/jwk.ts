/** P-256 public keys as JWK, and their thumbprints (RFC 7517, RFC 7638). */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { utf8 } from '../core/bytes.ts';
import { LicenseError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { findBase64Url, toBase64Url } from '../core/base64url.ts';

/** Coordinates are 32 bytes, big-endian, base64url without padding. */
export type EcPublicJwk = Readonly<{ kty: 'EC'; crv: 'P-256'; x: string; y: string }>;

/** In one spelling alone: another one would give the same key another thumbprint. */
const coordinate = z.string().refine((text) => text.length === 43 && findBase64Url(text)?.length === 32);

/** Exactly these members: a private part has no place in a public key. */
export const jwkShape = z.strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: coordinate, y: coordinate });

/** base64url of SHA-256 over the members in lexical order. */
export function toThumbprint({ crv, kty, x, y }: EcPublicJwk): string {
  return toBase64Url(sha256(utf8(JSON.stringify({ crv, kty, x, y }))));
}

/** @throws LicenseError LICENSE_KEY_REFUSED for a point that is not on the curve */
export function toPublicKey(jwk: EcPublicJwk): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' });
  } catch (cause) {
    throw new LicenseError('LICENSE_KEY_REFUSED', { cause });
  }
}

export function toJwk(key: KeyObject): EcPublicJwk {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return { kty: 'EC', crv: 'P-256', x, y };
}
