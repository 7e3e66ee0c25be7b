/** Exact tails, bounds and intervals behind every verdict; each names its null hypothesis (docs/spec/watermark.md §6). */

/** ln(n!) for integers n ≥ 0: exact products below 32, else Stirling's series (error < 1e-15 relative). */
export function toLogFactorial(n: number): number {
  if (!Number.isInteger(n) || n < 0) throw new TypeError('n must be a non-negative integer');
  if (n < 32) {
    let product = 1;
    for (let i = 2; i <= n; i++) product *= i;
    return Math.log(product);
  }
  const x = n + 1;
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5) - 1 / (1680 * x ** 7);
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}

/**
 * log2 P[X ≥ k] for X ~ Bin(n, p): 0 when k ≤ 0, -Infinity when k > n. Summed in the log domain from the largest
 * term outwards, so that 2^-1000 is as exact as 2^-10.
 *
 * Null hypothesis: each of n independent events happens with probability at most p. False-alarm rate: the result itself.
 */
export function toLog2BinomialTail(n: number, k: number, p: number): number {
  if (!Number.isInteger(n) || n < 0 || !Number.isInteger(k)) throw new TypeError('n and k must be integers, n ≥ 0');
  if (!(p >= 0 && p <= 1)) throw new TypeError('p must be in [0, 1]');
  if (k <= 0) return 0;
  if (k > n || p === 0) return Number.NEGATIVE_INFINITY;
  if (p === 1) return 0;
  if (k <= n * p) return Math.log2(1 - toSmallTail(n, n - k + 1, 1 - p));
  return Math.log2(toSmallTailMantissa(n, k, p)) + toLogTerm(n, k, p) / Math.LN2;
}

/** P[X ≥ k] for k above the mean, as a plain number. */
function toSmallTail(n: number, k: number, p: number): number {
  if (k > n) return 0;
  return Math.min(1, toSmallTailMantissa(n, k, p) * Math.exp(toLogTerm(n, k, p)));
}

function toLogTerm(n: number, k: number, p: number): number {
  return toLogFactorial(n) - toLogFactorial(k) - toLogFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p);
}

/** Sum of the tail's terms relative to its first, P[X = k]; the ratios fall, so it stops when nothing is added. */
function toSmallTailMantissa(n: number, k: number, p: number): number {
  const odds = p / (1 - p);
  let term = 1;
  let sum = 1;
  for (let i = k; i < n; i++) {
    term *= ((n - i) / (i + 1)) * odds;
    sum += term;
    if (term < sum * 1e-17 && (n - i) * odds < i + 1) break;
  }
  return sum;
}

/**
 * log2 P[X ≥ atLeast], X the successes among `draws` of `population` things of which `successes` are successes, drawn without
 * putting back. Summed in the log domain over at most `draws` terms.
 *
 * Null hypothesis: every choice of `draws` things is equally likely. False-alarm rate: the result itself.
 */
export function toLog2HypergeometricTail(given: {
  readonly population: number;
  readonly successes: number;
  readonly draws: number;
  readonly atLeast: number;
}): number {
  const { population, successes, draws, atLeast } = given;
  const isCount = [population, successes, draws, atLeast].every((value) => Number.isInteger(value) && value >= 0);
  if (!isCount || successes > population || draws > population) throw new TypeError('counts must fit the population');
  const lowest = Math.max(0, draws + successes - population);
  const highest = Math.min(draws, successes);
  if (atLeast <= lowest) return 0;
  if (atLeast > highest) return Number.NEGATIVE_INFINITY;
  const toLogChoose = (n: number, k: number): number => toLogFactorial(n) - toLogFactorial(k) - toLogFactorial(n - k);
  const all = toLogChoose(population, draws);
  const terms = Array.from({ length: highest - atLeast + 1 }, (_, i) => {
    const hits = atLeast + i;
    return toLogChoose(successes, hits) + toLogChoose(population - successes, draws - hits) - all;
  });
  const largest = terms.reduce((a, b) => Math.max(a, b));
  const sum = terms.reduce((total, term) => total + Math.exp(term - largest), 0);
  return Math.min(0, (largest + Math.log(sum)) / Math.LN2);
}

