/** From scores to an answer. */

/**
 * The index of the largest of some scores; the first one where several are equal. Null when one is not a finite number:
 * infinities come from broken models, and whoever returns NaN does not answer.
 */
export function findArgMax(scores: ArrayLike<number>): number | null {
  if (scores.length === 0) return null;
  let best = 0;
  for (let i = 0; i < scores.length; i++) {
    if (!Number.isFinite(scores[i])) return null;
    if (scores[i] > scores[best]) best = i;
  }
  return best;
}
