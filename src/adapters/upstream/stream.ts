/** An answer that is handed on as it comes: the server is read no faster than whoever takes the pieces. */
import { toGone, toTooLarge } from './failures.ts';
import type { UpstreamLimits } from './types.ts';

/** Where the pieces come from. */
export interface StreamSource {
  /** The reader waits for the server. */
  expectData(): void;
  /** The server waits for the reader. */
  expectReader(): void;
  readOn(): void;
  fail(error: unknown): void;
}

type Step = IteratorResult<Uint8Array, undefined>;

interface Waiting {
  readonly done: (step: Step) => void;
  readonly failed: (error: unknown) => void;
}

/** What a piece takes beside its bytes: a server that sends single ones would have many thousands kept. */
const PIECE_BYTES = 256;
const END: Step = { done: true, value: undefined };

/** For one reader. Pieces that came before a failure are given first. */
export class AnswerStream implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #source: StreamSource;
  readonly #limits: UpstreamLimits;
  readonly #pieces: Uint8Array[] = [];
  #bufferedBytes = 0;
  #bytes = 0;
  #isPaused = false;
  #isEnded = false;
  #failure: { readonly error: unknown } | null = null;
  #waiting: Waiting | null = null;

  constructor(source: StreamSource, limits: UpstreamLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    const value = this.#pieces.shift();
    if (value !== undefined) {
      this.#bufferedBytes -= value.length + PIECE_BYTES;
      this.#readOn();
      return Promise.resolve({ done: false, value });
    }
    if (this.#failure !== null) {
      const { error } = this.#failure;
      this.#failure = null;
      this.#isEnded = true;
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what failed is handed on as it is
      return Promise.reject(error);
    }
    if (this.#isEnded) return Promise.resolve(END);
    this.#source.expectData();
    return new Promise((done, failed) => {
      this.#waiting = { done, failed };
    });
  }

  /** The reader wants no more: the request to the server ends. */
  return(): Promise<Step> {
    this.#pieces.length = 0;
    this.#bufferedBytes = 0;
    if (!this.#isEnded) this.#source.fail(toGone());
    this.#failure = null;
    this.#isEnded = true;
    return Promise.resolve(END);
  }

  /** False when the server is not to be read for now. */
  push(piece: Uint8Array): boolean {
    this.#bytes += piece.length;
    if (this.#bytes > this.#limits.streamBytesMax) {
      this.#source.fail(toTooLarge(this.#limits.streamBytesMax));
      return false;
    }
    const waiting = this.#waiting;
    if (waiting !== null) {
      this.#waiting = null;
      waiting.done({ done: false, value: piece });
    } else {
      this.#pieces.push(piece);
      this.#bufferedBytes += piece.length + PIECE_BYTES;
    }
    this.#source.expectReader();
    this.#isPaused = this.#bufferedBytes >= this.#limits.streamBufferBytes;
    return !this.#isPaused;
  }

  end(): void {
    this.#isEnded = true;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.done(END);
  }

  fail(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) {
      this.#failure = { error };
      return;
    }
    this.#isEnded = true;
    waiting.failed(error);
  }

  #readOn(): void {
    if (!this.#isPaused || this.#bufferedBytes * 2 > this.#limits.streamBufferBytes) return;
    this.#isPaused = false;
    this.#source.readOn();
  }
}
