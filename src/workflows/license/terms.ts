/** The terms of a licence as the vendor gives them, and the claims that they become. */
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import type { Enrolment, KnownAssurance, LicenseClaims, OfflineRules } from '../../license/index.ts';

export interface LicenseTerms {
  /** To whom. */
  readonly licensee: string;
  readonly audience: string;
  readonly validSec: number;
  /** When it begins, seconds; null for now. */
  readonly fromSec: number | null;
  readonly entitlements: readonly string[];
  readonly offline: Partial<OfflineRules>;
  readonly pool: { readonly id: string; readonly seats: number } | null;
  /** So many parts of the machine must fit; null for all but one and for two at least, and one when a name was given; 0 for none. */
  readonly machineParts: number | null;
  readonly assurance: KnownAssurance;
  /** Address of the status list, and the age that is accepted; null for a licence without. */
  readonly status: { readonly uri: string; readonly maxAgeSec: number | null } | null;
}

const DEFAULT_OFFLINE: OfflineRules = {
  checkSec: null,
  graceSec: LICENSE_LIMITS.graceSecDefault,
  lateSec: 0,
  maxSkewSec: LICENSE_LIMITS.skewSecDefault,
  leaseSec: null,
};

/** The part of the claims that the terms decide. */
export function toTermClaims(
  terms: LicenseTerms,
  { nowSec, index, enrolment }: { readonly nowSec: number; readonly index: number; readonly enrolment: Enrolment },
): Pick<LicenseClaims, 'aud' | 'sub' | 'iat' | 'nbf' | 'exp' | 'ent' | 'off' | 'asr' | 'pool' | 'status' | 'fpr'> {
  const from = terms.fromSec ?? nowSec;
  const leaseSec = terms.pool === null ? null : LICENSE_LIMITS.leaseSecDefault;
  return {
    aud: terms.audience,
    sub: terms.licensee,
    iat: nowSec,
    nbf: from,
    exp: from + terms.validSec,
    ent: [...terms.entitlements],
    off: { ...DEFAULT_OFFLINE, leaseSec, ...terms.offline },
    asr: terms.assurance,
    ...(terms.pool === null ? {} : { pool: { ...terms.pool } }),
    ...(terms.status === null ? {} : { status: toStatus(terms.status, index) }),
    ...toFingerprint(terms.machineParts, enrolment.fpr),
  };
}

function toStatus({ uri, maxAgeSec }: NonNullable<LicenseTerms['status']>, idx: number): LicenseClaims['status'] {
  return { status_list: { idx, uri }, maxAgeSec };
}

function toFingerprint(wanted: number | null, { salt, parts }: Enrolment['fpr']): Pick<LicenseClaims, 'fpr'> {
  const count = Object.keys(parts).length;
  const k = wanted ?? Math.max(Math.min(2, count), count - 1);
  return k === 0 || count === 0 ? {} : { fpr: { salt, k, parts } };
}
