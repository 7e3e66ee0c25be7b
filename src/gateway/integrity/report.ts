/** What checking an answer finds out. */
import type { ErrorCode, ErrorFields } from '../../core/errors.ts';
import type { LogPlace } from '../ports.ts';

/** Codes of core/errors/integrity.ts that a check gives. */
export type IntegrityCode = Extract<ErrorCode, `INTEGRITY_${string}`>;

export interface IntegrityFinding {
  readonly code: IntegrityCode;
  readonly fields: ErrorFields;
}

/** One tag or signature of an answer, or a proof of its row in the log. */
export interface CheckedMark {
  /** A tag says to who has the same key that nothing was changed on the way; signature and proof say it to anybody. */
  readonly kind: 'tag' | 'signature' | 'proof';
  readonly keyId: string;
  readonly createdMs: number;
  /** `unchecked`: no key of this kind was given. */
  readonly outcome: 'good' | 'wrong' | 'unchecked';
}

export interface IntegrityReport {
  /** A tag or signature was checked and is good, and there are no findings. */
  readonly isVerified: boolean;
  readonly findings: readonly IntegrityFinding[];
  readonly marks: readonly CheckedMark[];
  readonly requestId: string | null;
  /** Row of the log; null where the answer names none. */
  readonly place: LogPlace | null;
}

/** What checks answers; a key that is null checks nothing. */
export interface CheckKeys {
  /** Of the integrity tag: id of the API key, and 32 bytes. */
  readonly tag: { readonly keyId: string; readonly key: Uint8Array } | null;
  /** DER of the SPKI of the gateway's Ed25519 key. */
  readonly publicKey: Uint8Array | null;
}

export interface CheckTime {
  readonly nowMs: number;
  /** null: answers of any age are taken. */
  readonly maxAgeMs: number | null;
}

/** Collects findings; each code once. */
export class Findings {
  readonly list: IntegrityFinding[] = [];

  add(code: IntegrityCode, fields: ErrorFields = {}): void {
    if (!this.list.some((finding) => finding.code === code)) this.list.push({ code, fields });
  }
}

export function toReport(
  findings: Findings,
  marks: readonly CheckedMark[],
  found: { readonly requestId: string | null; readonly place: LogPlace | null },
): IntegrityReport {
  const isVerified = findings.list.length === 0 && marks.some(({ outcome }) => outcome === 'good');
  return { isVerified, findings: findings.list, marks, ...found };
}
