/** Protects a model before release: marked, committed, signed, sealed, recorded, reported, in one step that holds or not. */
import { allocSecret, zeroize } from '../../core/bytes.ts';
import { stageFolder } from '../../source/index.ts';
import type { Services } from '../services.ts';
import { openSession } from '../session.ts';
import { withStaged } from '../staged.ts';
import type { Protected, ProtectOptions } from './options.ts';
import { writeOutputs } from './outputs.ts';
import { prepare, SEED_BYTES } from './prepare.ts';

/**
 * Claim, commitment, envelope and ledger entries are durable before the output folder gets its name; whenever the
 * process dies, the folder is there complete or not at all, and a new run starts clean with the same seed.
 * @throws WatermarkError WATERMARK_TOO_SMALL; RuntimeError FIDELITY_UNMEASURED | FIDELITY_LOSS_ABOVE_LIMIT;
 *   SealError KEY_NOT_APART; SourceError WRITE_EXISTS; and whatever reading and recording throw
 */
export async function protect(services: Services, options: ProtectOptions): Promise<Protected> {
  const session = openSession(services, options.ownerId);
  const seed = allocSecret(SEED_BYTES);
  try {
    const protection = await prepare(services, session, { options, seed, withKeys: true });
    try {
      const staged = stageFolder({ storage: services.storage, target: options.out, replace: options.force });
      return await withStaged(services, staged, () => writeOutputs(protection, staged));
    } finally {
      protection.original.close();
    }
  } finally {
    zeroize(seed);
    session.close();
  }
}
