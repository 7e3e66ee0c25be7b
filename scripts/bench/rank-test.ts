/** Whether one set of measurements lies above another, whatever their distribution is. */

/** Fewer on each side cannot tell anything at 0.05: the least probability of 3 and 3 is 0.1. */
export const RANKED_MIN = 4;

/** Ranks from 2, doubled, so that those of ties are whole. */
function toDoubledRanks(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return values.map((value) => sorted.indexOf(value) + sorted.lastIndexOf(value) + 2);
}

/** How many of all choices of `chosen` ranks have each sum. */
function countSums(ranks: readonly number[], chosen: number): number[] {
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const counts = Array.from({ length: chosen + 1 }, () => new Array<number>(total + 1).fill(0));
  counts[0][0] = 1;
  for (const rank of ranks) {
    for (let taken = chosen; taken > 0; taken--) {
      for (let sum = total; sum >= rank; sum--) counts[taken][sum] += counts[taken - 1][sum - rank];
    }
  }
  return counts[chosen];
}

/**
 * Rank sum test of Mann and Whitney, two-sided and exact, ties by their middle ranks (Mann and Whitney, "On a Test of Whether one of
 * Two Random Variables is Stochastically Larger than the Other", 1947). Null hypothesis: both sides are drawn from one distribution;
 * a result of at most `alpha` comes by chance in at most `alpha` of such cases.
 * @returns the probability of ranks as far apart as these, or further
 */
export function rankTest(before: readonly number[], after: readonly number[]): number {
  if (before.length === 0 || after.length === 0) return 1;
  const ranks = toDoubledRanks([...before, ...after]);
  const sumOf = (some: readonly number[]): number => some.reduce((sum, rank) => sum + rank, 0);
  const middle = (sumOf(ranks) * before.length) / ranks.length;
  const distance = Math.abs(sumOf(ranks.slice(0, before.length)) - middle);
  const counts = countSums(ranks, before.length);
  const far = counts.reduce((sum, count, at) => (Math.abs(at - middle) >= distance ? sum + count : sum), 0);
  return far / sumOf(counts);
}

/**
 * Probabilities of several tests as they count together (Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979): where
 * no null hypothesis is false, one or more of them are at most `alpha` in at most `alpha` of all runs.
 */
export function toHolm(probabilities: readonly number[]): number[] {
  const order = probabilities.map((_, index) => index).sort((a, b) => probabilities[a] - probabilities[b]);
  const adjusted = new Array<number>(probabilities.length).fill(1);
  let least = 0;
  for (const [rank, index] of order.entries()) {
    least = Math.min(1, Math.max(least, probabilities[index] * (probabilities.length - rank)));
    adjusted[index] = least;
  }
  return adjusted;
}
