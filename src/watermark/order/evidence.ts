/** How unlikely it is that so many neurons lie where a key puts them (docs/spec/recipient-code.md §4). */
import { toLogFactorial } from '../../core/stats.ts';

/** Agreements of one suspect with one recipient's order. */
export interface Agreement {
  /** Channels that can lie anywhere in this run: a space, or one block of it. */
  readonly channels: number;
  /** Of them, those that lie where the key puts them. */
  readonly agreements: number;
}

/** Two statistics are looked at: all runs together, and the best single run. */
export const ORDER_STATISTICS = 2;

/**
 * log2 of a bound on P[Σ a_l ≥ k] over L independent uniform permutations: E[C(A, k)] ≤ L^k / k!, or, where that is
 * smaller, min over x of Π_l T_l(x) / (1 + x)^k, T_l(x) = Σ_{j ≤ n_l} x^j / j!. 0 where both are vacuous (k ≤ L).
 *
 * Null hypothesis: the suspect's order does not depend on the key. False-alarm rate: the bound itself.
 * @param sizes n_l, channels of each run
 */
export function toLog2OrderBound(agreements: number, sizes: readonly number[]): number {
  if (agreements <= 0) return 0;
  if (agreements > sizes.reduce((sum, size) => sum + size, 0)) return Number.NEGATIVE_INFINITY;
  const counted = agreements * Math.log(sizes.length) - toLogFactorial(agreements);
  return Math.min(0, counted, toChernoff(agreements, sizes)) / Math.LN2;
}

/** Halvings of the search for x; any x gives a bound, so precision is comfort. */
const STEPS = 100;

/** min over x of Σ_l ln T_l(x) - k ln(1 + x), convex in ln(1 + x): found by golden section over ln x. */
function toChernoff(agreements: number, sizes: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const size of sizes) counts.set(size, (counts.get(size) ?? 0) + 1);
  const bound = (logX: number): number => {
    let sum = -agreements * Math.log1p(Math.exp(logX));
    for (const [size, count] of counts) sum += count * toLogTruncatedExp(logX, size);
    return sum;
  };
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [-2, Math.log(agreements) + 30];
  for (let step = 0; step < STEPS; step++) {
    const [a, b] = [high - ratio * (high - low), low + ratio * (high - low)];
    if (bound(a) < bound(b)) high = b;
    else low = a;
  }
  return bound((low + high) / 2);
}

/** ln Σ_{j ≤ n} x^j / j!, summed from the largest term outwards. */
function toLogTruncatedExp(logX: number, n: number): number {
  const peak = Math.min(n, Math.floor(Math.exp(Math.min(logX, 40))));
  const logPeak = peak * logX - toLogFactorial(peak);
  let sum = 1;
  for (let j = peak, term = 1; j > 0; j--) {
    term *= j / Math.exp(logX);
    sum += term;
    if (term < sum * 1e-18) break;
  }
  for (let j = peak + 1, term = 1; j <= n; j++) {
    term *= Math.exp(logX) / j;
    sum += term;
    if (term < sum * 1e-18) break;
  }
  return logPeak + Math.log(sum);
}

/**
 * Evidence in bits for one of `recipients`, after all trials: the better of all runs together and the best run alone.
 * @param recipients size of the register
 */
export function toOrderEvidenceBits(runs: readonly Agreement[], recipients: number): number {
  if (runs.length === 0) return 0;
  const total = runs.reduce((sum, run) => sum + run.agreements, 0);
  const all = toLog2OrderBound(
    total,
    runs.map(({ channels }) => channels),
  );
  const single = Math.min(...runs.map(({ agreements }) => -toLogFactorial(agreements))) / Math.LN2;
  const trials = recipients * ORDER_STATISTICS;
  return Math.max(0, -Math.min(all, single + Math.log2(runs.length)) - Math.log2(trials));
}

/** Bits that a whole code can show at most: log2 of the number of orders. */
export function toOrderRoomBits(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + toLogFactorial(size), 0) / Math.LN2;
}
