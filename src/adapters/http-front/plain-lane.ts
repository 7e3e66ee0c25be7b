/**
 * HTTP/1.1 without node:http for as long as a connection carries the plainest requests, each whole in one piece, one after the
 * other: half of the time of a small request would go into streams that carry one piece. At anything else the connection is
 * node:http's for good.
 */
import type { Socket } from 'node:net';
import type { Connection } from './connection.ts';
import { KnownHeads } from './known-heads.ts';
import { findPlainHead, type PlainHead } from './plain-head.ts';
import { PlainExchange } from './plain-exchange.ts';

const END_OF_HEAD = '\r\n\r\n';

export class PlainLane {
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #handOver: (connection: Connection) => void;
  readonly #known = new KnownHeads();
  #isAtWork = false;
  /** Something came before the answer was sent: it waits in the socket. */
  #hasMore = false;

  /** @param handOver gives the connection to node:http, which reads what stands in the socket first */
  constructor(connection: Connection, handOver: (connection: Connection) => void) {
    this.#connection = connection;
    this.#socket = connection.socket;
    this.#handOver = handOver;
    this.#socket.on('data', this.#onData);
    this.#socket.on('end', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    const connection = this.#connection;
    if (connection.isOver || !this.#socket.writable) return;
    if (this.#isAtWork) {
      this.#hasMore = true;
      this.#socket.pause();
      this.#socket.unshift(chunk);
      return;
    }
    const head = this.#readHead(chunk);
    if (head === null) {
      this.#leave();
      this.#socket.unshift(chunk);
      this.#handOver(connection);
      return;
    }
    this.#isAtWork = true;
    const { method, target, headers } = head;
    const exchange = new PlainExchange(connection, { method, target, headers, httpVersion: '1.1' }, this.#onEnded);
    const fault = exchange.findBodyFault(head.bodyBytes);
    if (fault !== null) {
      exchange.refuse(fault);
      return;
    }
    exchange.take(chunk.subarray(chunk.length - head.bodyBytes));
    void exchange.work();
  };

  /** As node:http has it: who sends no more is not answered any more. */
  readonly #onEnd = (): void => {
    this.#socket.end();
  };

  readonly #onEnded = (): void => {
    this.#isAtWork = false;
    if (!this.#hasMore || this.#socket.destroyed) return;
    this.#leave();
    this.#handOver(this.#connection);
    this.#socket.resume();
  };

  #leave(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
  }

  /** Null for a piece that is not one plain request from its first byte to its last. */
  #readHead(chunk: Buffer): PlainHead | null {
    const known = this.#known.find(chunk);
    if (known !== null) return known;
    const end = chunk.indexOf(END_OF_HEAD, 0, 'latin1');
    if (end < 0 || end > this.#connection.core.limits.headerBytesMax) return null;
    const found = findPlainHead(chunk.toString('latin1', 0, end));
    const bodyAt = end + END_OF_HEAD.length;
    if (found === null || chunk.length !== bodyAt + found.bodyBytes) return null;
    this.#known.keep(chunk.subarray(0, bodyAt), found);
    return found;
  }
}
