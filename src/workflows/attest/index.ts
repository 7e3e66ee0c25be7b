/** Evidence of trusted hardware, from files. */
export { type CollectedEvidence, collectEvidence } from './collect-evidence.ts';
export {
  type EvidenceReport,
  type EvidenceValidation,
  openEvidence,
  type ReadEvidenceOptions,
  validateEvidenceFile,
  type ValidateEvidenceOptions,
  verifyEvidenceFile,
  type VerifyEvidenceOptions,
} from './judge-evidence.ts';
