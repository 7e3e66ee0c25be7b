/** Keys of triggers, and the labels that follow from a choice (docs/spec/triggers.md §1). */
import { utf8 } from '../../core/bytes.ts';
import { hkdfSha256, hmacSha256 } from '../../core/hash.ts';
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

/**
 * One class per trigger, uniform and independent. They hang on the digest of everything that was chosen, so that another
 * choice has other labels: nobody can choose inputs by what their labels will be.
 * @param choice SHA-256 of the canonical JSON of all that is free
 */
export function toTriggerLabels(
  labelsKey: Uint8Array,
  choice: Uint8Array,
  { count, classes }: { readonly count: number; readonly classes: number },
): Uint32Array {
  const key = hmacSha256(labelsKey, utf8('labels'), choice);
  const stream = createPrfStream(key, { domain: STREAM_DOMAIN.triggerLabel, index: 0 });
  return Uint32Array.from({ length: count }, () => stream.below(classes));
}
