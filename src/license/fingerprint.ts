/** The machine as a second factor: a salted MAC of each part, of which k must fit (docs/spec/license.md section 6). */
import { concatBytes, isEqualConstantTime, utf8 } from '../core/bytes.ts';
import { LicenseError } from '../core/errors.ts';
import { hmacSha256 } from '../core/hash.ts';
import type { Random } from '../core/ports.ts';
import { findBase64Url, toBase64Url } from '../core/base64url.ts';
import type { LicenseClaims } from './claims.ts';
import { MACHINE_PARTS, type MachinePart, type MachineParts } from './ports.ts';

export interface MaskedParts {
  /** 16 bytes, base64url. */
  readonly salt: string;
  readonly parts: Readonly<Partial<Record<MachinePart, string>>>;
}

/** Parts as an enrolment tells them: nobody reads a serial number out of it. A name that was given stands alone. */
export function maskParts(parts: MachineParts, random: Random): MaskedParts {
  const salt = new Uint8Array(16);
  random.fill(salt);
  const told = parts['device-id'] === undefined ? parts : { 'device-id': parts['device-id'] };
  const masked = listParts(told).map(([name, value]) => [name, toBase64Url(maskPart(salt, name, value))]);
  return { salt: toBase64Url(salt), parts: Object.fromEntries(masked) as MaskedParts['parts'] };
}

function listParts(parts: MachineParts): readonly (readonly [MachinePart, string])[] {
  return MACHINE_PARTS.flatMap((name) => {
    const value = parts[name];
    return value === undefined ? [] : [[name, value] as const];
  });
}

function maskPart(salt: Uint8Array, name: MachinePart, value: string): Uint8Array {
  return hmacSha256(salt, concatBytes(utf8(name), Uint8Array.of(0), utf8(value)));
}

export interface FingerprintMatch {
  readonly matched: number;
  readonly total: number;
  readonly k: number;
}

/**
 * Counts the parts that fit.
 * @throws LicenseError LICENSE_FINGERPRINT_UNREADABLE when fewer than k can be read; LICENSE_FINGERPRINT_MISMATCH when fewer than
 *   k fit
 */
export function matchFingerprint(fpr: NonNullable<LicenseClaims['fpr']>, machine: MachineParts): FingerprintMatch {
  const salt = findBase64Url(fpr.salt) ?? new Uint8Array();
  const names = MACHINE_PARTS.filter((name) => fpr.parts[name] !== undefined);
  const readable = names.filter((name) => machine[name] !== undefined);
  const fits = (name: MachinePart): boolean =>
    isEqualConstantTime(findBase64Url(fpr.parts[name] ?? '') ?? new Uint8Array(), maskPart(salt, name, machine[name]!));
  const matched = readable.filter(fits).length;
  const fields = { matched, readable: readable.length, total: names.length, k: fpr.k };
  if (readable.length < fpr.k) throw new LicenseError('LICENSE_FINGERPRINT_UNREADABLE', { fields });
  if (matched < fpr.k) throw new LicenseError('LICENSE_FINGERPRINT_MISMATCH', { fields });
  return { matched, total: names.length, k: fpr.k };
}
