/** Marked copies of models, with the claim and the seed that read them. */
import type { Model } from '../../src/model/types.ts';
import {
  type Claim,
  createClaim,
  deriveSeeds,
  embedMark,
  type EmbeddedMark,
  toOriginalDigest,
} from '../../src/watermark/index.ts';
import { applyEdits, type MemoryModel } from './memory-model.ts';

export interface Marked<M extends Model> {
  readonly model: M;
  readonly claim: Claim;
  readonly ownSeed: Uint8Array;
  readonly mark: EmbeddedMark;
}

export interface MarkAsOptions<M extends Model> {
  readonly original: Model;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly tau?: number;
  /** The original with the edits of the mark. */
  readonly reopen: (edits: EmbeddedMark['edits']) => M;
}

/** Marks as "alice". */
export function markAsAlice<M extends Model>({ original, seed, reopen, ...strength }: MarkAsOptions<M>): Marked<M> {
  const originalDigest = toOriginalDigest(original);
  const ownSeed = deriveSeeds(seed).own;
  const mark = embedMark({ model: original, ownSeed, ownerId: 'alice', originalDigest, ...strength });
  const model = reopen(mark.edits);
  const claim = createClaim({
    seed,
    seedBox: { sealSeed: () => null, openSeed: () => seed },
    ownerKey: 'k',
    ownerId: 'alice',
    originalDigest,
    markedDigest: toOriginalDigest(model),
    mark,
  });
  return { model, claim, ownSeed, mark };
}

/** Marks `original` as "alice" with a fixed seed. */
export function toMarkedModel(original: MemoryModel): Marked<MemoryModel> {
  return markAsAlice({
    original,
    seed: new Uint8Array(32).fill(3),
    reopen: (edits) => applyEdits(original, edits),
  });
}
