/** One connection: who is at its other end, what is under way on it, and how long it may be silent. */
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Peer } from '../../gateway/ports.ts';
import type { FrontCore, Watched } from './core.ts';
import { toRawRefusal } from './refusals.ts';
import type { FrontCode } from './types.ts';

/** A request and its answer, as far as the connection goes. */
export interface Underway {
  readonly isReceiving: boolean;
  end(isWhole: boolean): void;
  lookAfter(): void;
}

export class Connection implements Watched {
  readonly core: FrontCore;
  readonly socket: Socket;
  readonly peer: Peer;
  /** In no order. No Set: under one that takes and loses members all the time, V8 keeps what it held for too long. */
  readonly exchanges: Underway[] = [];
  /** Of HTTP/2; null before, and for HTTP/1.1. */
  session: ServerHttp2Session | null = null;
  requests = 0;
  /** Bytes of bodies that came. */
  bodyBytes = 0;
  /** HTTP/2: streams that were reset, and frames that ask for an answer; each second takes one off. */
  resets = 0;
  controlFrames = 0;
  /** HTTP/2: it is about to be cut, and nothing that still comes is looked at. */
  isFlood = false;
  /** Ends after its answers. */
  isRetired = false;
  /** Since when nothing is under way, by the clock of the core. */
  quietSinceMs: number;
  /** Refused by hand: what still comes is thrown away until then; 0 when it was not. */
  #lingerUntilMs = 0;
  #bytesSeen = 0;
  /** Since when the headers of a request are coming; 0 while there are none. */
  #headersSinceMs = 0;
  #lookedAtMs: number;

  constructor(core: FrontCore, socket: Socket, peer: Peer) {
    this.core = core;
    this.socket = socket;
    this.peer = peer;
    this.quietSinceMs = core.nowMs;
    this.#lookedAtMs = core.nowMs;
    core.connections.add(this);
    core.counts.connections++;
    socket.once('close', () => {
      this.#end();
    });
  }

  /** Nothing more is read from it: an answer was written by hand, or it is to be cut. */
  get isOver(): boolean {
    return this.#lingerUntilMs > 0 || this.socket.destroyed;
  }

  /** The answer that is about to begin is the last one of this connection. */
  get isLast(): boolean {
    return this.isRetired || this.core.isDraining || this.requests >= this.core.limits.requestsPerConnectionMax;
  }

  begin(exchange: Underway): void {
    this.requests++;
    this.#headersSinceMs = 0;
    this.exchanges.push(exchange);
  }

  finish(exchange: Underway): void {
    const last = this.exchanges.pop();
    if (last !== undefined && last !== exchange) this.exchanges[this.exchanges.indexOf(exchange)] = last;
    this.quietSinceMs = this.core.nowMs;
    if (this.exchanges.length > 0 || this.session !== null) return;
    this.#bytesSeen = -1;
    // An answer that said so ends it by itself; this one began before the connection was retired.
    if (this.isRetired && !this.isOver) this.socket.end();
  }

  /** Ends after the answers that are under way, at once where there are none. */
  retire(): void {
    if (this.isRetired) return;
    this.isRetired = true;
    if (this.session !== null) this.session.close();
    else if (this.exchanges.length === 0) this.socket.end();
  }

  cut(): void {
    this.session?.destroy();
    this.socket.destroy();
    this.#end();
  }

  /**
   * Ends a connection that floods, once what was read of it is gone over: Node 22 aborts on the body of a request that is opened
   * by what was read after its session was ended.
   */
  cutFlood(session: ServerHttp2Session): void {
    if (this.isFlood) return;
    this.isFlood = true;
    this.core.counts.floods++;
    setImmediate(() => {
      session.destroy(undefined, ENHANCE_YOUR_CALM);
    });
  }

