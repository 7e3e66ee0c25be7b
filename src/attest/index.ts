/** Evidence of trusted hardware: verified for authenticity, validated against a policy. */
export type * from './claims.ts';
export { TCB_STATUSES } from './claims.ts';
export { type DcapCollateral, type SignedText, toDcapCollateral } from './dcap/collateral.ts';
export type { DcapEvidence } from './dcap/verify.ts';
export { describeEvidence, type EvidenceDescription } from './evidence/describe.ts';
export { type Collateral, NO_COLLATERAL, readCollateral } from './evidence/collateral-file.ts';
export { encodeDcapEvidenceFile, encodeSnpEvidenceFile, EVIDENCE_TYPE } from './evidence/evidence-file.ts';
export { readEvidence } from './evidence/read.ts';
export type { Evidence } from './evidence/types.ts';
export {
  COLLATERAL_FILE_NAMES,
  type CollateralAnswers,
  type CollateralFiles,
  toVerifiedCollateral,
} from './fetch/answers.ts';
export { assertNotOlder, type CollateralDate, listCollateralDates } from './fetch/not-older.ts';
export { planCollateral } from './fetch/requests.ts';
export type { NitroEvidence } from './nitro/verify.ts';
export { createNonceBook, type NonceBook } from './nonces.ts';
export type { Refusal } from './policy/refusal.ts';
export { findDuplicateMember } from './policy/duplicate-member.ts';
export { type AttestationPolicy, POLICY_TYPE, readPolicy } from './policy/schema.ts';
export { assertAccepted, type ValidateOptions, type Validation, validateClaims } from './policy/validate.ts';
export type { SnpTcb } from './snp/tcb.ts';
export { type SnpProduct, type SnpTrust } from './snp/trust.ts';
export type { SnpEvidence } from './snp/verify.ts';
export { type EndorsementTrust, type VerifiedEndorsement, verifyEndorsement } from './tpm/endorsement.ts';
export type { TpmEvidence } from './tpm/verify.ts';
export { type TrustAnchors, verifyEvidence, verifyEvidenceWithoutCollateral, type VerifyOptions } from './verify.ts';
export { type Certificate, readCertificate, readPemChain } from './x509/certificate.ts';
export { type Crl, readCrl } from './x509/crl.ts';
