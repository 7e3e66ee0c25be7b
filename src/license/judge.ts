/**
 * May this licence be used now, here, for this? The rules in the order of docs/spec/license.md section 7; the first one
 * that is broken is the outcome. Authenticity is verified before, and the key document is opened after.
 */
import { LicenseError } from '../core/errors.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import type { LicenseClaims } from './claims.ts';
import { toIso, toTrustedNow } from './clock.ts';
import { matchFingerprint } from './fingerprint.ts';
import type { VerifiedLicense } from './license.ts';
import type { Assurance, MachineParts } from './ports.ts';
import type { LicenseRecord } from './state.ts';
import { STATUS, type VerifiedStatusList } from './status-list.ts';

/** What a licence that may be used is told as, mildest last; the vendor's rules decide how long each lasts. */
export const STANDINGS = ['LATE', 'IN_GRACE', 'CHECK_DUE', 'DUE_SOON', 'VALID'] as const;
export type Standing = (typeof STANDINGS)[number];

export interface Situation {
  readonly license: VerifiedLicense;
  readonly nowSec: number;
  /** Latest time that the device has seen. */
  readonly highWaterSec: number;
  /** By the clock of the chip it is this late at least; 0 without one. */
  readonly floorSec: number;
  /** Further times that are known to be past. */
  readonly seenSec: readonly number[];
  readonly device: { readonly jkt: string; readonly assurance: Assurance };
  readonly machine: MachineParts;
  /** Null when this licence was not activated here. */
  readonly record: LicenseRecord | null;
  readonly statusList: VerifiedStatusList | null;
  /** The sealed file; null to judge the licence alone. */
  readonly seal: { readonly id: string; readonly headSha256: string } | null;
  /** Entitlements that are asked for. */
  readonly needs: readonly string[];
  /** False while a licence is only activated: seat and status list are asked for when it is used. */
  readonly isUse: boolean;
}

export interface Judgement {
  readonly standing: Standing;
  /** Until when nothing has to be done, seconds. */
  readonly untilSec: number;
  /** Time that was judged by: the device has seen it now. */
  readonly nowSec: number;
  /** Things to tell: a part of the machine that changed, a name instead of a fingerprint, a key in a file. */
  readonly notes: readonly string[];
}

/** @throws LicenseError with the code of the first rule that is broken */
export function judgeLicense(situation: Situation): Judgement {
  const { license, record, device } = situation;
  const { claims } = license;
  assertDevice(claims, device);
  assertSeal(claims, situation.seal);
  assertSpeaker(claims, situation.statusList);
  if (record === null) throw new LicenseError('LICENSE_NOT_ACTIVATED', { fields: { license: claims.jti } });
  if (claims.seq < record.seq) {
    throw new LicenseError('LICENSE_SUPERSEDED', { fields: { seq: claims.seq, newest: record.seq } });
  }
  const nowSec = readTime(situation, record);
  assertStatus(situation, record, nowSec);
  const notes = noteMachine(claims, situation);
  assertEntitlements(claims, situation.needs);
  const { standing, untilSec } = toStanding(claims, { record, nowSec, isUse: situation.isUse });
  return { standing, untilSec, nowSec, notes };
}

function assertDevice({ cnf, asr }: LicenseClaims, device: Situation['device']): void {
  if (cnf.jkt !== device.jkt) throw new LicenseError('LICENSE_DEVICE_MISMATCH');
  // Whether a maker's certificate was seen is the vendor's to know: it is the key that he saw, by its thumbprint.
  if (asr !== 'software' && device.assurance !== 'tpm') throw new LicenseError('LICENSE_ASSURANCE_LOW');
}

function assertSeal({ seal }: LicenseClaims, given: Situation['seal']): void {
  if (given === null) return;
  if (seal.id !== given.id) throw new LicenseError('LICENSE_SEAL_MISMATCH', { fields: { licensed: seal.id } });
  if (seal.sha256 !== given.headSha256) throw new LicenseError('LICENSE_SEAL_ALTERED');
}

/** Every pinned vendor speaks for his own licences alone. */
function assertSpeaker({ iss }: LicenseClaims, statusList: VerifiedStatusList | null): void {
  if (statusList !== null && statusList.issuer !== iss) throw new LicenseError('LICENSE_ISSUER');
}

function readTime(situation: Situation, record: LicenseRecord): number {
  const { license, statusList, highWaterSec, floorSec, seenSec, nowSec } = situation;
  const { iat, nbf, off } = license.claims;
  const { maxSkewSec } = off;
  // A licence cannot be older than its making: told apart from a clock that went back, since a new device may be wrong.
  if (nowSec < iat - maxSkewSec) throw new LicenseError('LICENSE_ISSUED_IN_FUTURE', { fields: { issued: toIso(iat) } });
  const seen = [highWaterSec, record.contactSec, record.statusSec, iat, statusList?.iatSec ?? 0, ...seenSec];
  const latest = toTrustedNow({ nowSec, seenSec: seen, maxSkewSec });
  if (nowSec < floorSec - maxSkewSec) {
    const fields = { clock: toIso(nowSec), atLeast: toIso(floorSec) };
    throw new LicenseError('LICENSE_CLOCK_STOPPED', { fields });
  }
  const trusted = Math.max(latest, floorSec);
  if (trusted < nbf - maxSkewSec) throw new LicenseError('LICENSE_NOT_YET_VALID', { fields: { from: toIso(nbf) } });
  return trusted;
}

