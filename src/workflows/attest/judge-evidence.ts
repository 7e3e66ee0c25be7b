/** Reads evidence with what belongs to it, verifies it, and, with a policy, says whether it is good enough. */
import { join } from 'node:path';
import {
  type AttestationClaims,
  type Collateral,
  type Evidence,
  readCollateral,
  readEvidence,
  readPemChain,
  readPolicy,
  type Validation,
  validateClaims,
  verifyEvidence,
  verifyEvidenceWithoutCollateral,
} from '../../attest/index.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import type { Services } from '../services.ts';

export interface ReadEvidenceOptions {
  /** Absolute path of the evidence. */
  readonly path: string;
  /** Absolute paths of certificates, revocation lists and collateral, or of folders of them. */
  readonly collateralPaths: readonly string[];
}

export interface VerifyEvidenceOptions extends ReadEvidenceOptions {
  /** The instant to judge at; null for now. */
  readonly atMs: number | null;
  /** Signatures of SGX and TDX quotes alone. */
  readonly isWithoutCollateral: boolean;
  /** Absolute path of PEM roots that certify attestation keys of TPMs. */
  readonly akRootPath?: string | undefined;
}

export interface EvidenceReport {
  readonly claims: AttestationClaims;
  /** False when validity was judged at an instant that was given. */
  readonly isJudgedForNow: boolean;
}

export interface ValidateEvidenceOptions extends VerifyEvidenceOptions {
  /** Absolute path. */
  readonly policyPath: string;
  readonly reportData: Uint8Array | null;
  readonly nonce: Uint8Array | null;
}

export interface EvidenceValidation extends EvidenceReport {
  readonly validation: Validation;
}

/** @throws AttestError ATTEST_EVIDENCE_UNKNOWN | ATTEST_EVIDENCE_MALFORMED | ATTEST_COLLATERAL_MALFORMED; SourceError */
export function openEvidence(services: Services, { path, collateralPaths }: ReadEvidenceOptions): Evidence {
  return readEvidence(services.storage.read(path), readCollateralFiles(services, collateralPaths));
}

/**
 * Files, and all files of folders, such as `attest fetch` makes.
 * @throws AttestError ATTEST_COLLATERAL_MALFORMED | ATTEST_CERTIFICATE_MALFORMED; SourceError
 */
export function readCollateralFiles(
  { storage, isFolder }: Pick<Services, 'storage' | 'isFolder'>,
  paths: readonly string[],
): Collateral {
  const files = paths.flatMap((path) => (isFolder(path) ? storage.list(path).map((name) => join(path, name)) : [path]));
  // Counted before any is read.
  if (files.length > ATTEST_LIMITS.collateralFilesMax) {
    throw new AttestError('ATTEST_COLLATERAL_MALFORMED', { fields: { at: `${files.length} files` } });
  }
  return readCollateral(files.map((file) => storage.read(file)));
}

/** @throws AttestError with a code for each reason; SourceError */
export function verifyEvidenceFile(services: Services, options: VerifyEvidenceOptions): EvidenceReport {
  const evidence = openEvidence(services, options);
  const { storage, clock } = services;
  const { atMs, akRootPath, isWithoutCollateral } = options;
  const roots = akRootPath === undefined ? [] : readPemChain(Buffer.from(storage.read(akRootPath)).toString('utf8'));
  const verify = isWithoutCollateral ? verifyEvidenceWithoutCollateral : verifyEvidence;
  const claims = verify(evidence, { nowMs: atMs ?? clock.nowMs(), tpmRoots: roots });
  return { claims, isJudgedForNow: atMs === null };
}

/** @throws AttestError when the evidence is not authentic, or the policy is malformed; SourceError */
export function validateEvidenceFile(services: Services, options: ValidateEvidenceOptions): EvidenceValidation {
  const { policyPath, reportData, nonce } = options;
  const policy = readPolicy(services.storage.read(policyPath));
  const report = verifyEvidenceFile(services, options);
  const validation = validateClaims({
    claims: report.claims,
    policy,
    nowMs: report.claims.verifiedForMs,
    ...(reportData === null ? {} : { reportData }),
    ...(nonce === null ? {} : { nonce }),
  });
  return { ...report, validation };
}
