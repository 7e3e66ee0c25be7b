/**
 * Signed documents: JWS compact (RFC 7515) with EdDSA or ES256 of a pinned key. What is signed is told apart by `typ`
 * (RFC 8725 section 3.11), the algorithm is that of the pinned key, and nothing in the header can bring a key along.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { toHex, utf8 } from '../core/bytes.ts';
import { type Json, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { LicenseError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import { findBase64Url, toBase64Url } from '../core/base64url.ts';

export type SignatureAlgorithm = 'EdDSA' | 'ES256';

export const TYPES = {
  license: 'license+jwt',
  request: 'license-request+jwt',
  answer: 'license-answer+jwt',
  statusList: 'statuslist+jwt',
  challenge: 'license-challenge+jwt',
  response: 'license-response+jwt',
  enrolment: 'license-enrolment+jwt',
} as const;

export type DocumentType = (typeof TYPES)[keyof typeof TYPES];

/** A vendor's public key that the integrator pinned. */
export interface VendorKey {
  /** Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo. */
  readonly kid: string;
  readonly algorithm: SignatureAlgorithm;
  readonly key: KeyObject;
  /** The `iss` of what this key signs. */
  readonly issuer: string;
}

/** Signs with the vendor's private key; `sign` returns the 64 bytes that JOSE has (for ES256 r and s, big-endian). */
export interface DocumentSigner {
  readonly kid: string;
  readonly algorithm: SignatureAlgorithm;
  readonly issuer: string;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** Name of a vendor: follows from the key, so that no pinned key can speak for another vendor. */
export function toIssuer(kid: string): string {
  return `urn:modelward:${kid}`;
}

/**
 * Reads a key to pin: Ed25519 or P-256, SPKI PEM.
 * @throws LicenseError LICENSE_VENDOR_KEY_MISSING for anything else
 */
export function parseVendorKey(pem: string): VendorKey {
  // createPublicKey would derive from a private key; one of a vendor has no place on a device.
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) throw new LicenseError('LICENSE_VENDOR_KEY_MISSING');
  let key: KeyObject;
  try {
    key = createPublicKey({ key: pem, format: 'pem', type: 'spki' });
  } catch (cause) {
    throw new LicenseError('LICENSE_VENDOR_KEY_MISSING', { cause });
  }
  const algorithm = findAlgorithm(key);
  if (algorithm === undefined) throw new LicenseError('LICENSE_VENDOR_KEY_MISSING');
  const kid = toHex(sha256(key.export({ type: 'spki', format: 'der' })));
  return { kid, algorithm, key, issuer: toIssuer(kid) };
}

function findAlgorithm(key: KeyObject): SignatureAlgorithm | undefined {
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : undefined;
}

/** The document as compact JWS, ASCII. */
export async function signDocument(signer: DocumentSigner, typ: DocumentType, payload: Json): Promise<string> {
  const header = { alg: signer.algorithm, kid: signer.kid, typ };
  const signed = `${toBase64Url(toCanonicalJsonBytes(header))}.${toBase64Url(toCanonicalJsonBytes(payload))}`;
  return `${signed}.${toBase64Url(await signer.sign(utf8(signed)))}`;
}

export interface VerifyOptions {
  readonly typ: DocumentType;
  /** Pinned by the integrator. */
  readonly keys: readonly VendorKey[];
  readonly charsMax?: number;
}

export interface VerifiedDocument {
  readonly payload: unknown;
  readonly key: VendorKey;
}

/**
 * Verifies who signed, before anything in the payload is looked at.
 * @throws LicenseError LICENSE_VENDOR_KEY_MISSING | LICENSE_TOO_LARGE | LICENSE_MALFORMED | LICENSE_TYPE | LICENSE_ALG_NONE |
 *   LICENSE_ALG_REFUSED | LICENSE_HEADER_REFUSED | LICENSE_KEY_UNKNOWN | LICENSE_ALG_MISMATCH | LICENSE_SIGNATURE_INVALID
 * @see RFC 7515 5.2, RFC 8725 3.1-3.11
 */
