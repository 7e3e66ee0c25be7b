/** The key of an attested machine that answers are encrypted to: a public JWK (RFC 7517) as KBS clients send it. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { utf8 } from '../core/bytes.ts';
import { toCanonicalJson } from '../core/canonical-json.ts';
import { BrokerError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import { findBase64Url, toBase64Url } from '../core/base64url.ts';

/** Curves by their JOSE name: bytes of a coordinate, and OpenSSL's name. */
export const CURVES = {
  'P-256': { bytes: 32, openssl: 'prime256v1' },
  'P-384': { bytes: 48, openssl: 'secp384r1' },
  'P-521': { bytes: 66, openssl: 'secp521r1' },
} as const;

export type Curve = keyof typeof CURVES;

const base64url = z
  .string()
  .max(2048)
  .refine((text) => findBase64Url(text) !== undefined);

// Strict: a private member, or one that changes what the key is for, is refused.
const ec = z.strictObject({
  kty: z.literal('EC'),
  crv: z.enum(['P-256', 'P-384', 'P-521']),
  alg: z.literal('ECDH-ES+A256KW'),
  x: base64url,
  y: base64url,
});
const rsa = z.strictObject({
  kty: z.literal('RSA'),
  alg: z.literal('RSA-OAEP-256'),
  n: base64url,
  e: z.literal('AQAB'),
});
const schema = z.discriminatedUnion('kty', [ec, rsa]);

export type TeeJwk = z.infer<typeof schema>;

/** A public key that was checked. */
export interface TeeKey {
  readonly jwk: TeeJwk;
  readonly key: KeyObject;
  /** RFC 7638, SHA-256, base64url. */
  readonly thumbprint: string;
}

/**
 * RSA1_5, which the protocol names as deprecated, is refused with the rest.
 * @throws BrokerError BROKER_KEY_REFUSED for another algorithm, curve or size, a point beside the curve, a private member
 */
export function readTeeKey(value: unknown): TeeKey {
  const parsed = schema.safeParse(value);
  if (!parsed.success) refuse('member');
  const jwk = parsed.data;
  if (jwk.kty === 'EC') {
    const { bytes } = CURVES[jwk.crv];
    if (findBase64Url(jwk.x)?.length !== bytes || findBase64Url(jwk.y)?.length !== bytes) refuse('coordinate');
  } else {
    const bits = (findBase64Url(jwk.n)?.length ?? 0) * 8;
    if (bits < BROKER_LIMITS.rsaBitsMin || bits > BROKER_LIMITS.rsaBitsMax) refuse('size');
  }
  const key = importKey(jwk);
  if (jwk.kty === 'RSA' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < BROKER_LIMITS.rsaBitsMin) refuse('size');
  return { jwk, key, thumbprint: toThumbprint(jwk) };
}

/** RFC 7638: the required members alone, in canonical order. */
function toThumbprint(jwk: TeeJwk): string {
  const members =
    jwk.kty === 'EC' ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y } : { e: jwk.e, kty: jwk.kty, n: jwk.n };
  return toBase64Url(sha256(utf8(toCanonicalJson(members))));
}

/** OpenSSL refuses points that are not on the curve. */
function importKey(jwk: TeeJwk): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' });
  } catch {
    return refuse('point');
  }
}

function refuse(at: string): never {
  throw new BrokerError('BROKER_KEY_REFUSED', { fields: { at } });
}
