/**
 * A question that only the TPM with one endorsement key can answer, and only while it has the device key (docs/spec/license.md
 * section 1). The vendor keeps nothing between question and answer: the secret follows from his key and what he asked.
 */
import { z } from 'zod';
import { isEqualConstantTime, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { LicenseError } from '../core/errors.ts';
import { hkdfSha256, hmacSha256 } from '../core/hash.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import type { Random } from '../core/ports.ts';
import { makeCredential, toName } from '../tpm/index.ts';
import { findBase64Url, toBase64Url } from '../core/base64url.ts';
import { parseShape } from './claims.ts';
import {
  type Enrolment,
  enrolmentShape,
  readEndorsement,
  toBytesShape,
  toEnrolment,
  toEnrolmentDigest,
} from './enrolment.ts';
import { toThumbprint } from './jwk.ts';
import {
  assertPlainHeader,
  type DocumentSigner,
  signDocument,
  splitCompact,
  TYPES,
  type VendorKey,
  verifyDocument,
} from './jws.ts';
import type { KeyCredential } from './ports.ts';

const nonce = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const thumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const second = z.int().min(0).max(253_402_300_799);

/** What a question is about; its secret belongs to exactly this. */
export interface Question {
  readonly nonce: string;
  /** Until when it may be answered, seconds. */
  readonly exp: number;
  /** Digest of the enrolment. */
  readonly enr: string;
}

/** 32 bytes that nobody but the vendor can derive, for this question alone; the caller wipes them. */
export type SecretOf = (question: string) => Uint8Array;

function toSecret(secretOf: SecretOf, { nonce, exp, enr }: Question): Uint8Array {
  return secretOf(`${nonce}.${exp}.${enr}`);
}

const challengeShape = z.strictObject({
  iss: z.string(),
  /** Thumbprint of the device. */
  aud: thumbprint,
  enr: thumbprint,
  nonce,
  iat: second,
  exp: second,
  cred: toBytesShape(LICENSE_LIMITS.credentialBytesMax),
  seed: toBytesShape(LICENSE_LIMITS.credentialBytesMax),
});

export interface ChallengeOptions {
  readonly signer: DocumentSigner;
  /** Whose endorsement was verified. */
  readonly enrolment: Enrolment;
  readonly nonce: string;
  readonly iatSec: number;
  readonly expSec: number;
  readonly secretOf: SecretOf;
  readonly random: Random;
}

/** The question as compact JWS. @throws LicenseError LICENSE_EK_MISSING */
export async function signChallenge(options: ChallengeOptions): Promise<string> {
  const { signer, enrolment, nonce, iatSec: iat, expSec: exp, secretOf, random } = options;
  const { area, ek: endorsement } = readEndorsement(enrolment);
  const enr = toEnrolmentDigest(enrolment);
  const secret = toSecret(secretOf, { nonce, exp, enr });
  try {
    const { blob, encryptedSeed } = makeCredential({ endorsement, name: toName(area), secret, random });
    const texts = { cred: toBase64Url(blob), seed: toBase64Url(encryptedSeed) };
    const aud = toThumbprint(enrolment.jwk);
    return await signDocument(signer, TYPES.challenge, { iss: signer.issuer, aud, enr, nonce, iat, exp, ...texts });
  } finally {
    zeroize(secret);
  }
}

export interface VerifiedChallenge extends Question {
  readonly issuer: string;
  readonly credential: KeyCredential;
}

/**
 * Verifies on the device that its vendor asks, and about this enrolment.
 * @throws LicenseError as `verifyDocument`; LICENSE_REQUEST_MALFORMED | LICENSE_ISSUER | LICENSE_DEVICE_MISMATCH |
 *   LICENSE_CHALLENGE_OTHER
 */
export function verifyChallenge(text: string, keys: readonly VendorKey[], enrolment: Enrolment): VerifiedChallenge {
  const { payload, key } = verifyDocument(text, { typ: TYPES.challenge, keys });
  const challenge = parseShape(challengeShape, payload, 'LICENSE_REQUEST_MALFORMED');
  if (challenge.iss !== key.issuer) throw new LicenseError('LICENSE_ISSUER');
  if (challenge.aud !== toThumbprint(enrolment.jwk)) throw new LicenseError('LICENSE_DEVICE_MISMATCH');
  if (challenge.enr !== toEnrolmentDigest(enrolment)) throw new LicenseError('LICENSE_CHALLENGE_OTHER');
  const toBytes = (part: string): Uint8Array => findBase64Url(part) ?? new Uint8Array();
  const { nonce, exp, enr, cred, seed } = challenge;
  return { nonce, exp, enr, issuer: key.issuer, credential: { blob: toBytes(cred), encryptedSeed: toBytes(seed) } };
}

const responseShape = z.strictObject({
  aud: z.string().max(LICENSE_LIMITS.textCharsMax),
  nonce,
  exp: second,
  enr: enrolmentShape,
});

/** The answer as compact JWS, HS256 under a key that follows from the secret. @param secret what the TPM gave back */
export function signResponse(
  { issuer, nonce, exp }: VerifiedChallenge,
  enrolment: Enrolment,
  secret: Uint8Array,
): string {
  const header = { alg: 'HS256', typ: TYPES.response };
  const payload = { aud: issuer, nonce, exp, enr: enrolment };
  const signed = `${toBase64Url(toCanonicalJsonBytes(header))}.${toBase64Url(toCanonicalJsonBytes(payload))}`;
  return `${signed}.${toBase64Url(toMac(secret, enrolment, signed))}`;
}

function toMac(secret: Uint8Array, enrolment: Enrolment, signed: string): Uint8Array {
  const key = hkdfSha256(secret, utf8(toEnrolmentDigest(enrolment)), 'modelward/license/v1/activated', 32);
  try {
    return hmacSha256(key, utf8(signed));
  } finally {
    zeroize(key);
  }
}

export interface VerifiedResponse extends Question {
  readonly enrolment: Enrolment;
}

/**
 * Verifies that the TPM of this enrolment opened the question, in time. That it was not answered before is for the store to say.
 * @throws LicenseError LICENSE_TOO_LARGE | LICENSE_MALFORMED | LICENSE_TYPE | LICENSE_ALG_REFUSED | LICENSE_HEADER_REFUSED |
 *   LICENSE_REQUEST_MALFORMED | LICENSE_PROOF_INVALID | LICENSE_ISSUER | LICENSE_REQUEST_STALE
 */
export function verifyResponse(
  text: string,
  by: { readonly secretOf: SecretOf; readonly issuer: string; readonly nowSec: number },
): VerifiedResponse {
  const { header, signed, payload, signature } = splitCompact(text);
  if (header.typ !== TYPES.response) throw new LicenseError('LICENSE_TYPE', { fields: { wanted: TYPES.response } });
  if (header.alg !== 'HS256') throw new LicenseError('LICENSE_ALG_REFUSED');
  assertPlainHeader(header, ['alg', 'typ']);
  const { aud, nonce, exp, enr } = parseShape(responseShape, payload, 'LICENSE_REQUEST_MALFORMED');
  const enrolment = toEnrolment(enr);
  const question = { nonce, exp, enr: toEnrolmentDigest(enrolment) };
  const secret = toSecret(by.secretOf, question);
  try {
    if (!isEqualConstantTime(signature, toMac(secret, enrolment, signed)))
      throw new LicenseError('LICENSE_PROOF_INVALID');
  } finally {
    zeroize(secret);
  }
  if (aud !== by.issuer) throw new LicenseError('LICENSE_ISSUER');
  if (by.nowSec >= exp) throw new LicenseError('LICENSE_REQUEST_STALE');
  return { ...question, enrolment };
}
