/** User stories, one per file, each a list of steps over the layers below. */
export { attackModel, type AttackReport } from './attack/attack.ts';
export type { AttackOptions } from './attack/options.ts';
export * from './attest/index.ts';
export { type BaselineModelOptions, type BaselineResult, writeBaseline } from './baseline.ts';
export * from './broker/index.ts';
export { listClaims, readClaim } from './claims.ts';
export { detect, type DetectOptions, type DetectReport } from './detect.ts';
export { diffModelFiles, type DiffModelsOptions, type DiffModelsReport } from './diff.ts';
export { discloseSeed, type DiscloseOptions } from './disclose.ts';
export * from './gateway/index.ts';
export * from './graph/index.ts';
export { type Home, prepareHome, toHome } from './home.ts';
export { extractTensor, type ExtractTensorResult } from './extract-tensor.ts';
export { inspectModel, type InspectReport } from './inspect.ts';
export { type ActivationReport, inspectActivations, profileModel, type ProfileReport } from './inspect-run.ts';
export { findLabel, writeLabel, type WriteLabelOptions, type WriteLabelResult } from './label.ts';
export {
  type AskedWitnesses,
  type CheckedProof,
  checkLedger,
  checkProof,
  type LedgerCheck,
  type LedgerSummary,
  listEntries,
  proveEntry,
} from './ledger.ts';
export * from './keys/index.ts';
export { withKeyLog } from './logged-key.ts';
export * from './license/index.ts';
export { findLineage, type LineageFileOptions, type LineageReport } from './lineage.ts';
export { openLocation, readLocation, toLocationName } from './locations.ts';
export { isSealedPath, openAnyModel, type OpenAnyOptions, type OpenedModel } from './open-model.ts';
export * from './model-signing/index.ts';
export * from './output-mark/index.ts';
export { openSealed, type OpenSealedOptions, type OpenSealedResult } from './open-sealed.ts';
export { backUpOwner, ensureOwner, findOwner, isBackedUp, restoreOwner, toLedgerKey } from './owner.ts';
export type { FidelityResult, FileRecord, Protected, ProtectOptions, ProtectResult } from './protect/options.ts';
export { embedModel, type EmbedResult } from './protect/embed.ts';
export { protect } from './protect/protect.ts';
export * from './plan/index.ts';
export * from './recipients/index.ts';
export * from './remote/index.ts';
export { loadPlain, loadSealed, readFeeds } from './run-model.ts';
export { scanFile, type ScanFileOptions, type ScanFileReport, toScanSarif } from './scan.ts';
export { sealModel, type SealModelOptions, type SealModelResult } from './seal-model.ts';
export type { OpenedKeys, OpenKeysOptions, Services } from './services.ts';
export { openSession, type Session } from './session.ts';
export * from './text/index.ts';
export * from './trigger/index.ts';
export { verifyModel, type VerifyModelOptions, type VerifyModelReport } from './verify.ts';
export { writeOutput } from './write-bytes.ts';
export { type CosignedLedger, cosignLedger, type CosignLedgerOptions } from './witness/cosign.ts';
export {
  addWitnessedLog,
  createHomeWitness,
  openHomeWitness,
  showWitness,
  type ServedWitness,
  type WitnessSummary,
} from './witness/witness.ts';
