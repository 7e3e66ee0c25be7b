/** Where digests were first seen, in memory that is taken once. */

/**
 * An open-addressing table from 64 bits of a digest to a number, with linear probing. Two of `n` different blocks meet
 * by chance with probability below n² / 2^65.
 */
export class DigestTable {
  readonly #slots: number;
  /** Two words a slot. */
  readonly #digests: Uint32Array;
  /** Number + 1; 0 is a free slot. */
  readonly #values: Uint32Array;
  readonly #tags: Uint16Array;
  #size = 0;

  /** @param slots at least twice as many as digests will be kept, so that runs of taken slots stay short */
  constructor(slots: number) {
    this.#slots = slots;
    this.#digests = new Uint32Array(2 * slots);
    this.#values = new Uint32Array(slots);
    this.#tags = new Uint16Array(slots);
  }

  get size(): number {
    return this.#size;
  }

  /**
   * The number that the digest `low`, `high` (32 bits each) is kept with; null when it was not there, and is now.
   * @param tag 16 bits for {@link keep}
   */
  findOrAdd(low: number, high: number, value: number, tag: number): number | null {
    let slot = low % this.#slots;
    for (; this.#values[slot] !== 0; slot = (slot + 1) % this.#slots) {
      if (this.#digests[2 * slot] === low && this.#digests[2 * slot + 1] === high) return this.#values[slot] - 1;
    }
    if (this.#size + 1 >= this.#slots) throw new TypeError('the table of digests is full');
    this.#digests[2 * slot] = low;
    this.#digests[2 * slot + 1] = high;
    this.#values[slot] = value + 1;
    this.#tags[slot] = tag;
    this.#size++;
    return null;
  }

  /** Forgets all digests but those whose tag is wanted. */
  keep(isWanted: (tag: number) => boolean): void {
    const [digests, values, tags] = [this.#digests.slice(), this.#values.slice(), this.#tags.slice()];
    this.#values.fill(0);
    this.#size = 0;
    for (let slot = 0; slot < this.#slots; slot++) {
      if (values[slot] === 0 || !isWanted(tags[slot])) continue;
      this.findOrAdd(digests[2 * slot], digests[2 * slot + 1], values[slot] - 1, tags[slot]);
    }
  }
}
