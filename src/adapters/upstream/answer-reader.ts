/**
 * Reads answers of HTTP/1.1 from a connection, one after the other, whatever pieces they come in (RFC 9112). What two readers
 * could take in two ways is refused: lines that do not end in CR LF, folded headers, lengths beside chunks.
 */
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { Reason } from './failures.ts';
import { type Http1Head, isInformational, readHttp1Head } from './head.ts';

/** Who asked. */
export interface AnswerSink {
  /** Wants nothing of it any more. */
  readonly isOver: boolean;
  takeHead(head: Http1Head): void;
  /** @param piece there for the time of the call alone */
  takeData(piece: Uint8Array): void;
}

/** More is to come; the answer is whole; it is whole, and more has come; or why it is refused. */
export type ReadOutcome = 'more' | 'whole' | 'excess' | Reason;

type State = 'head' | 'length' | 'size' | 'chunk' | 'chunk-end' | 'trailers';

const HTTP = 'HTTP/1.';
const HEAD_END = '\r\n\r\n';
const LINE_END = '\r\n';
/** RFC 9112, section 7.1, without the space that it has readers take: extensions are held to their form, and read over. */
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const QUOTED = String.raw`"(?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"`;
const CHUNK_SIZE = new RegExp(`^([0-9a-fA-F]{1,8})(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`);
/** RFC 9110, section 6.5.1: nothing there says where the answer ends. */
const TRAILER = new RegExp(`^(?!(?:content-length|transfer-encoding):)${TOKEN}:[\\t\\x20-\\x7e\\x80-\\xff]*$`, 'i');

export class AnswerReader {
  #state: State = 'head';
  /** What came of a head or line that is not whole, Latin-1. */
  #rest = '';
  /** Bytes of the body, or of the chunk, that are to come. */
  #left = 0;
  #informational = 0;
  /** Of the connection, as the last head said. */
  #isLast = false;
  #keepAliveMs = Number.POSITIVE_INFINITY;
  #trailerChars = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Whether an answer has begun. */
  get isAtWork(): boolean {
    return this.#state !== 'head' || this.#rest !== '' || this.#informational > 0;
  }

  /** No answer comes after this one. */
  get isLast(): boolean {
    return this.#isLast;
  }

  /** How long the server keeps the connection for the next request. */
  get keepAliveMs(): number {
    return this.#keepAliveMs;
  }

  /** Reads on. After 'whole' the next answer may come; after anything but 'more' and 'whole' nothing can be read. */
  read(bytes: Buffer, sink: AnswerSink): ReadOutcome {
    this.#bytes = bytes;
    this.#at = 0;
    let outcome: ReadOutcome | null = null;
    while (outcome === null) {
      outcome = this.#step(sink);
      if (sink.isOver) return 'more';
    }
    if (outcome !== 'whole') return outcome;
    this.#state = 'head';
    this.#informational = 0;
    return this.#at < bytes.length ? 'excess' : 'whole';
  }

  /** null: goes on with the next step. */
  #step(sink: AnswerSink): ReadOutcome | null {
    switch (this.#state) {
      case 'head':
        return this.#readHead(sink);
      case 'length':
        return this.#readData(sink, 'whole');
      case 'chunk':
        return this.#readData(sink, null);
      default:
        return this.#readLine();
    }
  }

  #readHead(sink: AnswerSink): ReadOutcome | null {
    const text = this.#takeText(HEAD_END, UPSTREAM_LIMITS.headerBytesMax);
    if (text === null) {
      const isHttp = this.#rest.startsWith(HTTP) || HTTP.startsWith(this.#rest);
      return isHttp && !this.#isTooLong(HEAD_END, UPSTREAM_LIMITS.headerBytesMax) ? 'more' : 'head';
    }
    const head = readHttp1Head(text);
    if (typeof head === 'string') return head;
    if (isInformational(head)) {
      this.#informational++;
      // One that ends the connection leaves no room for the answer.
      return head.isLast || this.#informational > UPSTREAM_LIMITS.informationalMax ? 'head' : null;
    }
    this.#isLast = head.isLast;
    this.#keepAliveMs = head.keepAliveMs;
    sink.takeHead(head);
    this.#left = head.length;
    if (head.length === 0) return 'whole';
    this.#trailerChars = 0;
    this.#state = head.length < 0 ? 'size' : 'length';
    return null;
  }

  #readData(sink: AnswerSink, atEnd: 'whole' | null): ReadOutcome | null {
    const end = Math.min(this.#bytes.length, this.#at + this.#left);
    if (end === this.#at) return 'more';
    const piece = this.#bytes.subarray(this.#at, end);
    this.#left -= piece.length;
    this.#at = end;
    sink.takeData(piece);
    if (this.#left > 0) return 'more';
    this.#state = 'chunk-end';
    return atEnd;
  }

  /** Lines around and behind chunks. */
  #readLine(): ReadOutcome | null {
    const { chunkLineCharsMax, headerBytesMax } = UPSTREAM_LIMITS;
    const most = this.#state === 'trailers' ? headerBytesMax : chunkLineCharsMax;
    const line = this.#takeText(LINE_END, most);
    if (line === null) return this.#isTooLong(LINE_END, most) ? 'framing' : 'more';
    if (this.#state === 'chunk-end') {
      this.#state = 'size';
      return line === '' ? null : 'framing';
    }
    return this.#state === 'size' ? this.#readSize(line) : this.#readTrailer(line);
  }

  #readSize(line: string): Reason | null {
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) return 'framing';
    this.#left = parseInt(size, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'chunk';
    return null;
  }

  /** They are held to their form and their number, and left out. */
  #readTrailer(line: string): ReadOutcome | null {
    if (line === '') return 'whole';
    this.#trailerChars += line.length + LINE_END.length;
    return TRAILER.test(line) && this.#trailerChars <= UPSTREAM_LIMITS.headerBytesMax ? null : 'framing';
  }

  #isTooLong(end: string, most: number): boolean {
    return this.#rest.length >= most + end.length;
  }

  /** The text up to `end`, without it; null while that has not come, or not within so many characters: then `#rest` is what came. */
  #takeText(end: string, most: number): string | null {
    const before = this.#rest.length;
    const stop = Math.min(this.#bytes.length, this.#at + most + end.length - before);
    const text = this.#rest + this.#bytes.toString('latin1', this.#at, stop);
    const found = text.indexOf(end);
    if (found < 0) {
      this.#rest = text;
      this.#at = stop;
      return null;
    }
    this.#rest = '';
    this.#at += found + end.length - before;
    return text.slice(0, found);
  }
}