  /**
   * HTTP/1.1: answers by hand, and ends the connection; `exchange` is the one that is refused, null when there is none.
   * Behind an answer that is under way nothing can be written: then it is cut.
   */
  refuseByHand(code: FrontCode, exchange: Underway | null, isHead = false): void {
    if (this.isOver) return;
    this.core.refuse(code);
    const others = this.exchanges.length - (exchange === null ? 0 : 1);
    if (others > 0 || !this.socket.writable) {
      this.cut();
      return;
    }
    this.#lingerUntilMs = this.core.nowMs + this.core.limits.lingerTimeoutMs + 1;
    this.socket.end(toRawRefusal(code, { isTls: this.core.isTls, isHead }));
    this.socket.resume();
  }

  /** HTTP/1.1: what came is no request, by the code of Node's parser. */
  refuseBytes(parserCode: string | undefined): void {
    const exchange = this.exchanges.at(0) ?? null;
    if (parserCode?.startsWith('HPE_') !== true || exchange?.isReceiving === false) {
      this.cut();
      return;
    }
    const isLong = parserCode === 'HPE_HEADER_OVERFLOW';
    this.refuseByHand(isLong ? 'GATEWAY_HEADERS_TOO_LARGE' : 'GATEWAY_FRAMING', exchange);
    exchange?.end(false);
  }

  /** One round of the watch. */
  lookAfter(): void {
    const { core } = this;
    const seconds = (core.nowMs - this.#lookedAtMs) / 1000;
    this.#lookedAtMs = core.nowMs;
    if (this.#lingerUntilMs > 0) {
      if (core.nowMs >= this.#lingerUntilMs) this.cut();
      return;
    }
    for (const exchange of [...this.exchanges]) exchange.lookAfter();
    if (this.session !== null) this.#lookAfterSession(this.session, seconds);
    else if (this.exchanges.length === 0) this.#lookAfterSilence();
  }

  #lookAfterSilence(): void {
    const { core } = this;
    const { headersTimeoutMs, idleTimeoutMs } = core.limits;
    const bytes = this.socket.bytesRead;
    // What was read with the last request has been answered; what comes after it are headers.
    if (this.#bytesSeen < 0) this.#bytesSeen = bytes;
    if (this.#headersSinceMs === 0 && bytes > this.#bytesSeen) this.#headersSinceMs = core.nowMs;
    if (this.#headersSinceMs > 0) {
      if (core.nowMs - this.#headersSinceMs >= headersTimeoutMs) {
        this.refuseByHand('GATEWAY_REQUEST_TIMEOUT', null);
      }
      return;
    }
    const patienceMs = this.requests === 0 ? headersTimeoutMs : idleTimeoutMs;
    if (core.nowMs - this.quietSinceMs >= patienceMs) this.cut();
  }

  #lookAfterSession(session: ServerHttp2Session, seconds: number): void {
    const { core, socket } = this;
    const { limits } = core;
    this.resets = Math.max(0, this.resets - seconds);
    this.controlFrames = Math.max(0, this.controlFrames - seconds);
    // Frames around bodies and answers take their share; what is beyond is chatter.
    const meant = this.bodyBytes * 2 + this.requests * limits.headerBytesMax + socket.bytesWritten / 64;
    if (socket.bytesRead - meant > limits.chatterBytesMax) {
      this.cutFlood(session);
      return;
    }
    if (this.exchanges.length > 0) return;
    const quietMs = core.nowMs - this.quietSinceMs;
    const patienceMs = this.requests === 0 ? limits.headersTimeoutMs : limits.idleTimeoutMs;
    if (quietMs < patienceMs) return;
    // GOAWAY first; who does not go then is cut.
    if (this.isRetired && quietMs >= patienceMs + limits.lingerTimeoutMs) this.cut();
    else this.retire();
  }

  #end(): void {
    this.core.connections.delete(this);
    for (const exchange of [...this.exchanges]) exchange.end(false);
  }
}

/** RFC 9113, section 7. */
const ENHANCE_YOUR_CALM = 0xb;
