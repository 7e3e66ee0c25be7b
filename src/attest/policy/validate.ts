/** Whether verified claims are good enough: a policy applied as it is written. Nothing is verified here. */
import { isEqualConstantTime, toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import type { AttestationClaims, AttestationKind, NitroClaims } from '../claims.ts';
import { judgeSgx, judgeTdx } from './dcap-rules.ts';
import { judgeNitro, judgeTpm } from './pcr-rules.ts';
import { type Refusal, refuseWhen } from './refusal.ts';
import type { AttestationPolicy } from './schema.ts';
import { judgeSnp } from './snp-rules.ts';

export interface ValidateOptions {
  readonly claims: AttestationClaims;
  readonly policy: AttestationPolicy;
  readonly nowMs: number;
  /** What the evidence must be bound to: up to 64 bytes, zeros after them; for Nitro `user_data`, for a TPM the qualifying data. */
  readonly reportData?: Uint8Array;
  /** The challenge that it must answer: Nitro's `nonce`; for the others the same field as the report data. */
  readonly nonce?: Uint8Array;
}

export interface Validation {
  readonly isAccepted: boolean;
  /** Every reason, not only the first. */
  readonly refusals: readonly Refusal[];
  readonly kind: AttestationKind;
  readonly policyName: string;
  readonly policyDigestHex: string;
}

/**
 * @throws TypeError for a nonce of less than 16 bytes or report data of more than 64: a caller's mistake
 */
export function validateClaims(options: ValidateOptions): Validation {
  const { claims, policy } = options;
  assertOptions(options);
  const refusals = [...judgeTime(options), ...judgeBinding(options), ...judgeKind(claims, policy.accept)];
  return {
    isAccepted: refusals.length === 0,
    refusals,
    kind: claims.kind,
    policyName: policy.name,
    policyDigestHex: policy.digestHex,
  };
}

/**
 * For those who want an answer or an error.
 * @throws AttestError with the code of the first refusal, all codes in the field `refusals`
 */
export function assertAccepted({ isAccepted, refusals, policyName, policyDigestHex }: Validation): void {
  if (isAccepted) return;
  const [{ code, fields }] = refusals;
  const codes = refusals.map((refusal) => refusal.code);
  throw new AttestError(code, { fields: { ...fields, refusals: codes, policyName, policyDigestHex } });
}

function assertOptions({ nonce, reportData }: ValidateOptions): void {
  if (nonce !== undefined && nonce.length < ATTEST_LIMITS.nonceBytesMin) {
    throw new TypeError(`a nonce has at least ${ATTEST_LIMITS.nonceBytesMin} bytes`);
  }
  if (reportData !== undefined && (reportData.length === 0 || reportData.length > ATTEST_LIMITS.reportDataBytes)) {
    throw new TypeError(`report data has 1 to ${ATTEST_LIMITS.reportDataBytes} bytes`);
  }
}

function judgeKind(claims: AttestationClaims, accept: AttestationPolicy['accept']): Refusal[] {
  switch (claims.kind) {
    case 'snp':
      return accept.snp === undefined ? refuseKind(claims.kind) : judgeSnp(claims, accept.snp);
    case 'sgx':
      return accept.sgx === undefined ? refuseKind(claims.kind) : judgeSgx(claims, accept.sgx);
    case 'tdx':
      return accept.tdx === undefined ? refuseKind(claims.kind) : judgeTdx(claims, accept.tdx);
    case 'nitro':
      return accept.nitro === undefined ? refuseKind(claims.kind) : judgeNitro(claims, accept.nitro);
    case 'tpm':
      return accept.tpm === undefined ? refuseKind(claims.kind) : judgeTpm(claims, accept.tpm);
  }
}

function refuseKind(kind: AttestationKind): Refusal[] {
  return [{ code: 'ATTEST_POLICY_KIND', fields: { found: kind } }];
}

function judgeTime({ claims, policy, nowMs }: ValidateOptions): Refusal[] {
  const { verifiedForMs } = claims;
  const isPast = Math.abs(nowMs - verifiedForMs) > ATTEST_LIMITS.verifiedAgeMsMax;
  const tcb = 'tcb' in claims && claims.kind !== 'snp' ? claims.tcb : null;
  const ageSeconds = tcb === null ? 0 : Math.floor((nowMs - tcb.issuedMs) / 1000);
  const maximum = policy.collateralAgeMaxSeconds ?? Number.POSITIVE_INFINITY;
  return [
    ...refuseWhen(isPast, 'ATTEST_POLICY_PAST', { verifiedForMs, nowMs }),
    ...refuseWhen(ageSeconds > maximum, 'ATTEST_POLICY_COLLATERAL_AGE', { ageSeconds, maximum }),
    ...(claims.kind === 'nitro' ? judgeDocumentTime(claims, policy, nowMs) : []),
  ];
}

/** A document says when it was made; its certificate would let it live for three hours. */
function judgeDocumentTime({ timestampMs }: NitroClaims, { accept }: AttestationPolicy, nowMs: number): Refusal[] {
  if (accept.nitro === undefined) return [];
  const maximumMs = accept.nitro.documentAgeMaxSeconds * 1000;
  const isOutside = nowMs - timestampMs > maximumMs || timestampMs - nowMs > ATTEST_LIMITS.clockSkewMs;
  return refuseWhen(isOutside, 'ATTEST_POLICY_PAST', { timestampMs, nowMs, maximumMs });
}

function judgeBinding({ claims, policy, reportData, nonce }: ValidateOptions): Refusal[] {
  if (reportData === undefined && nonce === undefined) {
    return refuseWhen(policy.binding === 'required', 'ATTEST_POLICY_UNBOUND');
  }
  const isReportData = reportData === undefined || isBoundTo(claims, claims.reportDataHex, reportData);
  const isNonce = nonce === undefined || isBoundTo(claims, claims.nonceHex, nonce);
  return [
    ...refuseWhen(!isReportData, 'ATTEST_POLICY_REPORT_DATA', { found: claims.reportDataHex }),
    ...refuseWhen(!isNonce, 'ATTEST_POLICY_NONCE', { found: claims.nonceHex }),
  ];
}

/** Fields of 64 bytes are filled with zeros; those of Nitro and TPMs have the length of what was put in. */
function isBoundTo({ kind }: AttestationClaims, foundHex: string, wanted: Uint8Array): boolean {
  const isFixed = kind === 'snp' || kind === 'sgx' || kind === 'tdx';
  const wantedHex = isFixed ? toHex(wanted).padEnd(ATTEST_LIMITS.reportDataBytes * 2, '0') : toHex(wanted);
  return isEqualConstantTime(Buffer.from(foundHex, 'hex'), Buffer.from(wantedHex, 'hex'));
}
