/** The pieces of an answer, as one block. */

const NOTHING = new Uint8Array(0);
/** Memory that is made on the promise of a length alone. */
const ROOM_MIN = 64 * 1024;
/** A first piece of fewer bytes gets no room beyond its own: most often it is all. */
const SMALL_BYTES = 4096;

export class Collector {
  readonly #most: number;
  readonly #isLent: boolean;
  #bytes: Uint8Array = NOTHING;
  #length = 0;

  /**
   * @param most bytes that are taken: what was announced, or the cap where nothing was
   * @param isLent whether pieces are there for the time of the call alone
   */
  constructor(most: number, isLent: boolean) {
    this.#most = most;
    this.#isLent = isLent;
  }

  /** False when there are more than are taken. An answer of one piece is copied where pieces are lent alone. */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length;
    if (length > this.#most) return false;
    if (this.#length === 0 && !this.#isLent) {
      this.#bytes = chunk;
    } else if (this.#length === 0 && (length === this.#most || length < SMALL_BYTES)) {
      this.#bytes = Buffer.from(chunk);
    } else {
      if (length > this.#bytes.length) this.#grow(length);
      this.#bytes.set(chunk, this.#length);
    }
    this.#length = length;
    return true;
  }

  take(): Uint8Array {
    const bytes = this.#length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#length);
    this.#bytes = NOTHING;
    return bytes;
  }

  #grow(length: number): void {
    const room = Math.min(this.#most, Math.max(ROOM_MIN, length * 4));
    const grown = Buffer.allocUnsafeSlow(room);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
