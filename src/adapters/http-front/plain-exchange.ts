/** One plain request of HTTP/1.1, and its answer, written to the socket in one piece where it is short. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { GatewayAnswer, HeaderList } from '../../gateway/ports.ts';
import type { Connection } from './connection.ts';
import { Exchange, type RequestHead } from './exchange.ts';
import { toFlatHeaders } from './headers.ts';
import { toRefusal } from './refusals.ts';
import { writeBody } from './stream-body.ts';
import type { FrontCode } from './types.ts';

/** Longer bodies are not worth the copy into one text with their head. */
const TEXT_BYTES_MAX = 4096;

export class PlainExchange extends Exchange {
  readonly #socket: Socket;
  readonly #onEnded: () => void;
  /** Bytes of the body that have not come. */
  left: number;
  #hasBegun = false;

  /**
   * @param left - bytes of the body that have not come
   * @param onEnded - told when the answer is the system's, or there is nobody to take it
   */
  constructor(connection: Connection, head: RequestHead, left: number, onEnded: () => void) {
    super(connection, head);
    this.left = left;
    this.#socket = connection.socket;
    this.#onEnded = onEnded;
  }

  override end(isWhole: boolean): void {
    if (this.isOver) return;
    super.end(isWhole);
    this.#onEnded();
  }

  protected override get hasBegun(): boolean {
    return this.#hasBegun;
  }

  protected override send({ status, headers, body, trailers }: GatewayAnswer): void {
    if (body instanceof Uint8Array && trailers === undefined) {
      this.#sendWhole(status, headers, body);
      return;
    }
    this.#begin(this.#toHead(status, headers, 'transfer-encoding: chunked\r\n'));
    void this.#stream(body, trailers);
  }

  protected override sendRefusal(code: FrontCode): void {
    if (this.left > 0) {
      this.connection.refuseByHand(code, this);
      this.end(false);
      return;
    }
    this.core.refuse(code);
    const { status, headers, body } = toRefusal(code);
    this.#sendWhole(status, headers, body);
  }

  protected override cut(): void {
    this.connection.cut();
  }

  #sendWhole(status: number, headers: HeaderList, body: Uint8Array): void {
    this.expectTaken(body.length);
    // RFC 9112, section 6.3: these have no body, nor a length of one.
    const isBodiless = status === 204 || status === 304;
    const head = this.#toHead(status, headers, isBodiless ? '' : `content-length: ${body.length}\r\n`);
    if (isBodiless || body.length <= TEXT_BYTES_MAX) {
      this.#begin(isBodiless ? head : head + toLatin1(body), this.#onSent);
    } else {
      this.#socket.cork();
      this.#begin(head);
      this.#socket.write(body, this.#onSent);
      this.#socket.uncork();
    }
    if (this.#isLast) this.#socket.destroySoon();
  }

  #isLast = false;

  #begin(text: string, onSent?: () => void): void {
    this.#hasBegun = true;
    this.#socket.write(text, 'latin1', onSent);
  }

  readonly #onSent = (): void => {
    this.end(!this.#socket.destroyed);
  };

  async #stream(body: GatewayAnswer['body'], trailers: GatewayAnswer['trailers']): Promise<void> {
    const socket = this.#socket;
    const chunked = {
      write: (piece: Uint8Array): boolean => {
        // A chunk of no bytes would be the last one.
        if (piece.length === 0) return true;
        socket.cork();
        socket.write(`${piece.length.toString(16)}\r\n`, 'latin1');
        socket.write(piece);
        const isTaken = socket.write('\r\n', 'latin1');
        socket.uncork();
        return isTaken;
      },
      once: (event: 'drain', wake: () => void) => socket.once(event, wake),
    };
    try {
      if (body instanceof Uint8Array) {
        this.expectTaken(body.length);
        chunked.write(body);
      } else if (!(await writeBody(this, chunked, body))) return;
      this.expectTaken(0);
      const fields = (trailers?.() ?? []).map(([name, value]) => toLine(name, value)).join('');
      socket.write(`0\r\n${fields}\r\n`, 'latin1', this.#onSent);
      if (this.#isLast) socket.destroySoon();
    } catch (error) {
      // The status was sent: what is left is an answer without an end, which no client takes for whole.
      this.core.onTrouble(error);
      this.cut();
    }
  }

  #toHead(status: number, list: HeaderList, framing: string): string {
    this.#isLast = this.connection.isLast;
    const flat = toFlatHeaders(list, this.core.isTls);
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    let values = '';
    for (let at = 0; at < flat.length; at += 2) {
      assertName(flat[at]);
      values += flat[at + 1];
      head += `${flat[at]}: ${flat[at + 1]}\r\n`;
    }
    assertValues(values);
    return `${head}${framing}date: ${toDate()}\r\nconnection: ${this.#isLast ? 'close' : 'keep-alive'}\r\n\r\n`;
  }
}

const NAME = /^[a-z0-9-]+$/;
/** As of Node: tab, printable ASCII, and what is beyond ASCII in Latin-1. */
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
/** Names that were looked at; they are the gateway's own, and few. */
const names = new Set<string>();

/** @throws TypeError for what is no name: then the answer is not sent */
function assertName(name: string): void {
  if (names.has(name)) return;
  if (!NAME.test(name)) throw new TypeError('internal error: no name of a header');
  names.add(name);
}

/** All at once, which takes a quarter of the time. @throws TypeError for what would not stay one line: then the answer is not sent */
function assertValues(values: string): void {
  if (NO_VALUE.test(values)) throw new TypeError('internal error: no value of a header');
}

function toLine(name: string, value: string): string {
  assertName(name);
  assertValues(value);
  return `${name}: ${value}\r\n`;
}

let date = { second: 0, text: '' };

/** Written anew each second. */
function toDate(): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (second !== date.second) date = { second, text: new Date(nowMs).toUTCString() };
  return date.text;
}

/** Each byte as a character, which Node writes as that byte. */
function toLatin1(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
}
