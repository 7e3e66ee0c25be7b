/** What a device tells of itself so that licences can be made for it (docs/spec/license.md section 1). */
import { z } from 'zod';
import { utf8 } from '../core/bytes.ts';
import { toCanonicalJson } from '../core/canonical-json.ts';
import { LicenseError } from '../core/errors.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import { parseShape } from './claims.ts';
import { jwkShape, toPublicKey } from './jwk.ts';
import { MACHINE_PARTS } from './ports.ts';

const digest = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

const enrolmentShape = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-license-enrolment'),
  jwk: jwkShape,
  /** What the device says of its key. */
  assurance: z.enum(['software', 'tpm']),
  fpr: z.strictObject({
    salt: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
    parts: z.partialRecord(z.enum(MACHINE_PARTS), digest),
  }),
});

export type Enrolment = Readonly<z.infer<typeof enrolmentShape>>;

/** Canonical JSON and a line feed. */
export function encodeEnrolment(enrolment: Enrolment): Uint8Array {
  return utf8(`${toCanonicalJson(enrolment)}\n`);
}

/** @throws LicenseError LICENSE_ENROLMENT_MALFORMED, also for a key that is not on the curve */
export function parseEnrolment(bytes: Uint8Array): Enrolment {
  let value: unknown;
  try {
    if (bytes.length > LICENSE_LIMITS.fileBytesMax) throw new TypeError('too large');
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const enrolment = parseShape(enrolmentShape, value, 'LICENSE_ENROLMENT_MALFORMED');
    toPublicKey(enrolment.jwk);
    return enrolment;
  } catch (error) {
    if (error instanceof LicenseError && error.code === 'LICENSE_ENROLMENT_MALFORMED') throw error;
    throw new LicenseError('LICENSE_ENROLMENT_MALFORMED');
  }
}
