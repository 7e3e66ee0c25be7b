/** Heads of requests that were read before: clients send the same ones again and again, proxies those of several callers. */
import type { PlainHead } from './plain-head.ts';

const HEADS_MAX = 4;
/** Of all of them: each connection keeps its own for as long as it is open. */
const BYTES_MAX = 8 * 1024;

interface KnownHead {
  /** With the empty line. */
  readonly bytes: Buffer;
  readonly head: PlainHead;
  /** Where it first differs from the one that was kept before it: heads of several callers differ in their credentials alone. */
  readonly markAt: number;
}

export class KnownHeads {
  readonly #heads: KnownHead[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** The head of a piece that is it and its whole body; null where it is none of those. */
  find(piece: Buffer): PlainHead | null {
    for (const { bytes, head, markAt } of this.#heads) {
      if (piece.length !== bytes.length + head.bodyBytes || piece[markAt] !== bytes[markAt]) continue;
      if (bytes.compare(piece, 0, bytes.length) === 0) return head;
    }
    return null;
  }

  /** Instead of those that were kept first, where there is no room for it. */
  keep(bytes: Buffer, head: PlainHead): void {
    if (bytes.length > BYTES_MAX) return;
    while (this.#heads.length === HEADS_MAX || this.#bytes + bytes.length > BYTES_MAX) {
      this.#bytes -= this.#heads.shift()!.bytes.length;
    }
    // A view, or a part of a block that is shared, would keep all of it.
    const own = Buffer.allocUnsafeSlow(bytes.length);
    own.set(bytes);
    this.#heads.push({ bytes: own, head, markAt: findMark(own, this.#heads.at(-1)?.bytes ?? own) });
    this.#bytes += own.length;
  }
}

function findMark(bytes: Buffer, before: Buffer): number {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === before[at]) at++;
  return at;
}
