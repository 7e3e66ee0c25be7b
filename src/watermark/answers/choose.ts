/**
 * The mark of answers: which queries of a customer are answered with the second-best class, decided by a keyed hash of the
 * input, so that equal inputs always get equal answers (docs/spec/answer-mark.md §2).
 */
import { utf8 } from '../../core/bytes.ts';
import { hkdfSha256, hmacSha256 } from '../../core/hash.ts';

export interface AnswerMarkParams {
  /** Share of inputs that are answered otherwise, at most 0.05. */
  readonly share: number;
  /** Inputs kept for comparison, for each one that is answered otherwise. */
  readonly controls: number;
}

/** DAWN changes at most half a per cent of the answers; four controls for each take two per cent of the inputs to keep. */
export const ANSWER_MARK_DEFAULTS: AnswerMarkParams = { share: 0.005, controls: 4 };

/** What an input is: answered otherwise, kept as a control, or nothing special. */
export type AnswerRole = 'marked' | 'control' | 'plain';

/**
 * K_api = HKDF-SHA-256(S_api, salt originalDigest, info "wm/v1/key/api/answers"), 32 bytes.
 * @param apiSeed S_api, 32 bytes
 * @param originalDigest 32 bytes
 */
export function deriveAnswersKey(apiSeed: Uint8Array, originalDigest: Uint8Array): Uint8Array {
  if (apiSeed.length !== 32 || originalDigest.length !== 32) throw new TypeError('seed and digest have 32 bytes');
  return hkdfSha256(apiSeed, originalDigest, 'wm/v1/key/api/answers', 32);
}

/**
 * u = HMAC-SHA-256(K_api, customer ‖ 0 ‖ input) as a fraction; below `share` the input is marked, in the next
 * `controls` times as much it is a control.
 * @param customer id of the customer: each has marks of its own
 * @param input canonical bytes of the query ({@link toCanonicalInput})
 */
export function toAnswerRole(
  key: Uint8Array,
  customer: string,
  input: Uint8Array,
  { share, controls }: AnswerMarkParams,
): AnswerRole {
  if (!(share > 0 && share <= 0.05 && controls >= 1 && share * (controls + 1) <= 1)) {
    throw new TypeError('share is in (0, 0.05], and controls leave plain inputs');
  }
  if (customer.includes('\0')) throw new TypeError('the id of a customer has no zero character');
  const digest = hmacSha256(key, utf8(`${customer}\0`), input);
  const fraction = new DataView(digest.buffer, digest.byteOffset).getUint32(0) / 2 ** 32;
  if (fraction < share) return 'marked';
  return fraction < share * (controls + 1) ? 'control' : 'plain';
}

/** Levels that values are rounded to: two queries that differ by noise mostly become one. */
const LEVELS = 16;

/**
 * The bytes by which near-duplicates of an input are told to be the same: every value in sixteenths of the input's range.
 * @param values the input as the model takes it
 */
export function toCanonicalInput(
  values: ArrayLike<number>,
  { low, high }: { readonly low: number; readonly high: number },
): Uint8Array {
  return Uint8Array.from({ length: values.length }, (_, i) => {
    const level = Math.floor(((values[i] - low) / (high - low)) * LEVELS);
    return Number.isFinite(level) ? Math.min(LEVELS - 1, Math.max(0, level)) : LEVELS;
  });
}

/** The class with the second-largest score: what a marked input is answered with. */
export function toSecondClass(scores: ArrayLike<number>): number {
  let [first, second] = [-1, -1];
  for (let i = 0; i < scores.length; i++) {
    if (first < 0 || scores[i] > scores[first]) [second, first] = [first, i];
    else if (second < 0 || scores[i] > scores[second]) second = i;
  }
  return second;
}
