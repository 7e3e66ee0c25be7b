/**
 * Memory of large bodies, used again. Fresh memory of their size has to be mapped page by page, and counts towards V8's
 * collections of the whole heap, which then cost more than all else about such a request.
 */
import { HTTP_FRONT_LIMITS } from '../../core/limits/http-front.ts';

export class BodyPool {
  /** The one that was given back last is the last. */
  readonly #free: Buffer[] = [];
  /** How few of them were free at a time since the last trim: so many are too many. */
  #sparest = 0;
  #freeBytes = 0;

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** At least so many bytes. What stands in them is not defined, and never from a body. */
  take(bytes: number): Buffer {
    for (let at = this.#free.length - 1; at >= 0; at--) {
      const block = this.#free[at];
      if (block.length < bytes || block.length > 2 * bytes) continue;
      this.#free.splice(at, 1);
      this.#freeBytes -= block.length;
      this.#sparest = Math.min(this.#sparest, this.#free.length);
      return block;
    }
    this.#sparest = 0;
    return Buffer.allocUnsafeSlow(Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES);
  }

  /** @param block from `take`, to which nobody has a view any more; its first `length` bytes were written */
  give(block: Buffer, length: number): void {
    if (this.#freeBytes + block.length > HTTP_FRONT_LIMITS.bodyPoolBytesMax) return;
    block.fill(0, 0, length);
    this.#free.push(block);
    this.#freeBytes += block.length;
  }

  /** Lets go of what nobody needed since the last time. */
  trim(): void {
    for (const block of this.#free.splice(0, this.#sparest)) this.#freeBytes -= block.length;
    this.#sparest = this.#free.length;
  }
}

/** Bodies of nearly the same size share blocks. */
const BLOCK_BYTES = 64 * 1024;
