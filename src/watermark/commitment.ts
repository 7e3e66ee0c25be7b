/** The commitment: what is fixed before release, so that no key can be fitted afterwards (docs/spec/commitment.md). */
import { findHexBytes, isEqualConstantTime, toHex, utf8 } from '../core/bytes.ts';
import { type Json, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { WatermarkError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { SEED_PURPOSES, type SeedPurpose, type Seeds } from './seeds.ts';

/** The preimage; hashed as RFC 8785 JSON. Digests are lower-case hex. */
export interface CommitmentPreimage {
  readonly v: 1;
  /** The owner's public signing key, as the caller writes it. */
  readonly ownerKey: string;
  readonly ownerId: string;
  readonly originalDigest: string;
  readonly markedDigest: string;
  readonly params: Readonly<Record<string, Json | undefined>>;
  readonly seeds: Readonly<Record<SeedPurpose, string>>;
}

export interface Commitment {
  readonly preimage: CommitmentPreimage;
  /** SHA-256 of the preimage's canonical JSON, hex. */
  readonly digest: string;
}

export interface CommitmentInput {
  readonly ownerKey: string;
  readonly ownerId: string;
  /** 32 bytes each. */
  readonly originalDigest: Uint8Array;
  readonly markedDigest: Uint8Array;
  readonly params: Readonly<Record<string, Json | undefined>>;
  readonly seeds: Seeds;
}

/** SHA-256("wmc/v1/" ‖ x ‖ S_x): binds one sub-seed and hides it (S_x has 256 bits of entropy). */
export function toSeedCommitment(purpose: SeedPurpose, subSeed: Uint8Array): Uint8Array {
  return sha256(utf8(`wmc/v1/${purpose}`), subSeed);
}

/** SHA-256 of the preimage in RFC 8785 form, hex. */
export function toCommitmentDigest(preimage: CommitmentPreimage): string {
  return toHex(sha256(toCanonicalJsonBytes(preimage as unknown as Json)));
}

/** Builds preimage and digest. */
export function createCommitment(input: CommitmentInput): Commitment {
  const seeds = Object.fromEntries(
    SEED_PURPOSES.map((purpose) => [purpose, toHex(toSeedCommitment(purpose, input.seeds[purpose]))]),
  ) as Record<SeedPurpose, string>;
  const preimage: CommitmentPreimage = {
    v: 1,
    ownerKey: input.ownerKey,
    ownerId: input.ownerId,
    originalDigest: toHex(input.originalDigest),
    markedDigest: toHex(input.markedDigest),
    params: input.params,
    seeds,
  };
  return { preimage, digest: toCommitmentDigest(preimage) };
}

/**
 * Checks that the preimage has the committed digest, and that one disclosed sub-seed is the committed one. A judge needs
 * nothing else, and learns nothing about the other sub-seeds.
 * @throws WatermarkError WATERMARK_CLAIM_MALFORMED when the digest differs
 * @throws WatermarkError WATERMARK_SEED_MISMATCH when the sub-seed differs
 */
export function verifyCommitment(
  { preimage, digest }: Commitment,
  disclosed: { readonly purpose: SeedPurpose; readonly subSeed: Uint8Array },
): void {
  if (toCommitmentDigest(preimage) !== digest) {
    throw new WatermarkError('WATERMARK_CLAIM_MALFORMED', { message: 'the commitment is not the hash of its parts' });
  }
  const expected = findHexBytes(preimage.seeds[disclosed.purpose]) ?? new Uint8Array(0);
  if (!isEqualConstantTime(expected, toSeedCommitment(disclosed.purpose, disclosed.subSeed))) {
    throw new WatermarkError('WATERMARK_SEED_MISMATCH', { fields: { purpose: disclosed.purpose } });
  }
}
