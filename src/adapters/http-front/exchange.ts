/** One request and its answer, whichever version of HTTP carries them: the body with its caps, the work, the patience. */
import type { CancelSignal, GatewayAnswer, GatewayRequest, GreetCode, Greeted, Peer } from '../../gateway/ports.ts';
import { Cancel } from './cancel.ts';
import type { Connection } from './connection.ts';
import type { FrontCore } from './core.ts';
import type { FrontCode } from './types.ts';

const NOTHING = new Uint8Array(0);
/** While a body is coming, room for so many times what came is made: one copy for usual bodies, and nothing on a mere promise. */
const ROOM_FACTOR = 16;

export interface RequestHead {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly httpVersion: '1.1' | '2.0';
}

type Phase = 'receiving' | 'working' | 'sending' | 'over';

export abstract class Exchange implements GatewayRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly httpVersion: '1.1' | '2.0';
  readonly peer: Peer;
  body: Uint8Array = NOTHING;
  readonly connection: Connection;
  protected readonly core: FrontCore;
  protected phase: Phase = 'receiving';
  protected answer: GatewayAnswer | null = null;
  #sinceMs: number;
  #deadlineMs: number;
  /** Bytes of the body that came, and that memory is held for; bytes that were announced, -1 when none were. */
  #length = 0;
  #reserved = 0;
  #announced = -1;
  /** Nobody has asked yet who sends the body. */
  #isStranger = true;
  /** Whose body it is, once it was asked. */
  #callerId: string | null = null;
  /** Of the pool: what `body` lies in. */
  #block: Buffer | null = null;
  #isBodyFree = false;
  /** The handler has the body for as long as it works, also when nobody waits for its answer any more. */
  #isAtWork = false;
  #abort: Cancel | null = null;
  #wake: (() => void) | null = null;

  constructor(connection: Connection, { method, target, headers, httpVersion }: RequestHead) {
    const mark = target.indexOf('?');
    this.method = method;
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.query = mark < 0 ? '' : target.slice(mark + 1);
    this.headers = headers;
    this.httpVersion = httpVersion;
    this.peer = connection.peer;
    this.connection = connection;
    this.core = connection.core;
    this.#sinceMs = this.core.nowMs;
    this.#deadlineMs = this.#sinceMs + this.core.limits.requestTimeoutMs;
    this.core.counts.requests++;
    this.core.counts.requestsNow++;
    connection.begin(this);
  }

  /** Made when it is asked for: most requests are answered before anybody needs to know whether the client is there. */
  get signal(): CancelSignal {
    if (this.#abort === null) {
      this.#abort = new Cancel();
      if (this.phase === 'over') this.#abort.abort();
    }
    return this.#abort;
  }

  get isReceiving(): boolean {
    return this.phase === 'receiving';
  }

  get isOver(): boolean {
    return this.phase === 'over';
  }

  /** Sends the answer that the handler gave. */
  protected abstract send(answer: GatewayAnswer): void;
  /** Sends an answer of the front itself, and reads no more of the request. */
  protected abstract sendRefusal(code: FrontCode): void;
  /** The head of an answer was written. */
  protected abstract get hasBegun(): boolean;
  /** Ends what is under way without another word. */
  protected abstract cut(): void;

  /**
   * Before any of the body: whether it may come.
   * @param announced bytes, from content-length; -1 when it is not known
   */
  findBodyFault(announced: number): FrontCode | null {
    const { limits, counts } = this.core;
    if (announced > limits.bodyBytesMax) return 'GATEWAY_BODY_TOO_LARGE';
    if (announced !== 0 && counts.bodiesBytesNow >= limits.bodiesBytesMax) return 'GATEWAY_OVERLOADED';
    this.#announced = announced;
    return null;
  }

  /**
   * A piece of the body.
   * @param isLent - it is there for the time of the call alone, unless it was read into the exchange's own room
   */
  take(chunk: Buffer, isLent = false): void {
    if (this.phase !== 'receiving') return;
    this.connection.bodyBytes += chunk.length;
    const length = this.#length + chunk.length;
    if (length > this.core.limits.bodyBytesMax) {
      this.refuse('GATEWAY_BODY_TOO_LARGE');
      return;
    }
    if (this.#isStranger && this.#isMuch(length)) {
      this.#greet();
      // The type stays narrowed across the call.
      if ((this.phase as Phase) !== 'receiving') return;
    }
    if (this.#length === 0) {
      // A small piece of a large block would keep the block.
      const isKept = isLent
        ? length < this.core.limits.pooledBodyBytesMin
        : chunk.buffer.byteLength <= 2 * length + 4096;
      const isWhole = length === this.#announced && isKept;
      if (!this.#reserve(isWhole ? length : this.#toRoom(length))) return;
      if (isWhole) {
        this.body = isLent ? Buffer.from(chunk) : chunk;
        this.#length = length;
        return;
      }
      this.body = this.#toMemory(this.#reserved);
    } else if (length > this.body.length) {
      const room = this.#toRoom(length);
      if (!this.#reserve(room - this.body.length)) return;
      const [full, { body }] = [this.#block, this];
      this.body = this.#toMemory(room);
      this.body.set(body.subarray(0, this.#length));
      if (full !== null) this.core.bodies.give(full, this.#length);
    }
    const isThere = chunk.buffer === this.body.buffer && chunk.byteOffset === this.body.byteOffset + this.#length;
    if (!isThere) this.body.set(chunk, this.#length);
    this.#length = length;
  }

  /** Where what comes next of the body may be put; null where no memory is made for it yet. */
  get room(): Uint8Array | null {
    if (this.phase !== 'receiving' || this.#length === 0 || this.#length === this.body.length) return null;
    return this.body.subarray(this.#length);
  }

  /** The body has ended: the handler is asked. */
  async work(): Promise<void> {
    if (this.phase !== 'receiving') return;
    if (this.body.length !== this.#length) this.body = this.body.subarray(0, this.#length);
    this.#enter('working', this.core.limits.answerTimeoutMs);
    this.#isAtWork = true;
    try {
      const answer = await this.core.handler(this);
      this.#isAtWork = false;
      // The type stays narrowed across the await.
      if ((this.phase as Phase) !== 'working') {
        this.body = NOTHING;
        dismiss(answer);
        return;
      }
      this.answer = answer;
      this.#enter('sending', this.core.limits.writeTimeoutMs);
      this.send(answer);
    } catch (error) {
      this.#isAtWork = false;
      this.core.onTrouble(error);
      this.#fail();
    }
  }

  /** The handler failed, or gave an answer that cannot be sent. */
  #fail(): void {
    if (this.phase === 'over') return;
    const { answer } = this;
    if (this.hasBegun) {
      this.cut();
      return;
    }
    this.answer = null;
    this.refuse('GATEWAY_INTERNAL');
    answer?.onSent?.(false);
  }

  refuse(code: FrontCode): void {
    if (this.phase === 'over') return;
    this.#enter('sending', this.core.limits.writeTimeoutMs);
    this.#abort?.abort();
    this.sendRefusal(code);
  }

  /** So many bytes were handed over, and the client gets time to take them. */
  expectTaken(bytes: number): void {
    const { writeTimeoutMs, answerBytesPerSecondMin } = this.core.limits;
    this.#deadlineMs = this.core.nowMs + writeTimeoutMs + (bytes * 1000) / answerBytesPerSecondMin;
  }

  /** Waits for who makes the answer: his patience is not the front's. */
  expectMore(): void {
    this.#deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** Settles when the exchange is over, or before, when `wake` is called; only the last one that was asked for settles. */
  untilOver(listen?: (wake: () => void) => void): Promise<null> {
    return new Promise((done) => {
      this.#wake = () => {
        done(null);
      };
      listen?.(this.#wake);
    });
  }

  /** The last byte was handed to the system, or there is nobody to hand it to. */
  end(isWhole: boolean): void {
    if (this.phase === 'over') return;
    const { answer } = this;
    // Node keeps a request until the next one of its connection: its bodies must not live as long.
    if (!this.#isAtWork) this.body = NOTHING;
    if (answer !== null && this.#isBodyFree && this.#block !== null) this.core.bodies.give(this.#block, this.#length);
    this.#block = null;
    this.answer = null;
    this.phase = 'over';
    this.core.counts.bodiesBytesNow -= this.#reserved;
    if (this.#callerId !== null) this.core.hold(this.#callerId, -this.#reserved);
    this.core.counts.requestsNow--;
    // Before whoever makes the answer hears of it: what he does then is no failure of an answer.
    this.#wake?.();
    if (!isWhole) {
      if (answer !== null) this.core.counts.answersCut++;
      this.#abort?.abort();
    }
    this.connection.finish(this);
    answer?.onSent?.(isWhole);
    this.core.requestEnded();
  }

  freeBody(): void {
    this.#isBodyFree = true;
  }

  /** One round of the watch. */
  lookAfter(): void {
    const { nowMs, limits } = this.core;
    if (this.phase === 'receiving') {
      const slowMs = nowMs - this.#sinceMs - limits.headersTimeoutMs;
      const isSlow = slowMs > 0 && this.#length < (slowMs / 1000) * limits.bodyBytesPerSecondMin;
      if (isSlow || nowMs >= this.#deadlineMs) this.refuse('GATEWAY_REQUEST_TIMEOUT');
    } else if (nowMs >= this.#deadlineMs) {
      if (this.phase === 'working') this.refuse('GATEWAY_OVERLOADED');
      else this.cut();
    }
  }

  #enter(phase: Phase, patienceMs: number): void {
    this.phase = phase;
    this.#deadlineMs = this.core.nowMs + patienceMs;
  }

  /** Whether the body is more than is kept of whomever. */
  #isMuch(length: number): boolean {
    const { limits, counts } = this.core;
    const { strangerBytesMax, strangersPart, bodiesBytesMax } = limits;
    return (
      length > strangerBytesMax ||
      this.#announced > strangerBytesMax ||
      counts.bodiesBytesNow > strangersPart * bodiesBytesMax
    );
  }

  /** Refuses the body of somebody who is not known; what comes until that is found out is read on. */
  #greet(): void {
    this.#isStranger = false;
    const { greet } = this.core;
    if (greet === null) return;
    const told = greet(this);
    if (!(told instanceof Promise)) {
      this.#takeWord(told);
      return;
    }
    told.then(
      (word) => {
        // Once it was read whole, the handler says so itself.
        if (this.phase === 'receiving') this.#takeWord(word);
      },
      (error: unknown) => {
        this.core.onTrouble(error);
        this.#fail();
      },
    );
  }

  #takeWord(word: GreetCode | Greeted): void {
    if (typeof word === 'string') {
      this.refuse(word);
      return;
    }
    this.#callerId = word.id;
    this.core.hold(word.id, this.#reserved);
  }

  /** How much memory to make for a body of which `length` bytes are there. */
  #toRoom(length: number): number {
    const most = this.#announced < 0 ? this.core.limits.bodyBytesMax : this.#announced;
    const factor = this.#announced < 0 ? 2 : ROOM_FACTOR;
    return Math.max(length, Math.min(most, Math.max(4096, length * factor)));
  }

  #toMemory(bytes: number): Buffer {
    if (bytes < this.core.limits.pooledBodyBytesMin) return Buffer.allocUnsafeSlow(bytes);
    this.#block = this.core.bodies.take(bytes);
    return this.#block.subarray(0, bytes);
  }

  #reserve(bytes: number): boolean {
    const { counts, limits } = this.core;
    const isFull = counts.bodiesBytesNow + bytes > limits.bodiesBytesMax;
    if (isFull || (this.#callerId !== null && !this.core.mayHold(this.#callerId, bytes))) {
      this.refuse('GATEWAY_OVERLOADED');
      return false;
    }
    counts.bodiesBytesNow += bytes;
    this.#reserved += bytes;
    if (this.#callerId !== null) this.core.hold(this.#callerId, bytes);
    return true;
  }
}

/** An answer that nobody is there for: whoever makes it is told to stop. */
function dismiss(answer: GatewayAnswer): void {
  if (!(answer.body instanceof Uint8Array)) void answer.body[Symbol.asyncIterator]().return?.();
  answer.onSent?.(false);
}
