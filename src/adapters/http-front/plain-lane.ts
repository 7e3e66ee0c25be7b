/**
 * HTTP/1.1 without node:http for as long as a connection carries the plainest requests, one after the other, each head in one
 * piece: half of the time of a small request would go into streams that carry one piece, and most of that of a large one into
 * memory for its pieces. At anything else the connection is node:http's for good.
 */
import type { Socket } from 'node:net';
import type { Connection } from './connection.ts';
import type { Inlet, Reader } from './inlet.ts';
import { KnownHeads } from './known-heads.ts';
import { findPlainHead, type PlainHead } from './plain-head.ts';
import { PlainExchange } from './plain-exchange.ts';

const END_OF_HEAD = '\r\n\r\n';

export class PlainLane implements Reader {
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #inlet: Inlet | null;
  readonly #handOver: (connection: Connection) => void;
  readonly #known = new KnownHeads();
  /** The request that is under way. */
  #exchange: PlainExchange | null = null;
  /** Something came before the answer was sent: it waits in the socket. */
  #hasMore = false;

  /**
   * @param inlet - through which the socket is read; null where it is a stream alone
   * @param handOver - gives the connection to node:http, which reads what stands in the socket first
   */
  constructor(connection: Connection, inlet: Inlet | null, handOver: (connection: Connection) => void) {
    this.#connection = connection;
    this.#socket = connection.socket;
    this.#inlet = inlet;
    this.#handOver = handOver;
    if (inlet === null) this.#socket.on('data', this.#onData);
    else inlet.reader = this;
    this.#socket.on('end', this.#onEnd);
  }

  get room(): Uint8Array | null {
    return this.#exchange === null ? null : this.#exchange.room;
  }

  take(bytes: Buffer): boolean {
    return this.#take(bytes, true);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#take(chunk, false);
  };

  /** False when what comes next is to wait. */
  #take(bytes: Buffer, isLent: boolean): boolean {
    if (this.#connection.isOver || !this.#socket.writable) return true;
    const exchange = this.#exchange;
    if (exchange === null) {
      this.#begin(bytes, isLent);
      return true;
    }
    const part = Math.min(bytes.length, exchange.left);
    exchange.left -= part;
    if (part < bytes.length) this.#keep(bytes.subarray(part), isLent);
    if (part > 0) feed(exchange, bytes.subarray(0, part), isLent);
    return !this.#hasMore;
  }

  #begin(bytes: Buffer, isLent: boolean): void {
    const connection = this.#connection;
    const known = this.#known.find(bytes);
    const bodyAt = known === null ? this.#findBody(bytes) : bytes.length - known.bodyBytes;
    const head = known ?? this.#readHead(bytes, bodyAt);
    if (head === null) {
      this.#leave();
      this.#socket.unshift(isLent ? Buffer.from(bytes) : bytes);
      this.#handOver(connection);
      return;
    }
    const { method, target, headers, bodyBytes } = head;
    const left = bodyAt + bodyBytes - bytes.length;
    const exchange = new PlainExchange(
      connection,
      { method, target, headers, httpVersion: '1.1' },
      known,
      left,
      this.#onEnded,
    );
    this.#exchange = exchange;
    const fault = exchange.findBodyFault(bodyBytes);
    if (fault === null) feed(exchange, bytes.subarray(bodyAt), isLent);
    else exchange.refuse(fault);
  }

  /** As node:http has it: who sends no more is not answered any more, and part of a body is no request. */
  readonly #onEnd = (): void => {
    if (this.#exchange !== null && this.#exchange.left > 0) this.#connection.refuseBytes(CUT_SHORT);
    else this.#socket.end();
  };

  readonly #onEnded = (): void => {
    this.#exchange = null;
    if (!this.#hasMore || this.#socket.destroyed) return;
    this.#hasMore = false;
    this.#leave();
    this.#handOver(this.#connection);
    this.#socket.resume();
  };

  /** Until the answer was sent. */
  #keep(bytes: Buffer, isLent: boolean): void {
    this.#hasMore = true;
    this.#socket.pause();
    this.#socket.unshift(isLent ? Buffer.from(bytes) : bytes);
  }

  #leave(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    if (this.#inlet !== null) this.#inlet.reader = null;
  }

  /** Where the body begins; -1 when the head does not end here, or too late. */
  #findBody(bytes: Buffer): number {
    const end = bytes.indexOf(END_OF_HEAD, 0, 'latin1');
    return end < 0 || end > this.#connection.core.limits.headerBytesMax ? -1 : end + END_OF_HEAD.length;
  }

  /** Null for a piece that is not one plain request, or the beginning of one, from its first byte to its last. */
  #readHead(bytes: Buffer, bodyAt: number): PlainHead | null {
    const found = bodyAt < 0 ? null : findPlainHead(bytes.toString('latin1', 0, bodyAt - END_OF_HEAD.length));
    if (found === null || bytes.length > bodyAt + found.bodyBytes) return null;
    if (bytes.length === bodyAt + found.bodyBytes) this.#known.keep(bytes.subarray(0, bodyAt), found);
    return found;
  }
}

/** What Node's parser says of a body whose end does not come. */
const CUT_SHORT = 'HPE_INVALID_EOF_STATE';

function feed(exchange: PlainExchange, bytes: Buffer, isLent: boolean): void {
  if (bytes.length > 0) exchange.take(bytes, isLent);
  if (exchange.left === 0) void exchange.work();
}
