/** What a device tells of itself so that licences can be made for it (docs/spec/license.md section 1). */
import { z } from 'zod';
import { utf8 } from '../core/bytes.ts';
import { toCanonicalJson, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { LicenseError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import { findBase64Url, toBase64Url } from '../core/base64url.ts';
import { parseShape } from './claims.ts';
import { jwkShape, toPublicKey } from './jwk.ts';
import { type KeyEndorsement, MACHINE_PARTS } from './ports.ts';

const digest = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** base64url of 1 to `bytesMax` bytes. */
export function toBytesShape(bytesMax: number) {
  return z.string().refine((text) => text.length <= Math.ceil((bytesMax * 4) / 3) && findBase64Url(text) !== undefined);
}

const endorsementShape = z.strictObject({
  area: toBytesShape(LICENSE_LIMITS.areaBytesMax),
  ek: toBytesShape(LICENSE_LIMITS.areaBytesMax),
  certificate: toBytesShape(LICENSE_LIMITS.ekCertificateBytesMax),
  chain: z.array(toBytesShape(LICENSE_LIMITS.ekChainBytesMax)).max(LICENSE_LIMITS.ekChainMax),
});

export const enrolmentShape = z
  .strictObject({
    v: z.literal(1),
    kind: z.literal('modelward-license-enrolment'),
    jwk: jwkShape,
    /** What the device says of its key. */
    assurance: z.enum(['software', 'tpm']),
    fpr: z.strictObject({
      salt: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
      parts: z.partialRecord(z.enum(MACHINE_PARTS), digest),
    }),
    /** By which it can prove that: absent where the TPM has no certificate. */
    tpm: endorsementShape.optional(),
  })
  .refine(({ assurance, tpm }) => tpm === undefined || assurance === 'tpm', { path: ['tpm'] });

export type Enrolment = Readonly<z.infer<typeof enrolmentShape>>;

/** Canonical JSON and a line feed. */
export function encodeEnrolment(enrolment: Enrolment): Uint8Array {
  return utf8(`${toCanonicalJson(enrolment)}\n`);
}

/** @throws LicenseError LICENSE_ENROLMENT_MALFORMED, also for a key that is not on the curve */
export function parseEnrolment(bytes: Uint8Array): Enrolment {
  return toEnrolment(parseEnrolmentJson(bytes));
}

/** @throws LicenseError LICENSE_ENROLMENT_MALFORMED */
export function parseEnrolmentJson(bytes: Uint8Array): unknown {
  try {
    if (bytes.length <= LICENSE_LIMITS.fileBytesMax)
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // JSON.parse quotes its input; no cause is kept.
  }
  throw new LicenseError('LICENSE_ENROLMENT_MALFORMED');
}

/** @throws LicenseError LICENSE_ENROLMENT_MALFORMED */
export function toEnrolment(value: unknown): Enrolment {
  const enrolment = parseShape(enrolmentShape, value, 'LICENSE_ENROLMENT_MALFORMED');
  try {
    toPublicKey(enrolment.jwk);
  } catch {
    throw new LicenseError('LICENSE_ENROLMENT_MALFORMED', { fields: { members: ['jwk'] } });
  }
  return enrolment;
}

/** Names one enrolment: base64url of SHA-256 over its canonical JSON. */
export function toEnrolmentDigest(enrolment: Enrolment): string {
  return toBase64Url(sha256(toCanonicalJsonBytes(enrolment)));
}

/** The endorsement as an enrolment has it; undefined when a certificate is longer than any maker's. */
export function toEndorsementTexts(endorsement: KeyEndorsement): Enrolment['tpm'] {
  const { area, ek, certificate, chain } = endorsement;
  const texts = { area: toBase64Url(area), ek: toBase64Url(ek), certificate: toBase64Url(certificate) };
  const result = endorsementShape.safeParse({ ...texts, chain: chain.map(toBase64Url) });
  return result.success ? result.data : undefined;
}

/** @throws LicenseError LICENSE_EK_MISSING */
export function readEndorsement({ tpm }: Enrolment): KeyEndorsement {
  if (tpm === undefined) throw new LicenseError('LICENSE_EK_MISSING');
  const toBytes = (text: string): Uint8Array => findBase64Url(text) ?? new Uint8Array();
  const [area, ek, certificate] = [tpm.area, tpm.ek, tpm.certificate].map(toBytes);
  return { area, ek, certificate, chain: tpm.chain.map(toBytes) };
}
