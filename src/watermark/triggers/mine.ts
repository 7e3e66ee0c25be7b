/** Picks the candidates whose features are most unlike clean data and one another (docs/spec/triggers.md §3). */
import { dot } from './matrix.ts';

/** One pick and how new it was: kᵀC⁻¹k, with C updated by the picks before. */
export interface Pick {
  readonly index: number;
  readonly novelty: number;
}

/**
 * Greedy choice of `count` of the whitened candidates: the largest kᵀC⁻¹k first, then C ← C + w·kkᵀ, whose inverse follows
 * by a rank-one update. A candidate whose features are not finite is passed over.
 */
export function mineCandidates(
  whitened: readonly Float64Array[],
  { count, weight }: { readonly count: number; readonly weight: number },
): Pick[] {
  const scores = whitened.map((z) => dot(z, z));
  const picks: Pick[] = [];
  /** M⁻¹z of every pick, scaled so that a candidate's score falls by its squared product with it. */
  const steps: Float64Array[] = [];
  for (let turn = 0; turn < Math.min(count, whitened.length); turn++) {
    const index = findLargest(scores);
    if (index === -1) break;
    const novelty = scores[index];
    picks.push({ index, novelty });
    const step = Float64Array.from(whitened[index]);
    for (const earlier of steps) {
      const share = dot(earlier, whitened[index]);
      for (let i = 0; i < step.length; i++) step[i] -= share * earlier[i];
    }
    const scale = Math.sqrt(weight / (1 + weight * novelty));
    for (let i = 0; i < step.length; i++) step[i] *= scale;
    steps.push(step);
    scores[index] = Number.NaN;
    for (const [other, z] of whitened.entries()) {
      if (!Number.isNaN(scores[other])) scores[other] -= dot(step, z) ** 2;
    }
  }
  return picks;
}

function findLargest(scores: readonly number[]): number {
  let best = -1;
  for (const [index, score] of scores.entries()) {
    if (Number.isFinite(score) && (best === -1 || score > scores[best])) best = index;
  }
  return best;
}
