/** The pieces of an answer, as one block. */

const NOTHING = new Uint8Array(0);
/** Memory that is made on the promise of a length alone. */
const ROOM_MIN = 64 * 1024;

export class Collector {
  readonly #most: number;
  #bytes: Uint8Array = NOTHING;
  #length = 0;

  /** @param most bytes that are taken: what was announced, or the cap where nothing was */
  constructor(most: number) {
    this.#most = most;
  }

  /** False when there are more than are taken. An answer of one piece is never copied. */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length;
    if (length > this.#most) return false;
    if (this.#length === 0) {
      this.#bytes = chunk;
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
