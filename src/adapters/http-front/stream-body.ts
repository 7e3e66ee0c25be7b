/** Hands an answer on as it comes: never faster than the client takes it, and no further when he is gone. */
import type { Exchange } from './exchange.ts';

/** As much of a writable stream as is needed. */
interface Sink {
  /** False when the next piece is to wait for "drain". */
  write(piece: Uint8Array): boolean;
  once(event: 'drain', wake: () => void): unknown;
}

/** True when the body has ended and all of it was written; false when the exchange was over before. */
export async function writeBody(exchange: Exchange, writable: Sink, body: AsyncIterable<Uint8Array>): Promise<boolean> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    while (!exchange.isOver) {
      exchange.expectMore();
      const piece = await Promise.race([pieces.next(), exchange.untilOver()]);
      if (piece === null) break;
      if (piece.done === true) return true;
      exchange.expectTaken(piece.value.length);
      if (!writable.write(piece.value)) await exchange.untilOver((wake) => writable.once('drain', wake));
    }
    return false;
  } finally {
    // Not waited for: a generator that waits for its source takes this up when that has ended.
    if (exchange.isOver) pieces.return?.().catch(() => undefined);
  }
}
