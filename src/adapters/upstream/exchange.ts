/** One request and its answer, whichever version of HTTP carries them: its seat, its patience, its body, its one end. */
import type { HeaderList, UpstreamAnswer, UpstreamRequest } from '../../gateway/ports.ts';
import { Collector } from './collector.ts';
import type { Seated, UpstreamCore } from './core.ts';
import { type Reason, toFailure, toGone, toMalformed, toTimeout, toTooLarge } from './failures.ts';
import type { AnswerHead } from './head.ts';
import { AnswerStream } from './stream.ts';

export abstract class Exchange implements Seated {
  readonly request: UpstreamRequest;
  deadlineMs: number;
  isOver = false;
  protected readonly core: UpstreamCore;
  readonly #done: (answer: UpstreamAnswer) => void;
  readonly #failed: (error: unknown) => void;
  #isSecondTry = false;
  #phase: Reason = 'connect';
  /** For the whole answer. */
  #endMs = Number.POSITIVE_INFINITY;
  #head: AnswerHead | null = null;
  #collector: Collector | null = null;
  #stream: AnswerStream | null = null;

  constructor(
    core: UpstreamCore,
    request: UpstreamRequest,
    done: (answer: UpstreamAnswer) => void,
    failed: (error: unknown) => void,
  ) {
    this.core = core;
    this.request = request;
    this.#done = done;
    this.#failed = failed;
    this.deadlineMs = core.nowMs + core.limits.waitTimeoutMs;
    request.signal.addEventListener('abort', this);
  }

  /** Sends the request; the seat is there. */
  protected abstract start(): void;
  /** Ends what is under way on the line, without another word. */
  protected abstract cancel(): void;
  /** Gives the connection back. */
  protected abstract leave(): void;
  /** Stops and goes on reading the answer. */
  protected abstract resume(): void;
  /** Asked for when the body has ended; undefined where none are handed on. */
  protected abstract get trailers(): (() => HeaderList) | undefined;
  /** The system has the whole request. */
  protected abstract get isRequestSent(): boolean;
  /** Pieces of the answer are the reader's for the time of the call alone. */
  protected abstract get isLent(): boolean;

  begin(): void {
    // Until the first byte goes out, the connection's own timer watches.
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.start();
  }

  /** Whoever asked is gone. */
  handleEvent(): void {
    this.fail(toGone());
  }

  /** The patience has ended. */
  expire(): void {
    this.fail(toTimeout(this.#phase));
  }

  fail(error: unknown): void {
    if (this.isOver) return;
    const failure = toFailure(error, this.#head !== null);
    this.isOver = true;
    this.cancel();
    this.#end();
    if (this.#stream === null) this.#failed(failure);
    else this.#stream.fail(failure);
  }

  /** Once, after a pause; for a request that nobody can have looked at. */
  protected tryAgain(error: unknown): void {
    if (this.#isSecondTry || this.isOver) {
      this.fail(error);
      return;
    }
    this.#isSecondTry = true;
    this.leave();
    this.core.retries++;
    setTimeout(() => {
      if (!this.isOver) this.start();
    }, this.core.limits.refusedPauseMs);
  }

  /** The first byte is about to go out. */
  protected hasBegun(): void {
    const { nowMs, limits } = this.core;
    this.#phase = 'head';
    this.#endMs = nowMs + (this.request.isStreamed ? limits.streamTimeoutMs : limits.answerTimeoutMs);
    this.deadlineMs = Math.min(this.#endMs, nowMs + limits.headersTimeoutMs);
  }

  /** The head of the answer, and what is known of its length. */
  protected takeHead(head: AnswerHead): void {
    const { limits } = this.core;
    this.#head = head;
    const isStreamed = this.request.isStreamed && head.status === 200;
    const cap = isStreamed ? limits.streamBytesMax : limits.answerBytesMax;
    if (head.length > cap) {
      this.fail(toTooLarge(cap));
      return;
    }
    this.expectData();
    if (isStreamed) {
      this.#stream = new AnswerStream(this, limits);
      this.#done({ status: head.status, headers: head.headers, body: this.#stream });
    } else {
      this.#collector = new Collector(head.length < 0 ? cap : head.length, this.isLent);
    }
  }

  /** A piece of the body. @returns false when no more is to be read for now */
  protected takeData(chunk: Uint8Array): boolean {
    if (this.isOver) return false;
    this.expectData();
    if (this.#stream !== null) return this.#stream.push(this.isLent ? Buffer.from(chunk) : chunk);
    if (this.#collector!.add(chunk)) return true;
    const { length } = this.#head!;
    this.fail(length < 0 ? toTooLarge(this.core.limits.answerBytesMax) : toMalformed('framing'));
    return false;
  }

  /** The answer is there to its end. */
  protected takeEnd(): void {
    if (this.isOver) return;
    const { isRequestSent, trailers } = this;
    this.#end();
    if (this.#stream !== null) {
      this.#stream.end();
      return;
    }
    const { status, headers } = this.#head!;
    const answer = { status, headers, body: this.#collector!.take(), isRequestSent };
    this.#done(trailers === undefined ? answer : { ...answer, trailers });
  }

  /** The reader of a stream waits for the server. */
  expectData(): void {
    this.#phase = 'body';
    this.deadlineMs = Math.min(this.#endMs, this.core.nowMs + this.core.limits.idleTimeoutMs);
  }

  /** The server waits for the reader of a stream. */
  expectReader(): void {
    this.#phase = 'stall';
    this.deadlineMs = Math.min(this.#endMs, this.core.nowMs + this.core.limits.stallTimeoutMs);
  }

  /** The reader has taken so much that the server is read again. */
  readOn(): void {
    if (!this.isOver) this.resume();
  }

  #end(): void {
    this.isOver = true;
    this.request.signal.removeEventListener('abort', this);
    // First the connection, then the seat: whoever gets it finds a connection that is free.
    this.leave();
    this.core.dismiss(this);
  }
}
