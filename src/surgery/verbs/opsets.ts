/** Operator sets of two models, or of a function and what calls it. */
import { SurgeryError } from '../../core/errors.ts';
import type { OpsetRecord } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';

/** One domain must mean one version. @throws SurgeryError SURGERY_OPSET_CONFLICT */
export function assertOpsetsAgree(ours: readonly OpsetRecord[], theirs: readonly OpsetRecord[]): void {
  const versions = new Map(ours.map(({ domain, version }) => [domain, version]));
  for (const { domain, version } of theirs) {
    const imported = versions.get(domain);
    if (imported === undefined || imported === version) continue;
    throw new SurgeryError('SURGERY_OPSET_CONFLICT', { fields: { domain, version, imported } });
  }
}

/** Imports for the model what it does not import yet. */
export function addOpsets(draft: Draft, opsets: readonly OpsetRecord[]): void {
  const known = new Set(draft.opsetsOf(draft.main).map(({ domain }) => domain));
  for (const { domain, version } of opsets) if (!known.has(domain)) draft.addOpset(draft.main, { domain, version });
}
