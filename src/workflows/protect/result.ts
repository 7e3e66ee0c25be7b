/** The one object that `protect --json` prints. */
import type { FidelityOutcome } from '../../fidelity/index.ts';
import type { FidelityResult, FileRecord, ProtectResult } from './options.ts';
import type { Outputs } from './written.ts';
import type { Protection } from './protection.ts';
import { toAllWarnings } from './warnings.ts';

export function toResult(
  protection: Protection,
  outputs: Outputs,
  reports: { readonly owner: FileRecord; readonly public: FileRecord },
): ProtectResult {
  const { marked, fidelity, keys, originalFile } = protection;
  const { seal, claim } = outputs;
  return {
    original: originalFile,
    marked: outputs.marked,
    sealed: outputs.sealed,
    envelope: { path: seal.envelopePath, sha256: seal.envelopeSha256, sizeBytes: seal.envelopeSizeBytes },
    baseline: outputs.baseline,
    signature: outputs.signature,
    commitment: claim === null ? null : { ...claim.commitmentFile, leafIndex: outputs.leafIndex },
    claim: claim?.claimFile ?? null,
    report: reports.owner,
    publicReport: reports.public,
    fidelity: toFidelityResult(fidelity),
    fidelityReason: fidelity.kind === 'unmeasured' ? fidelity.reason : null,
    mark: marked === null ? null : toMarkResult(marked.mark.record),
    recipient: outputs.recipient,
    ledger: { origin: outputs.origin, size: outputs.ledgerSize, checkpoint: outputs.checkpoint },
    key: keys === null ? null : { scheme: keys.scheme, note: keys.note },
    warnings: toAllWarnings(protection, outputs),
  };
}

export function toFidelityResult(outcome: FidelityOutcome): FidelityResult | null {
  if (outcome.kind === 'unmeasured') return null;
  const { samples, accuracyOriginal, accuracyMarked, argmaxAgreement, relativeL2, runtime } = outcome.fidelity;
  return { samples, accuracyOriginal, accuracyMarked, argmaxAgreement, relativeL2, runtime };
}

export function toMarkResult(record: NonNullable<ProtectResult['mark']>): NonNullable<ProtectResult['mark']> {
  const { scheme, bits, tau, weights, relativeDistortion } = record;
  return { scheme, bits, tau, weights, relativeDistortion };
}
