/** What a licence says (docs/spec/license.md section 3). */
import { z } from 'zod';
import { type ErrorCode, LicenseError } from '../core/errors.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import { jwkShape } from './jwk.ts';
import { ASSURANCES, type KnownAssurance, MACHINE_PARTS } from './ports.ts';

const text = z.string().min(1).max(LICENSE_LIMITS.textCharsMax);
/** Seconds since 1970, up to the year 9999. */
const instant = z.int().min(0).max(253_402_300_799);
const digest = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
export const licenseName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);

const offline = z.strictObject({
  /** From so long after the last contact on, contact is due; null never. */
  checkSec: z.int().min(0).max(LICENSE_LIMITS.graceSecMax).nullable(),
  /** So long beyond `checkSec` the device may go on. */
  graceSec: z.int().min(0).max(LICENSE_LIMITS.graceSecMax),
  /** So long after `exp` the device may go on: a renewal that is late is no hard stop. */
  lateSec: z.int().min(0).max(LICENSE_LIMITS.graceSecMax),
  maxSkewSec: z.int().min(0).max(LICENSE_LIMITS.skewSecMax),
  /** For a seat of a pool: longest time that one lease is used; null for a licence of one device's own. */
  leaseSec: z.int().min(LICENSE_LIMITS.leaseSecMin).max(LICENSE_LIMITS.leaseSecMax).nullable(),
});

const fingerprint = z
  .strictObject({
    salt: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
    /** So many of `parts` must be those of the machine. */
    k: z.int().min(1).max(LICENSE_LIMITS.fingerprintPartsMax),
    parts: z.partialRecord(z.enum(MACHINE_PARTS), digest),
  })
  .refine(({ k, parts }) => k <= Object.keys(parts).length);

const status = z.strictObject({
  status_list: z.strictObject({
    idx: z.int().min(0).max(LICENSE_LIMITS.statusIndexMax),
    uri: z.string().min(1).max(1024),
  }),
  /** Oldest list that is accepted, seconds; null when the licence may be used without a list. */
  maxAgeSec: z.int().min(60).max(LICENSE_LIMITS.graceSecMax).nullable(),
});

const claimsShape = z.strictObject({
  iss: text,
  aud: text,
  /** To whom it is given. */
  sub: text,
  jti: licenseName,
  /** 1 in the first licence of this `jti`, one more with every renewal. */
  seq: z.int().min(1),
  iat: instant,
  nbf: instant,
  exp: instant,
  /** Thumbprint of the device key (RFC 7800, RFC 7638). */
  cnf: z.strictObject({ jkt: digest }),
  /** `sha256` is over the head of the sealed file: preamble and FLOE header, whose tag commits to the data key. */
  seal: z.strictObject({ id: z.uuid(), sha256: digest }),
  fpr: fingerprint.optional(),
  ent: z.array(text).max(LICENSE_LIMITS.entitlementsMax),
  off: offline,
  pool: z.strictObject({ id: licenseName, seats: z.int().min(1).max(LICENSE_LIMITS.seatsMax) }).optional(),
  /** Least that the device key must be. */
  asr: z.enum(ASSURANCES),
  /** What the vendor knew of the device key when he issued, and the SHA-256 (hex) of the certificate of its TPM. */
  key: z
    .strictObject({
      assurance: z.enum(ASSURANCES),
      ek: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
    })
    .optional(),
  status: status.optional(),
  /** The vendor's key that proofs of devices are made for. */
  agr: jwkShape,
  dek_sha256: digest,
});

export type LicenseClaims = Readonly<z.infer<typeof claimsShape>>;
export type OfflineRules = LicenseClaims['off'];

/** @throws LicenseError LICENSE_CLAIMS_INVALID with the members at fault */
export function parseClaims(value: unknown): LicenseClaims {
  const claims = parseShape(claimsShape, value, 'LICENSE_CLAIMS_INVALID');
  const order = claims.nbf < claims.exp && (claims.pool === undefined) === (claims.off.leaseSec === null);
  if (!order) throw new LicenseError('LICENSE_CLAIMS_INVALID', { fields: { members: ['nbf', 'exp', 'pool', 'off'] } });
  const isKnown =
    claims.key === undefined ? claims.asr !== 'tpm-certified' : isAtLeast(claims.key.assurance, claims.asr);
  if (!isKnown) throw new LicenseError('LICENSE_CLAIMS_INVALID', { fields: { members: ['asr', 'key'] } });
  return claims;
}

export function isAtLeast(known: KnownAssurance, least: KnownAssurance): boolean {
  return ASSURANCES.indexOf(known) >= ASSURANCES.indexOf(least);
}

/** A value of the shape. @throws LicenseError `code`, naming the members at fault and never their values */
export function parseShape<T extends z.ZodType>(shape: T, value: unknown, code: ErrorCode): z.output<T> {
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  const members = [...new Set(result.error.issues.map(({ path }) => path.map(String).join('.') || 'document'))];
  throw new LicenseError(code, { fields: { members: members.slice(0, 8) } });
}
