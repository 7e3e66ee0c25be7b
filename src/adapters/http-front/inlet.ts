/**
 * What comes on a connection is read into one block that all connections share, or straight to where it is wanted. Node would make
 * memory for each read, 64 KiB of it in plaintext: memory outside of the heap, for which V8 collects the whole heap again and again.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { Duplex } from 'node:stream';

/** Who reads a connection. */
export interface Reader {
  /**
   * Takes what came.
   * @param bytes - there for the time of the call alone, unless they stand in its own room
   * @returns false where no more is to be read until the socket is resumed
   */
  take(bytes: Buffer): boolean;
  /** Where what comes next is to stand, one byte or more; null for the shared block. Asked for after each read. */
  readonly room: Uint8Array | null;
}

/** One read of the system at most; one connection is read at a time, and what came is handed over before the next is. */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/** As Node has them: where what is read is to stand, null for where it stood before, and who is told of it. */
export interface OnRead {
  readonly buffer: () => Uint8Array | null;
  readonly callback: (length: number, block: Uint8Array) => boolean;
}

export class Inlet<S extends Duplex = Socket> {
  /** null: what comes waits in the socket, which is then a stream as any other. */
  reader: Reader | null = null;
  readonly socket: S;
  #room: Uint8Array | null = null;

  /** @param open - gives the socket, or the stream of HTTP/2, that reads in this way */
  constructor(open: (onread: OnRead) => S) {
    this.socket = open({
      buffer: () => this.#findRoom(),
      callback: (length, block) => this.take((block as Buffer).subarray(0, length)),
    });
  }

  /** null where it stays: to tell the system anew takes time. */
  #findRoom(): Uint8Array | null {
    const room = this.reader?.room ?? shared;
    if (room === this.#room) return null;
    this.#room = room;
    return room;
  }

  /** What came: to whoever reads. Records of TLS that were read already come also while the socket is paused, and wait in it. */
  take(bytes: Buffer): boolean {
    if (this.reader === null || this.socket.isPaused()) return this.socket.push(Buffer.from(bytes));
    return this.reader.take(bytes);
  }
}

/** As Node's server makes sockets of what it accepts; the types leave the handle out. */
interface HandleOpts extends SocketConstructorOpts {
  readonly handle: object | null;
  readonly onread: OnReadOpts;
}

/** @param accepted - of a server with `pauseOnConnect`; only its end is left of it, which is that of the new socket */
export function toPlainInlet(accepted: Socket): Inlet {
  const holder = accepted as unknown as { _handle: object | null };
  return new Inlet((onread) => {
    const { allowHalfOpen } = accepted;
    const options: HandleOpts = { handle: holder._handle, allowHalfOpen, onread: onread as OnReadOpts };
    holder._handle = null;
    const socket = new Socket(options);
    socket.once('close', () => accepted.destroy());
    return socket;
  });
}
