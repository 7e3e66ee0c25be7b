/** The unmarked original as a reference for alignment: believed only with the committed digest (docs/spec/watermark.md §7.1). */
import { findHexBytes, isEqualConstantTime } from '../core/bytes.ts';
import { AlignError } from '../core/errors.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import type { Claim } from './claim.ts';
import { toOriginalDigest } from './digest.ts';

/** A model and its originalDigest, so that one pass over its bytes serves every claim that it is held against. */
export interface Reference {
  readonly model: Model;
  /** 32 bytes. */
  readonly originalDigest: Uint8Array;
}

/**
 * Reads the whole model once.
 * @throws FormatError | SourceError from the tensors' readers
 */
export function toReference(model: Model, progress: Progress = silentProgress): Reference {
  return { model, originalDigest: toOriginalDigest(model, progress) };
}

/** True when `reference` is the original that `claim` commits to. */
export function isReferenceOf({ originalDigest }: Reference, claim: Claim): boolean {
  const committed = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
  return isEqualConstantTime(originalDigest, committed);
}

/**
 * Passes the committed original on: aligned to a marked copy, or to an "original" made up later, unrelated models begin
 * to agree with the key.
 * @throws AlignError ALIGN_REFERENCE_REFUSED
 */
export function checkReference(reference: Reference, claim: Claim): Reference {
  if (isReferenceOf(reference, claim)) return reference;
  throw new AlignError('ALIGN_REFERENCE_REFUSED');
}
