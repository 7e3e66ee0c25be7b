/** "Did you mean": the nearest words by Damerau-Levenshtein distance (optimal string alignment). */

/** Edits (insert, delete, replace, swap of neighbours) between two words, counted no further than `limit` + 1. */
export function toEditDistance(a: string, b: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let previous: number[] = [];
  let current = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const beforePrevious = previous;
    previous = current;
    current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replace = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(replace, previous[j] + 1, current[j - 1] + 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) best = Math.min(best, beforePrevious[j - 2] + 1);
      current.push(best);
    }
  }
  return current[b.length];
}

const WORD_LENGTH_MAX = 200;

/**
 * Up to three candidates that are near enough to be a slip of the fingers: at most one edit per three letters,
 * or the word begins the candidate. Nearest first.
 */
export function findClosest(word: string, candidates: readonly string[]): string[] {
  const wanted = word.toLowerCase();
  // Quadratic time: a megabyte typed as an option is no typing error.
  if (wanted.length === 0 || wanted.length > WORD_LENGTH_MAX) return [];
  const scored = [...new Set(candidates)]
    .filter((candidate) => candidate !== word && candidate.length <= WORD_LENGTH_MAX)
    .map((candidate) => ({ candidate, distance: toScore(wanted, candidate.toLowerCase()) }))
    .filter(({ distance }) => distance < Number.POSITIVE_INFINITY);
  scored.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  return scored.slice(0, 3).map(({ candidate }) => candidate);
}

function toScore(wanted: string, candidate: string): number {
  const limit = Math.max(1, Math.floor(Math.max(wanted.replace(/^-+/, '').length, 3) / 3));
  const distance = toEditDistance(wanted, candidate, limit);
  if (distance <= limit) return distance;
  const isStart = wanted.replace(/^-+/, '').length >= 2 && candidate.startsWith(wanted);
  return isStart ? limit + 1 : Number.POSITIVE_INFINITY;
}
