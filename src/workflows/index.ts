/** User stories, one per file, each a list of steps over the layers below. */
export {
  type BaselineModelOptions,
  type BaselineResult,
  verifyModel,
  type VerifyModelOptions,
  type VerifyModelReport,
  writeBaseline,
} from './baseline.ts';
export { listClaims, readClaim } from './claims.ts';
export { detect, type DetectOptions, type DetectReport } from './detect.ts';
export { discloseSeed, type DiscloseOptions } from './disclose.ts';
export { type Home, prepareHome, toHome } from './home.ts';
export { inspectModel, type InspectReport } from './inspect.ts';
export { findLabel, writeLabel, type WriteLabelOptions, type WriteLabelResult } from './label.ts';
export { checkLedger, type LedgerCheck, type LedgerSummary, listEntries, proveEntry } from './ledger.ts';
export { type KeyProvider, withKeyLog } from './logged-key.ts';
export { isSealedPath, openAnyModel, type OpenAnyOptions, type OpenedModel } from './open-model.ts';
export { openSealed, type OpenSealedOptions, type OpenSealedResult } from './open-sealed.ts';
export { backUpOwner, ensureOwner, findOwner, isBackedUp, restoreOwner } from './owner.ts';
export type { FidelityResult, FileRecord, Protected, ProtectOptions, ProtectResult } from './protect/options.ts';
export { embedModel, type EmbedResult } from './protect/embed.ts';
export { protect } from './protect/protect.ts';
export { loadSealed, readFeeds } from './run-sealed.ts';
export { sealModel, type SealModelOptions, type SealModelResult } from './seal-model.ts';
export type { OpenedKeys, OpenKeysOptions, Services } from './services.ts';
export { openSession, type Session } from './session.ts';
export { writeOutput } from './write-bytes.ts';
