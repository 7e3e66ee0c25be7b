/** Embeds the mark alone: a marked copy with its claim, commitment and ledger entries. */
import { allocSecret, zeroize } from '../../core/bytes.ts';
import { openModelPath } from '../../formats/index.ts';
import { stageFolder } from '../../source/index.ts';
import type { StagedFolder } from '../../source/index.ts';
import { toModelDigest } from '../../watermark/index.ts';
import type { Services } from '../services.ts';
import { openSession } from '../session.ts';
import { withStaged } from '../staged.ts';
import { claimMark } from './claim-step.ts';
import { toMarkEntries } from './entries.ts';
import type { FileRecord, ProtectOptions, ProtectResult } from './options.ts';
import { prepare, SEED_BYTES } from './prepare.ts';
import type { Protection } from './protection.ts';
import { registerRecipient } from './register-step.ts';
import { toFidelityResult, toMarkResult } from './result.ts';
import { writeMarked } from './staged-files.ts';
import { join } from 'node:path';

export interface EmbedResult {
  readonly original: FileRecord;
  readonly marked: FileRecord;
  readonly claim: FileRecord;
  readonly commitment: FileRecord & { readonly leafIndex: number };
  readonly fidelity: ProtectResult['fidelity'];
  readonly mark: NonNullable<ProtectResult['mark']>;
  readonly evidenceBits: number;
  readonly recipient: ProtectResult['recipient'];
}

/** @throws as `protect`, without what sealing throws */
export async function embedModel(services: Services, options: ProtectOptions): Promise<EmbedResult> {
  const session = openSession(services, options.ownerId);
  const seed = allocSecret(SEED_BYTES);
  try {
    const protection = await prepare(services, session, { options, seed, withKeys: false });
    try {
      const staged = stageFolder({ storage: services.storage, target: options.out, replace: options.force });
      return await withStaged(services, staged, () => writeEmbedded(protection, staged));
    } finally {
      protection.original.close();
    }
  } finally {
    zeroize(seed);
    session.close();
  }
}

async function writeEmbedded(protection: Protection, staged: StagedFolder): Promise<EmbedResult> {
  const { names, services, session, marked, originalFile, fidelity } = protection;
  const [written] = writeMarked(protection, staged);
  const model = openModelPath(join(staged.path, names.marked[0]));
  try {
    const digest = toModelDigest(model, services.progress);
    const claim = await claimMark(protection, staged, model, digest);
    if (claim === null || marked === null) throw new Error('internal error: embed made no mark');
    const entries = toMarkEntries(protection, claim);
    const receipt = await session.recorder.record(entries);
    const recipient = await registerRecipient(protection, claim.claim, digest.digest);
    staged.commit();
    const leafIndex = receipt.firstIndex + entries.findIndex(({ type }) => type === 'commit');
    return {
      original: originalFile,
      marked: written,
      claim: claim.claimFile,
      commitment: { ...claim.commitmentFile, leafIndex },
      fidelity: toFidelityResult(fidelity),
      mark: toMarkResult(marked.mark.record),
      evidenceBits: claim.evidence.evidenceBits,
      recipient,
    };
  } finally {
    model.close();
  }
}
