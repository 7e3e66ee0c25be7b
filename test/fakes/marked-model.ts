/** A marked copy of a model in memory, with the claim and the seed that read it. */
import { type Claim, createClaim, deriveSeeds, embedMark, toOriginalDigest } from '../../src/watermark/index.ts';
import { applyEdits, type MemoryModel } from './memory-model.ts';

export interface MarkedModel {
  readonly model: MemoryModel;
  readonly claim: Claim;
  readonly ownSeed: Uint8Array;
}

/** Marks `original` as "alice" with a fixed seed. */
export function toMarkedModel(original: MemoryModel): MarkedModel {
  const seed = new Uint8Array(32).fill(3);
  const originalDigest = toOriginalDigest(original);
  const ownSeed = deriveSeeds(seed).own;
  const mark = embedMark({ model: original, ownSeed, ownerId: 'alice', originalDigest });
  const model = applyEdits(original, mark.edits);
  const claim = createClaim({
    seed,
    seedBox: { sealSeed: () => null, openSeed: () => seed },
    ownerKey: 'k',
    ownerId: 'alice',
    originalDigest,
    markedDigest: toOriginalDigest(model),
    mark,
  });
  return { model, claim, ownSeed };
}
