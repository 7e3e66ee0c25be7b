/**
 * The mark of scores: a small share of every answer's probability goes to the other classes, more to some than to others, as keyed
 * signs say along the directions of the input. The best class never changes; what is trained on such scores learns the lean
 * (docs/spec/answer-mark.md §5).
 */
import { utf8 } from '../../core/bytes.ts';
import { hmacSha256 } from '../../core/hash.ts';
import { createPrfStream } from '../../core/prf.ts';
import { toSoftEvidenceBits } from '../../core/stats.ts';
import { STREAM_DOMAIN } from '../seeds.ts';
import { type ScoreBasis, toCoordinates } from './score-basis.ts';

export interface ScoreMarkParams {
  /** Share of the probability that is given away, in (0, 0.5]. */
  readonly share: number;
  /** Root mean square of the lean before it is held within ±0.95. */
  readonly lean: number;
}

/** At the default a fitted surrogate of 1,200 answers shows the mark; confidences fall by a fifth (docs/lab.md). */
export const SCORE_MARK_DEFAULTS: ScoreMarkParams = { share: 0.2, lean: 1.5 };
export const SCORE_DIRECTIONS = 32;

const LEAN_MAX = 0.95;
/** Ratios of probabilities are held within e^±2, and probabilities below this count as it. */
const RATIO_MAX = 2;
const PROBABILITY_MIN = 1e-6;

export interface ScoreMark {
  readonly basis: ScoreBasis;
  readonly classes: number;
  /** [directions, classes] of ±1, row-major; null for the same answers without lean. */
  readonly signs: Int8Array | null;
  readonly params: ScoreMarkParams;
}

/**
 * The mark of one customer; its signs are fair and independent draws of a PRF.
 * @param key {@link deriveAnswersKey}
 * @throws TypeError for a share or a lean out of range, fewer than three classes, a zero character in the customer's id
 */
export function createScoreMark(
  key: Uint8Array,
  customer: string,
  given: { readonly basis: ScoreBasis; readonly classes: number; readonly params: ScoreMarkParams },
): ScoreMark {
  const { basis, classes, params } = given;
  if (!(params.share > 0 && params.share <= 0.5 && params.lean > 0 && params.lean <= 4)) {
    throw new TypeError('share is in (0, 0.5], lean in (0, 4]');
  }
  if (!Number.isInteger(classes) || classes < 3) throw new TypeError('the other classes are two at least');
  if (customer.includes('\0')) throw new TypeError('the id of a customer has no zero character');
  const count = (basis.axes.length / basis.features) * classes;
  const streamKey = hmacSha256(key, utf8(`scores\0${customer}`));
  const stream = createPrfStream(streamKey, { domain: STREAM_DOMAIN.scoreSigns, index: 0 });
  streamKey.fill(0);
  return { basis, classes, params, signs: Int8Array.from({ length: count }, () => (stream.below(2) === 0 ? -1 : 1)) };
}

/**
 * The answer as it is given: probabilities that sum to 1, with the best class where it was.
 * @param scores probabilities of the model, [classes], which sum to 1
 * @param input the features of the query, as the basis takes them
 */
export function markScores(mark: ScoreMark, scores: ArrayLike<number>, input: ArrayLike<number>): Float64Array {
  const best = toBest(scores);
  const others = toShares(mark, best, toCoordinates(mark.basis, input));
  let share = mark.params.share;
  for (let c = 0; c < mark.classes; c++) {
    // Where (1 - s)·p + s·o would pass the best class, s stops short of it.
    const lead = scores[best] - scores[c];
    if (c !== best && others[c] > 0) share = Math.min(share, (0.99 * lead) / (lead + others[c]));
  }
  return Float64Array.from({ length: mark.classes }, (_, c) => (1 - share) * scores[c] + share * others[c]);
}

/** How the share is spread over the classes other than the best one; sums to 1. */
function toShares({ signs, classes, params }: ScoreMark, best: number, coordinates: Float64Array): Float64Array {
  const shares = new Float64Array(classes);
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    if (c === best) continue;
    let lean = 0;
    if (signs !== null) {
      for (let k = 0; k < coordinates.length; k++) lean += signs[k * classes + c] * coordinates[k];
      lean *= params.lean / Math.sqrt(coordinates.length);
    }
    shares[c] = 1 + Math.max(-LEAN_MAX, Math.min(LEAN_MAX, lean));
    sum += shares[c];
  }
  return shares.map((value) => value / sum);
}

export interface ScoreReply {
  /** Features of the query, as the basis takes them. */
  readonly input: ArrayLike<number>;
  /** Probabilities of our model, unmarked, [classes]. */
  readonly own: ArrayLike<number>;
  /** Probabilities of the suspect, [classes]. */
  readonly said: ArrayLike<number>;
}

export interface ScoreEvidence {
  /** Keyed signs, and how many of them the suspect leans against. */
  readonly signs: number;
  readonly errors: number;
  /** -log2 of Hoeffding's bound, less log2(trials), at least 0. */
  readonly evidenceBits: number;
  readonly queries: number;
}

/**
 * Whether a suspect leans as one customer's answers did.
 *
 * Null hypothesis: the suspect, and the choice of the inputs, are independent of the signs. Then the correlations yⱼ of each
 * direction and class are fixed numbers when the signs are drawn, and p ≤ exp(-S² / (2 Σ yⱼ²)) for S = Σ signⱼ·yⱼ: at b bits at most
 * 2^-b, whatever the suspect is. Inputs MUST NOT be chosen by who knows the signs.
 * @param trials customers and suspects that were tried, at least 1
 * @see after L. Charette et al., "Cosine Model Watermarking Against Ensemble Distillation", AAAI 2022
 */
export function judgeScores(mark: ScoreMark, replies: Iterable<ScoreReply>, trials: number): ScoreEvidence {
  const { basis, classes, signs } = mark;
  if (signs === null) throw new TypeError('a mark without signs cannot be judged');
  const level: ScoreMark = { ...mark, signs: null };
  const lean = new Float64Array(signs.length);
  let queries = 0;
  for (const { input, own, said } of replies) {
    const ratios = toRatios(markScores(level, own, input), said);
    toCoordinates(basis, input).forEach((coordinate, k) => {
      for (let c = 0; c < classes; c++) lean[k * classes + c] += coordinate * ratios[c];
    });
    queries++;
  }
  let [sum, squares, errors] = [0, 0, 0];
  lean.forEach((value, at) => {
    sum += signs[at] * value;
    squares += value * value;
    if (signs[at] * value <= 0) errors++;
  });
  const evidenceBits = Math.max(0, toSoftEvidenceBits(sum, squares) - Math.log2(trials));
  return { signs: signs.length, errors, evidenceBits, queries };
}

/** Logarithms of said over expected for the classes other than the expected best, less their mean; 0 for the best. */
function toRatios(expected: Float64Array, said: ArrayLike<number>): Float64Array {
  const best = toBest(expected);
  const ratios = expected.map((value, c) => {
    const ratio = Math.log(Math.max(said[c], PROBABILITY_MIN) / Math.max(value, PROBABILITY_MIN));
    return Math.max(-RATIO_MAX, Math.min(RATIO_MAX, Number.isNaN(ratio) ? 0 : ratio));
  });
  ratios[best] = 0;
  const mean = ratios.reduce((sum, value) => sum + value, 0) / (ratios.length - 1);
  return ratios.map((value, c) => (c === best ? 0 : value - mean));
}

function toBest(scores: ArrayLike<number>): number {
  let best = 0;
  for (let c = 1; c < scores.length; c++) if (scores[c] > scores[best]) best = c;
  return best;
}