export function verifyDocument(text: string, options: VerifyOptions): VerifiedDocument {
  if (options.keys.length === 0) throw new LicenseError('LICENSE_VENDOR_KEY_MISSING');
  const { header, signed, payload, signature } = splitCompact(text, options.charsMax);
  if (header.typ !== options.typ) throw new LicenseError('LICENSE_TYPE', { fields: { wanted: options.typ } });
  assertAlgorithm(header.alg);
  assertPlainHeader(header, ['alg', 'kid', 'typ']);
  const key = options.keys.find(({ kid }) => kid === header.kid);
  if (key === undefined) throw new LicenseError('LICENSE_KEY_UNKNOWN');
  // The key decides, not the document.
  if (header.alg !== key.algorithm)
    throw new LicenseError('LICENSE_ALG_MISMATCH', { fields: { wanted: key.algorithm } });
  if (!isSignedBy(key, utf8(signed), signature)) throw new LicenseError('LICENSE_SIGNATURE_INVALID');
  return { payload, key };
}

function assertAlgorithm(alg: unknown): void {
  if (typeof alg === 'string' && alg.toLowerCase() === 'none') throw new LicenseError('LICENSE_ALG_NONE');
  if (alg !== 'EdDSA' && alg !== 'ES256') throw new LicenseError('LICENSE_ALG_REFUSED');
}

/** @throws LicenseError LICENSE_HEADER_REFUSED for `jwk`, `x5c`, `jku`, `crit`, or any other member */
export function assertPlainHeader(header: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const others = Object.keys(header).filter((name) => !known.includes(name));
  if (others.length > 0) throw new LicenseError('LICENSE_HEADER_REFUSED', { fields: { members: others.length } });
}

function isSignedBy({ key, algorithm }: VendorKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  if (algorithm === 'EdDSA') return verify(null, message, key, signature);
  return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

export interface CompactParts {
  readonly header: Readonly<Record<string, unknown>>;
  /** What the signature is over. */
  readonly signed: string;
  readonly payload: unknown;
  readonly signature: Uint8Array;
}

/**
 * Takes a compact JWS apart; nothing in it is verified.
 * @throws LicenseError LICENSE_TOO_LARGE | LICENSE_MALFORMED
 */
export function splitCompact(text: string, charsMax: number = LICENSE_LIMITS.jwsCharsMax): CompactParts {
  if (text.length > charsMax) throw new LicenseError('LICENSE_TOO_LARGE', { fields: { charsMax } });
  const parts = text.split('.');
  if (parts.length !== 3) throw new LicenseError('LICENSE_MALFORMED');
  const [headerText, payloadText, signatureText] = parts;
  const header = parsePart(headerText);
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw new LicenseError('LICENSE_MALFORMED');
  const signature = findBase64Url(signatureText);
  if (signature === undefined) throw new LicenseError('LICENSE_MALFORMED');
  const payload = parsePart(payloadText);
  return { header: header as Record<string, unknown>, signed: `${headerText}.${payloadText}`, payload, signature };
}

function parsePart(text: string): unknown {
  const bytes = findBase64Url(text);
  try {
    if (bytes !== undefined)
      return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    // JSON.parse quotes its input; no cause is kept.
  }
  throw new LicenseError('LICENSE_MALFORMED');
}

/** r and s of an ASN.1 DER signature as 64 bytes (RFC 7518 3.4). */
export function toJoseSignature(der: Uint8Array): Uint8Array {
  const out = new Uint8Array(64);
  let at = 2;
  for (const end of [32, 64]) {
    const length = der[at + 1];
    const number = der.subarray(at + 2, at + 2 + length);
    const digits = number.subarray(Math.max(0, number.length - 32));
    out.set(digits, end - digits.length);
    at += 2 + length;
  }
  return out;
}
