/** One plain request of HTTP/1.1, and its answer, written to the socket in one piece where it is short. */
import type { Socket } from 'node:net';
import { toLatin1 } from '../../core/bytes.ts';
import type { GatewayAnswer, HeaderList } from '../../gateway/ports.ts';
import { toAnswerHead, toTrailers } from './answer-head.ts';
import type { Connection } from './connection.ts';
import { Exchange, type RequestHead } from './exchange.ts';
import { toRefusal } from './refusals.ts';
import { writeBody } from './stream-body.ts';
import type { FrontCode } from './types.ts';

/** Longer bodies are not worth the copy into one text with their head. */
const TEXT_BYTES_MAX = 4096;

export class PlainExchange extends Exchange {
  readonly #socket: Socket;
  readonly #onEnded: () => void;
  readonly knownHead: object | null;
  /** Bytes of the body that have not come. */
  left: number;
  #hasBegun = false;

  /**
   * @param knownHead - null for a head that came for the first time
   * @param left - bytes of the body that have not come
   * @param onEnded - told when the answer is the system's, or there is nobody to take it
   */
  constructor(connection: Connection, head: RequestHead, knownHead: object | null, left: number, onEnded: () => void) {
    super(connection, head);
    this.knownHead = knownHead;
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
      socket.write(`0\r\n${toTrailers(trailers?.() ?? [])}\r\n`, 'latin1', this.#onSent);
      if (this.#isLast) socket.destroySoon();
    } catch (error) {
      // The status was sent: what is left is an answer without an end, which no client takes for whole.
      this.core.onTrouble(error);
      this.cut();
    }
  }

  #toHead(status: number, headers: HeaderList, framing: string): string {
    this.#isLast = this.connection.isLast;
    return toAnswerHead(status, headers, { isTls: this.core.isTls, isLast: this.#isLast, framing });
  }
}
