/** Byte ranges that were seen, and whether another one meets them. */

/** Ranges are collected first and sorted once, at the first question. */
export class SpanSet {
  #starts: number[] = [];
  #ends: number[] = [];
  #isSorted = true;

  /** Adds [start, end). A range that continues or repeats the one before it takes no place. */
  add(start: number, end: number): void {
    const last = this.#starts.length - 1;
    if (last >= 0 && start >= this.#starts[last] && start <= this.#ends[last]) {
      this.#ends[last] = Math.max(this.#ends[last], end);
      return;
    }
    this.#starts.push(start);
    this.#ends.push(end);
    this.#isSorted = false;
  }

  /** Where the last range ends; 0 without any. */
  get last(): number {
    this.#sort();
    return this.#ends.at(-1) ?? 0;
  }

  /** Whether [start, end) shares a byte with a range of the set. */
  meets(start: number, end: number): boolean {
    if (start >= end) return false;
    this.#sort();
    // The last range that begins before `end` ends last, too: sorted ranges are merged.
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle] < end) low = middle + 1;
      else high = middle;
    }
    return low > 0 && this.#ends[low - 1] > start;
  }

  #sort(): void {
    if (this.#isSorted) return;
    const order = Array.from(this.#starts.keys()).sort((a, b) => this.#starts[a] - this.#starts[b]);
    const starts: number[] = [];
    const ends: number[] = [];
    for (const i of order) {
      const last = ends.length - 1;
      if (last >= 0 && this.#starts[i] <= ends[last]) ends[last] = Math.max(ends[last], this.#ends[i]);
      else {
        starts.push(this.#starts[i]);
        ends.push(this.#ends[i]);
      }
    }
    [this.#starts, this.#ends, this.#isSorted] = [starts, ends, true];
  }
}
