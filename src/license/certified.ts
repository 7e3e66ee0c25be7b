/**
 * Enrolments whose key was proven to be in a TPM that its maker certified: what has to fit, and the vendor's word that it
 * did (docs/spec/license.md section 1).
 */
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { utf8 } from '../core/bytes.ts';
import { toCanonicalJson } from '../core/canonical-json.ts';
import { LicenseError } from '../core/errors.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import { findEndorsementArea, listAgreementFaults, readPoint } from '../tpm/index.ts';
import { toBase64Url } from '../core/base64url.ts';
import { parseShape } from './claims.ts';
import { type Enrolment, enrolmentShape, parseEnrolmentJson, readEndorsement, toEnrolment } from './enrolment.ts';
import { type DocumentSigner, signDocument, TYPES, type VendorKey, verifyDocument } from './jws.ts';
import type { KnownAssurance } from './ports.ts';

/**
 * Holds an enrolment against the key of its certificate, which was verified: the endorsement key must be that one, and the
 * device key one that a TPM makes inside and keeps.
 * @throws LicenseError LICENSE_EK_MISSING | LICENSE_EK_MISMATCH | LICENSE_DEVICE_KEY_WEAK | LICENSE_ENROLMENT_MALFORMED
 */
export function assertEndorsed(enrolment: Enrolment, certified: KeyObject): void {
  const { area, ek } = readEndorsement(enrolment);
  const expected = findEndorsementArea(certified);
  if (expected === undefined || Buffer.compare(expected, ek) !== 0) throw new LicenseError('LICENSE_EK_MISMATCH');
  const faults = listAgreementFaults(area);
  if (faults.length > 0) throw new LicenseError('LICENSE_DEVICE_KEY_WEAK', { fields: { faults } });
  const { x, y } = readAreaPoint(area);
  if (x !== enrolment.jwk.x || y !== enrolment.jwk.y) refuseArea();
}

function readAreaPoint(area: Uint8Array): { readonly x: string; readonly y: string } {
  try {
    const { x, y } = readPoint(area);
    return { x: toBase64Url(x), y: toBase64Url(y) };
  } catch {
    return refuseArea();
  }
}

function refuseArea(): never {
  throw new LicenseError('LICENSE_ENROLMENT_MALFORMED', { fields: { members: ['tpm.area'] } });
}

const fingerprint = z.string().regex(/^[0-9a-f]{64}$/);

const certifiedShape = z.strictObject({
  iss: z.string(),
  iat: z.int().min(0),
  enr: enrolmentShape,
  /** SHA-256 of the certificate and of the one that it leads to. */
  ek: fingerprint,
  root: fingerprint,
  /** Whether lists of revoked certificates were there. */
  isRevocationChecked: z.boolean(),
});

export type CertifiedEnrolment = Readonly<z.infer<typeof certifiedShape>>;

/** The vendor's word, compact JWS. */
export function signCertified(signer: DocumentSigner, content: Omit<CertifiedEnrolment, 'iss'>): Promise<string> {
  return signDocument(signer, TYPES.enrolment, { ...content, iss: signer.issuer });
}

const FILE_KIND = 'modelward-license-certified-enrolment';

const fileShape = z.strictObject({
  v: z.literal(1),
  kind: z.literal(FILE_KIND),
  certified: z.string().max(LICENSE_LIMITS.jwsCharsMax),
});

/** Canonical JSON and a line feed. */
export function encodeCertifiedFile(certified: string): Uint8Array {
  return utf8(`${toCanonicalJson({ v: 1, kind: FILE_KIND, certified })}\n`);
}

export interface EnrolmentFile {
  readonly enrolment: Enrolment;
  readonly assurance: KnownAssurance;
  /** What the vendor found when he certified it; null for what the device says of itself. */
  readonly certified: CertifiedEnrolment | null;
}

/**
 * An enrolment as the device made it, or with the vendor's word.
 * @param keys of the vendor who reads it: the word of another one is none
 * @throws LicenseError LICENSE_ENROLMENT_MALFORMED; those of `verifyDocument`; LICENSE_ISSUER
 */
export function readEnrolmentFile(bytes: Uint8Array, keys: readonly VendorKey[]): EnrolmentFile {
  const value = parseEnrolmentJson(bytes);
  if ((value as { kind?: unknown } | null)?.kind !== FILE_KIND) {
    const enrolment = toEnrolment(value);
    return { enrolment, assurance: enrolment.assurance, certified: null };
  }
  const { certified: text } = parseShape(fileShape, value, 'LICENSE_ENROLMENT_MALFORMED');
  const { payload, key } = verifyDocument(text, { typ: TYPES.enrolment, keys });
  const certified = parseShape(certifiedShape, payload, 'LICENSE_ENROLMENT_MALFORMED');
  if (certified.iss !== key.issuer) throw new LicenseError('LICENSE_ISSUER');
  return { enrolment: toEnrolment(certified.enr), assurance: 'tpm-certified', certified };
}