function assertStatus({ license, statusList, isUse }: Situation, record: LicenseRecord, nowSec: number): void {
  if (record.standing === 'revoked') throw new LicenseError('LICENSE_REVOKED');
  const rule = license.claims.status;
  if (rule !== undefined) assertListed(rule, { statusList, record, nowSec, isUse });
  // What the vendor told this device himself counts until he tells otherwise: a list may be older than his word.
  if (record.standing === 'suspended') throw new LicenseError('LICENSE_SUSPENDED');
}

function assertListed(
  { status_list: place, maxAgeSec }: NonNullable<LicenseClaims['status']>,
  by: Pick<Situation, 'statusList' | 'isUse' | 'nowSec'> & { readonly record: LicenseRecord },
): void {
  const { statusList, record, nowSec, isUse } = by;
  if (statusList === null) {
    if (maxAgeSec === null || !isUse) return;
    throw new LicenseError('LICENSE_STATUS_MISSING', { fields: { uri: place.uri } });
  }
  if (statusList.uri !== place.uri) throw new LicenseError('LICENSE_STATUS_OTHER', { fields: { wanted: place.uri } });
  const isOld = maxAgeSec !== null && nowSec > statusList.iatSec + maxAgeSec;
  const isOver = maxAgeSec !== null && statusList.expSec !== null && nowSec >= statusList.expSec;
  if (isOld || isOver || statusList.iatSec < record.statusSec) {
    throw new LicenseError('LICENSE_STATUS_STALE', { fields: { issued: toIso(statusList.iatSec) } });
  }
  const status = statusList.statusOf(place.idx);
  if (status === STATUS.suspended) throw new LicenseError('LICENSE_SUSPENDED');
  // Values that are not known here are no permission either.
  if (status !== STATUS.valid) throw new LicenseError('LICENSE_REVOKED');
}

function noteMachine({ fpr }: LicenseClaims, { machine, device }: Situation): readonly string[] {
  const notes = device.assurance === 'software' ? ['SOFTWARE_KEY'] : [];
  if (fpr === undefined) return notes;
  const { matched, total } = matchFingerprint(fpr, machine);
  if (matched < total) notes.push('MACHINE_CHANGED');
  if (fpr.parts['device-id'] !== undefined) notes.push('DEVICE_ID_GIVEN');
  return notes;
}

function assertEntitlements({ ent }: LicenseClaims, needs: readonly string[]): void {
  const missing = needs.filter((need) => !ent.includes(need));
  if (missing.length > 0) throw new LicenseError('LICENSE_ENTITLEMENT_MISSING', { fields: { missing } });
}

type Span = Pick<Judgement, 'standing' | 'untilSec'>;

function toStanding(
  claims: LicenseClaims,
  { record, nowSec, isUse }: { readonly record: LicenseRecord } & Pick<Situation, 'nowSec' | 'isUse'>,
): Span {
  const { exp, off, pool } = claims;
  if (nowSec >= exp + off.lateSec) throw new LicenseError('LICENSE_EXPIRED', { fields: { expired: toIso(exp) } });
  if (pool !== undefined && isUse) assertLease(record, nowSec);
  const contact = toContact(off, record, nowSec);
  if (nowSec >= exp) return { standing: 'LATE', untilSec: exp + off.lateSec };
  if (contact.standing !== 'VALID') return contact;
  if (nowSec >= exp - Math.min(LICENSE_LIMITS.dueSoonSec, (exp - claims.nbf) / 10)) {
    return { standing: 'DUE_SOON', untilSec: exp };
  }
  return { standing: 'VALID', untilSec: Math.min(exp, contact.untilSec) };
}

function toContact({ checkSec, graceSec }: LicenseClaims['off'], record: LicenseRecord, nowSec: number): Span {
  if (checkSec === null) return { standing: 'VALID', untilSec: Infinity };
  const dueSec = record.contactSec + checkSec;
  const endSec = dueSec + graceSec;
  if (nowSec < dueSec) return { standing: 'VALID', untilSec: dueSec };
  if (nowSec >= endSec) {
    throw new LicenseError('LICENSE_GRACE_EXPIRED', {
      fields: { contact: toIso(record.contactSec), ended: toIso(endSec) },
    });
  }
  // In the first half there is time; in the second one somebody should be told.
  return { standing: nowSec < dueSec + graceSec / 2 ? 'CHECK_DUE' : 'IN_GRACE', untilSec: endSec };
}

function assertLease({ lease }: LicenseRecord, nowSec: number): void {
  if (lease === null) throw new LicenseError('LICENSE_LEASE_MISSING');
  if (nowSec >= lease.expSec)
    throw new LicenseError('LICENSE_LEASE_EXPIRED', { fields: { ended: toIso(lease.expSec) } });
}
