/** Evidence of trusted hardware, from files. */
export { type CollectedEvidence, collectEvidence } from './collect-evidence.ts';
export { type FetchedCollateral, fetchCollateral, type FetchCollateralOptions } from './fetch-collateral.ts';
export {
  type EvidenceReport,
  type EvidenceValidation,
  openEvidence,
  readCollateralFiles,
  type ReadEvidenceOptions,
  validateEvidenceFile,
  type ValidateEvidenceOptions,
  verifyEvidenceFile,
  type VerifyEvidenceOptions,
} from './judge-evidence.ts';
