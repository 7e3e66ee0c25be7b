/** What the numbers of a value are like: range, mean, deviation, shares of zeros, NaN and infinities, histogram. */

export interface Statistics {
  readonly elements: number;
  /** Of the finite elements; null when there are none. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Of the whole population. */
  readonly deviation: number | null;
  /** Shares of all elements. */
  readonly zeroShare: number;
  readonly nanShare: number;
  readonly infinityShare: number;
  /** Finite elements from `min` to `max` in bins of equal width; null when there are none. */
  readonly histogram: readonly number[] | null;
}

const BINS = 24;

/** Sees all numbers twice: `add` for range and moments, then `count` for the histogram. */
export class Distribution {
  #elements = 0;
  #finite = 0;
  #mean = 0;
  /** Sum of squared distances from the mean. */
  #squares = 0;
  #min = Infinity;
  #max = -Infinity;
  #zeros = 0;
  #nans = 0;
  readonly #bins = new Array<number>(BINS).fill(0);

  /** @see D. Knuth, "The Art of Computer Programming" vol. 2, §4.2.2 (Welford's recurrence) */
  add(values: Float64Array): void {
    this.#elements += values.length;
    for (const value of values) {
      if (value === 0) this.#zeros++;
      if (!Number.isFinite(value)) {
        if (Number.isNaN(value)) this.#nans++;
        continue;
      }
      this.#finite++;
      const distance = value - this.#mean;
      this.#mean += distance / this.#finite;
      this.#squares += distance * (value - this.#mean);
      if (value < this.#min) this.#min = value;
      if (value > this.#max) this.#max = value;
    }
  }

  /** Values beyond the range that `add` saw, of a model that is not deterministic, go to the outermost bins. */
  count(values: Float64Array): void {
    const range = this.#max - this.#min;
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      // A range of the largest doubles overflows; halves of the smallest ones would be zero.
      const share = Number.isFinite(range)
        ? (value - this.#min) / range
        : (value / 2 - this.#min / 2) / (this.#max / 2 - this.#min / 2);
      const bin = range === 0 ? 0 : Math.floor(share * BINS);
      this.#bins[Math.max(0, Math.min(BINS - 1, bin))]++;
    }
  }

  toStatistics(): Statistics {
    const share = (count: number): number => (this.#elements === 0 ? 0 : count / this.#elements);
    const isEmpty = this.#finite === 0;
    return {
      elements: this.#elements,
      min: isEmpty ? null : this.#min,
      max: isEmpty ? null : this.#max,
      mean: isEmpty ? null : this.#mean,
      deviation: isEmpty ? null : Math.sqrt(this.#squares / this.#finite),
      zeroShare: share(this.#zeros),
      nanShare: share(this.#nans),
      infinityShare: share(this.#elements - this.#finite - this.#nans),
      histogram: isEmpty ? null : [...this.#bins],
    };
  }
}
