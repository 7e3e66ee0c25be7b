/** Keys of triggers, and the labels that follow from a choice (docs/spec/triggers.md §1). */
import { scryptSync } from 'node:crypto';
import { utf8, zeroize } from '../../core/bytes.ts';
import { hkdfSha256, hmacSha256 } from '../../core/hash.ts';
import { TRIGGER_LIMITS } from '../../core/limits/triggers.ts';
import { createPrfStream } from '../../core/prf.ts';
import { STREAM_DOMAIN } from '../seeds.ts';

export interface TriggerKeys {
  /** What the inputs are drawn from. */
  readonly inputs: Uint8Array;
  /** What the labels are drawn from. */
  readonly labels: Uint8Array;
}

/**
 * K = HKDF-SHA-256(S_trigger, salt, "wm/v1/key/trigger/" + use).
 * @param salt 32 bytes: originalDigest of a model, or the digest of a data set where there is no model yet
 */
export function deriveTriggerKeys(subSeed: Uint8Array, salt: Uint8Array): TriggerKeys {
  if (subSeed.length !== 32) throw new TypeError('a sub-seed has 32 bytes');
  if (salt.length !== 32) throw new TypeError('a salt has 32 bytes');
  const derive = (use: string): Uint8Array => hkdfSha256(subSeed, salt, `wm/v1/key/trigger/${use}`, 32);
  return { inputs: derive('inputs'), labels: derive('labels') };
}

/** Bits that are taken off for the draws of labels that an embedding may try. */
export const LOG2_LABEL_DRAWS = Math.log2(TRIGGER_LIMITS.labelDrawsMax);

/** Bytes of what labels are streamed from. */
const STREAM_KEY_BYTES = 32;

/**
 * One class per trigger, uniform and independent. They hang on the digest of everything that was chosen, so that another
 * choice has other labels: nobody can choose inputs by what their labels will be. And they are slow to draw, about half a
 * second and 128 MiB (scrypt N = 2^17, r = 8, p = 1), because whoever tries 2^b choices finds one that is worth b bits.
 * @param choice SHA-256 of the canonical JSON of all that is free
 * @see RFC 7914
 */
export function toTriggerLabels(labelsKey: Uint8Array, choice: Uint8Array, counts: LabelCounts): Uint32Array {
  const secret = hmacSha256(labelsKey, utf8('labels'), choice);
  const { labelLogN, labelBlocks: r } = TRIGGER_LIMITS;
  const cost = { N: 2 ** labelLogN, r, p: 1, maxmem: 128 * r * (2 ** labelLogN + 3) };
  const streamKey = new Uint8Array(scryptSync(secret, choice, STREAM_KEY_BYTES, cost));
  const labels = drawLabels(streamKey, counts);
  zeroize(secret);
  zeroize(streamKey);
  return labels;
}

export interface LabelCounts {
  readonly count: number;
  readonly classes: number;
}

/** The quick part. @param streamKey 32 bytes */
export function drawLabels(streamKey: Uint8Array, { count, classes }: LabelCounts): Uint32Array {
  const stream = createPrfStream(streamKey, { domain: STREAM_DOMAIN.triggerLabel, index: 0 });
  return Uint32Array.from({ length: count }, () => stream.below(classes));
}