/**
 * Evidence in bits, -log2 p, that at most `errors` of `bits` keyed bits disagree by chance: p = 2^-n Σ_{i≤e} C(n, i).
 *
 * Null hypothesis: the suspect is independent of the key, so each bit agrees with probability 1/2. False-alarm rate at
 * b bits: 2^-b exactly, for any suspect, because the bits are outputs of a PRF.
 */
export function toHardEvidenceBits(bits: number, errors: number): number {
  return Math.max(0, -toLog2BinomialTail(bits, bits - errors, 0.5));
}

/**
 * Evidence in bits of S = Σ c_j v_j with keyed signs c_j: p ≤ exp(-S² / (2 Σ v_j²)) for S > 0, else p = 1.
 *
 * Null hypothesis: the values v_j are independent of the signs, which are fair and independent. False-alarm rate at b
 * bits: at most 2^-b (Hoeffding).
 * @see W. Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 58 (1963), theorem 2
 */
export function toSoftEvidenceBits(sum: number, squares: number): number {
  if (!(sum > 0) || !(squares > 0)) return 0;
  return (sum * sum) / (2 * squares * Math.LN2);
}

/**
 * The x with Φ(x) = p, 0 < p < 1, relative error below 1e-15.
 * @see M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988)
 */
export function toNormalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new TypeError('p must be in (0, 1)');
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * toRational(WICHURA.central, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const x = r <= 5 ? toRational(WICHURA.middle, r - 1.6) : toRational(WICHURA.tail, r - 5);
  return q < 0 ? -x : x;
}

interface Rational {
  readonly above: readonly number[];
  readonly below: readonly number[];
}

function toRational({ above, below }: Rational, r: number): number {
  const horner = (terms: readonly number[]): number => terms.reduceRight((sum, term) => sum * r + term, 0);
  return horner(above) / horner(below);
}

const WICHURA: Readonly<Record<'central' | 'middle' | 'tail', Rational>> = {
  central: {
    above: [
      3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
      67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
    ],
    below: [
      1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867,
      39307.89580009271061, 28729.085735721942674, 5226.495278852854561,
    ],
  },
  middle: {
    above: [
      1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
      1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4,
    ],
    below: [
      1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
      0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9,
    ],
  },
  tail: {
    above: [
      6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
      0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
    ],
    below: [
      1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
      1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
    ],
  },
};

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The argument in [low, high] where a falling function meets zero, by 80 halvings. */
function findRoot(low: number, high: number, falling: (x: number) => number): number {
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (falling(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

export interface PairedCounts {
  /** Samples judged by both models. */
  readonly samples: number;
  /** Right before, wrong after. */
  readonly lost: number;
  /** Wrong before, right after. */
  readonly gained: number;
}

export interface PairedChange extends Interval {
  /** (gained - lost) / samples. */
  readonly change: number;
}

/**
 * The change of a proportion measured on the same samples before and after, with its score interval; it is sensible
 * with no discordant pair at all, where it tells the smallest change that so few samples can resolve.
 *
 * Null hypothesis at the bounds: the true change equals the bound; two-sided level 1 - confidence (asymptotic).
 * @see T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
 * design", Statistics in Medicine 17 (1998)
 */
export function toPairedChange({ samples, lost, gained }: PairedCounts, confidence: number): PairedChange {
  if (samples < 1 || lost < 0 || gained < 0 || lost + gained > samples) throw new TypeError('counts do not add up');
  const z = toNormalQuantile(1 - (1 - confidence) / 2);
  const score = (delta: number): number => {
    const b = -gained - lost + (2 * samples - gained + lost) * delta;
    const c = -lost * delta * (1 - delta);
    const q = (Math.sqrt(Math.max(0, b * b - 8 * samples * c)) - b) / (4 * samples);
    const variance = samples * (2 * q + delta * (1 - delta));
    const distance = gained - lost - samples * delta;
    if (variance <= 0) return distance === 0 ? 0 : Math.sign(distance) * Number.POSITIVE_INFINITY;
    return distance / Math.sqrt(variance);
  };
  const change = (gained - lost) / samples;
  return {
    change,
    low: findRoot(-1, change, (delta) => score(delta) - z),
    high: findRoot(change, 1, (delta) => score(delta) + z),
  };
}
