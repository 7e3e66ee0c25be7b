/** One connection of HTTP/1.1, and the one request that is on it. */
import type { Socket } from 'node:net';
import { AnswerReader, type AnswerSink } from './answer-reader.ts';
import type { ReadInto } from './connect.ts';
import { toMalformed } from './failures.ts';

/** The request, as far as its connection goes. */
export interface Carried extends AnswerSink {
  /** Reads no more for now. */
  readonly isPaused: boolean;
  /** The connection is there. */
  write(socket: Socket): void;
  takeEnd(): void;
  /** The connection could not be made. */
  refuse(error: unknown): void;
  fail(error: unknown): void;
}

export interface LaneOptions {
  readonly connect: (readInto: ReadInto) => Promise<Socket>;
  /** It was connected, and has ended; or it never was. */
  readonly onEnd: (lane: Lane) => void;
}

/** One read of a connection; a body of more bytes comes in several. */
const READ_BYTES = 64 * 1024;

export class Lane {
  /** By the clock of the core: from then on no request is put on it. */
  freeUntilMs = 0;
  readonly #reader = new AnswerReader();
  readonly #onEnd: (lane: Lane) => void;
  #socket: Socket | null = null;
  #carried: Carried | null = null;
  /** What comes next is not the answer to what would be sent next. */
  #isSpent = false;
  /** An answer has just ended: what was read with it, and is handed over after it, was sent before the next request. */
  #isSettling = false;
  #isOver = false;
  #error: unknown = null;

  constructor({ connect, onEnd }: LaneOptions) {
    this.#onEnd = onEnd;
    connect({ bytes: READ_BYTES, take: (bytes) => this.#read(bytes) }).then(
      (socket) => {
        this.#begin(socket);
      },
      (error: unknown) => {
        this.#isOver = true;
        this.#onEnd(this);
        this.#carried?.refuse(error);
      },
    );
  }

  /** Takes another request after this one. */
  get isFree(): boolean {
    return !this.#isOver && !this.#isSpent && !this.#reader.isLast && this.#socket?.destroyed !== true;
  }

  /** The system has all that was written. */
  get isWritten(): boolean {
    return this.#socket !== null && this.#socket.writableLength === 0;
  }

  /** How long the server keeps it, as it said last. */
  get keepAliveMs(): number {
    return this.#reader.keepAliveMs;
  }

  carry(carried: Carried): void {
    this.#carried = carried;
    if (this.#socket !== null && !this.#isSettling) carried.write(this.#socket);
  }

  /** The request is over. */
  release(): void {
    this.#carried = null;
    // What the server has not read of it would stand before the next one.
    if (this.#reader.isAtWork || (this.#socket !== null && !this.isWritten)) this.#isSpent = true;
    this.#isSettling = this.#socket !== null;
  }

  /** All that was read until the request was over was handed over: the next one is sent. */
  settle(): void {
    if (!this.#isSettling) return;
    this.#isSettling = false;
    if (!this.#isOver) this.#carried?.write(this.#socket!);
  }

  resume(): void {
    this.#socket?.resume();
  }

  end(): void {
    this.#isOver = true;
    this.#socket?.destroy();
  }

  #begin(socket: Socket): void {
    this.#socket = socket;
    socket.unref();
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.once('end', () => {
      socket.destroy();
    });
    socket.once('close', () => {
      this.#isOver = true;
      this.#onEnd(this);
      this.#carried?.fail(this.#error ?? Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
    });
    if (this.#isOver || socket.destroyed) socket.destroy();
    else this.#carried?.write(socket);
  }

  /** False where no more is to be read for now. */
  #read(bytes: Buffer): boolean {
    const carried = this.#carried;
    if (carried === null || this.#socket === null || this.#isSettling) {
      // Nobody asked: no request, or none that was sent.
      this.end();
      return false;
    }
    const outcome = this.#reader.read(bytes, carried);
    if (outcome === 'more') return !carried.isPaused;
    if (outcome === 'whole' || outcome === 'excess') {
      if (outcome === 'excess') this.#isSpent = true;
      carried.takeEnd();
      return true;
    }
    carried.fail(toMalformed(outcome));
    return false;
  }
}
