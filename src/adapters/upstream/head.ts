/** The head of an answer: its headers as text, and how its end is known. Two ways to tell, or none, are refused. */
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { HeaderList } from '../../gateway/ports.ts';
import type { Reason } from './failures.ts';

export interface AnswerHead {
  readonly status: number;
  readonly headers: HeaderList;
  /** Bytes of the body, as announced; -1 where the end is marked otherwise. */
  readonly length: number;
}

/** About the connection, or about the server and when it answered: nobody behind the line has to know. */
const DROPPED: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'server',
  'trailer',
]);

/**
 * The head of an answer of HTTP/1.1; the parser has refused what is no header, and lengths that are given twice.
 * @param raw names and values by turns, Latin-1
 */
export function readHttp1Head(status: number, raw: readonly Buffer[]): AnswerHead | Reason {
  if (isRedirect(status)) return 'redirect';
  if (raw.length > 2 * UPSTREAM_LIMITS.headersMax) return 'head';
  const headers: (readonly [string, string])[] = [];
  let length = -1;
  let isChunked = false;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at].toString('latin1').toLowerCase();
    if (name === 'content-length') {
      length = toLength(raw[at + 1].toString('latin1'));
      if (length < 0) return 'framing';
    } else if (name === 'transfer-encoding') {
      if (isChunked || raw[at + 1].toString('latin1').toLowerCase() !== 'chunked') return 'framing';
      isChunked = true;
    } else if (!DROPPED.has(name)) {
      const value = raw[at + 1].toString('latin1');
      if (name === 'content-encoding' && value.toLowerCase() !== 'identity') return 'coding';
      headers.push([name, value]);
    }
  }
  const isBodiless = status === 204 || status === 304;
  if (isBodiless) return isChunked || length > 0 ? 'framing' : { status, headers, length: 0 };
  // Both, or an answer that ends with the connection: nobody could tell it from one that was cut off.
  return isChunked === length >= 0 ? 'framing' : { status, headers, length };
}

type Http2Fields = Readonly<Record<string, string | readonly string[] | number | undefined>>;

/** The head of an answer of HTTP/2: its frames tell the end, and Node has held a length against them. */
export function readHttp2Head(fields: Http2Fields): AnswerHead | Reason {
  const status = fields[':status'];
  if (typeof status !== 'number' || status < 200 || status > 599) return 'head';
  if (isRedirect(status)) return 'redirect';
  const headers: (readonly [string, string])[] = [];
  let length = -1;
  // What a client says of the size that it takes is advice alone, also to Node.
  if (sizeOf(fields) > UPSTREAM_LIMITS.headerBytesMax) return 'head';
  for (const name in fields) {
    const value = fields[name];
    if (name.startsWith(':') || value === undefined) continue;
    if (name === 'content-length') length = toLength(String(value));
    else if (name === 'content-encoding' && value !== 'identity') return 'coding';
    else if (!DROPPED.has(name)) for (const one of [value].flat()) headers.push([name, String(one)]);
  }
  return { status, headers, length };
}

/** null where they are more than is taken. */
export function readHttp2Trailers(fields: Http2Fields): HeaderList | null {
  if (sizeOf(fields) > UPSTREAM_LIMITS.headerBytesMax) return null;
  const list: (readonly [string, string])[] = [];
  for (const name in fields) for (const one of [fields[name] ?? []].flat()) list.push([name, String(one)]);
  return list;
}

function sizeOf(fields: Http2Fields): number {
  let bytes = 0;
  for (const name in fields) bytes += name.length + String(fields[name]).length;
  return bytes;
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304;
}

/** -1 for what is no plain number of at most 15 digits. */
function toLength(text: string): number {
  if (text.length === 0 || text.length > 15) return -1;
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
