/**
 * What device and vendor say to each other, over a network or as files (docs/spec/license.md section 8). A request is
 * MACed under a key that only the device key and the vendor's agreement key give: proof of possession that a chip which
 * can agree but not sign is able to make, too. An answer is signed, and carries the number of its request.
 */
import { z } from 'zod';
import { isEqualConstantTime, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { LicenseError } from '../core/errors.ts';
import { hkdfSha256, hmacSha256 } from '../core/hash.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import type { Random } from '../core/ports.ts';
import { toBase64Url } from '../core/base64url.ts';
import { licenseName, parseShape } from './claims.ts';
import { type EcPublicJwk, jwkShape, toThumbprint } from './jwk.ts';
import {
  assertPlainHeader,
  type DocumentSigner,
  signDocument,
  splitCompact,
  TYPES,
  type VendorKey,
  verifyDocument,
} from './jws.ts';
import { keyDocumentShape } from './key-document.ts';
import type { AgreementKey } from './ports.ts';

export const ACTIONS = ['activate', 'check', 'renew', 'lease', 'takeover', 'release'] as const;
export type LicenseAction = (typeof ACTIONS)[number];

const nonce = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const thumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const second = z.int().min(0);

const requestShape = z.strictObject({
  /** The vendor. */
  aud: z.string().max(LICENSE_LIMITS.textCharsMax),
  act: z.enum(ACTIONS),
  lic: licenseName,
  iat: second,
  jti: nonce,
  /** Carried by hand: it may be older. */
  file: z.boolean(),
  /** `takeover`: whose seat. */
  from: thumbprint.optional(),
});

export type LicenseRequest = Readonly<z.infer<typeof requestShape>>;

export interface VerifiedRequest extends LicenseRequest {
  readonly jwk: EcPublicJwk;
  readonly jkt: string;
}

/** 16 bytes, base64url. */
export function drawNonce(random: Random): string {
  const bytes = new Uint8Array(16);
  random.fill(bytes);
  return toBase64Url(bytes);
}

/** The key of a proof, 32 bytes; both ends of the agreement get the same one. The caller wipes it. */
async function deriveProofKey(
  own: AgreementKey,
  ends: { device: EcPublicJwk; vendor: EcPublicJwk },
): Promise<Uint8Array> {
  const peer = toThumbprint(own.publicKey) === toThumbprint(ends.device) ? ends.vendor : ends.device;
  const secret = await own.agree(peer);
  try {
    const salt = utf8(`${toThumbprint(ends.device)}.${toThumbprint(ends.vendor)}`);
    return hkdfSha256(secret, salt, 'modelward/license/v1/proof', 32);
  } finally {
    zeroize(secret);
  }
}

/** A request as compact JWS, HS256. @param vendor `agr` of the licence */
export async function signRequest(key: AgreementKey, vendor: EcPublicJwk, request: LicenseRequest): Promise<string> {
  const header = { alg: 'HS256', jwk: key.publicKey, typ: TYPES.request };
  const signed = `${toBase64Url(toCanonicalJsonBytes(header))}.${toBase64Url(toCanonicalJsonBytes(request))}`;
  const proofKey = await deriveProofKey(key, { device: key.publicKey, vendor });
  try {
    return `${signed}.${toBase64Url(hmacSha256(proofKey, utf8(signed)))}`;
  } finally {
    zeroize(proofKey);
  }
}

/**
 * Verifies that the holder of the device key in the header made this request for this vendor, lately. That it was not
 * answered before is for the store to say.
 * @throws LicenseError LICENSE_TOO_LARGE | LICENSE_REQUEST_MALFORMED | LICENSE_TYPE | LICENSE_ALG_REFUSED |
 *   LICENSE_PROOF_INVALID | LICENSE_ISSUER | LICENSE_REQUEST_STALE
 */
export async function verifyRequest(
  text: string,
  options: { readonly key: AgreementKey; readonly issuer: string; readonly nowSec: number },
): Promise<VerifiedRequest> {
  const { header, signed, payload, signature } = splitCompact(text);
  if (header.typ !== TYPES.request) throw new LicenseError('LICENSE_TYPE', { fields: { wanted: TYPES.request } });
  if (header.alg !== 'HS256') throw new LicenseError('LICENSE_ALG_REFUSED');
  assertPlainHeader(header, ['alg', 'jwk', 'typ']);
  const jwk = parseShape(jwkShape, header.jwk, 'LICENSE_REQUEST_MALFORMED');
  const proofKey = await deriveProofKey(options.key, { device: jwk, vendor: options.key.publicKey });
  try {
    const isProven = isEqualConstantTime(signature, hmacSha256(proofKey, utf8(signed)));
    if (!isProven) throw new LicenseError('LICENSE_PROOF_INVALID');
  } finally {
    zeroize(proofKey);
  }
  const request = parseShape(requestShape, payload, 'LICENSE_REQUEST_MALFORMED');
  if (request.aud !== options.issuer) throw new LicenseError('LICENSE_ISSUER');
  const age = options.nowSec - request.iat;
  const ageMax = request.file ? LICENSE_LIMITS.requestFileAgeSec : LICENSE_LIMITS.requestAgeSec;
  if (age > ageMax || age < -LICENSE_LIMITS.skewSecDefault) throw new LicenseError('LICENSE_REQUEST_STALE');
  return { ...request, jwk, jkt: toThumbprint(jwk) };
}

const answerShape = z.strictObject({
  iss: z.string(),
  /** Thumbprint of the device. */
  aud: thumbprint,
  lic: licenseName,
  act: z.enum(ACTIONS),
  nonce,
  /** Time of the vendor. */
  iat: second,
  /** OK, or the code of the refusal. */
  result: z.string().regex(/^(?:OK|LICENSE_[A-Z_]{1,48})$/),
  standing: z.enum(['valid', 'suspended', 'revoked']),
  lease: z.strictObject({ id: z.string().min(1).max(64), exp: second }).nullable(),
  license: z.string().max(LICENSE_LIMITS.jwsCharsMax).optional(),
  key: keyDocumentShape.optional(),
});

export type LicenseAnswer = Readonly<z.infer<typeof answerShape>>;

/** An answer as compact JWS. */
export async function signAnswer(signer: DocumentSigner, answer: Omit<LicenseAnswer, 'iss'>): Promise<string> {
  return signDocument(signer, TYPES.answer, { ...answer, iss: signer.issuer });
}

/**
 * Verifies an answer for one device and licence; its number is for the caller to hold against the request's.
 * @throws LicenseError as `verifyDocument`; LICENSE_CLAIMS_INVALID | LICENSE_ISSUER | LICENSE_ANSWER_OTHER
 */
export function verifyAnswer(
  text: string,
  options: { readonly keys: readonly VendorKey[]; readonly jkt: string; readonly license: string },
): LicenseAnswer {
  // An answer may carry a whole licence.
  const charsMax = 3 * LICENSE_LIMITS.jwsCharsMax;
  const { payload, key } = verifyDocument(text, { typ: TYPES.answer, keys: options.keys, charsMax });
  const answer = parseShape(answerShape, payload, 'LICENSE_CLAIMS_INVALID');
  if (answer.iss !== key.issuer) throw new LicenseError('LICENSE_ISSUER');
  if (answer.aud !== options.jkt || answer.lic !== options.license) throw new LicenseError('LICENSE_ANSWER_OTHER');
  return answer;
}
