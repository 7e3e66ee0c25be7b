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

/** The head of an answer of HTTP/1.1, and what it says of its connection. */
export interface Http1Head extends AnswerHead {
  /** The connection takes no further request. */
  readonly isLast: boolean;
  /** How long the server keeps it for the next one; Infinity where it does not say. */
  readonly keepAliveMs: number;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The one that was read last: answers of one server within a second often have the same. */
let last: { readonly text: string; readonly head: Http1Head } | null = null;

/** @param text Latin-1, without the empty line at its end */
export function readHttp1Head(text: string): Http1Head | Reason {
  if (last !== null && last.text === text) return last.head;
  const head = parseHttp1Head(text);
  if (typeof head !== 'string') last = { text, head };
  return head;
}

/**
 * The head of an answer of HTTP/1.1, held to its form: a folded header has no name, and a lone CR or LF is in no value.
 */
function parseHttp1Head(text: string): Http1Head | Reason {
  const lines = text.split('\r\n');
  if (lines.length - 1 > UPSTREAM_LIMITS.headersMax) return 'head';
  const line = STATUS_LINE.exec(lines[0]);
  if (line === null) return 'head';
  const status = Number(line[2]);
  if (status === 101) return 'head';
  if (isRedirect(status)) return 'redirect';
  const headers: (readonly [string, string])[] = [];
  let [length, isChunked, isLast, keepAliveMs] = [-1, false, line[1] === '0', Number.POSITIVE_INFINITY];
  for (let at = 1; at < lines.length; at++) {
    const colon = lines[at].indexOf(':');
    const name = lines[at].slice(0, colon).toLowerCase();
    const value = toValue(lines[at], colon + 1);
    if (colon < 0 || !NAME.test(name) || !VALUE.test(value)) return 'head';
    if (name === 'content-length') {
      if (length >= 0) return 'framing';
      length = toLength(value);
      if (length < 0) return 'framing';
    } else if (name === 'transfer-encoding') {
      if (isChunked || value.toLowerCase() !== 'chunked') return 'framing';
      isChunked = true;
    } else if (name === 'connection') {
      isLast ||= /(?:^|,)[\t ]*close[\t ]*(?:,|$)/i.test(value);
    } else if (name === 'keep-alive') {
      keepAliveMs = toKeepAliveMs(value);
    } else if (!DROPPED.has(name)) {
      if (name === 'content-encoding' && value.toLowerCase() !== 'identity') return 'coding';
      headers.push([name, value]);
    }
  }
  const end = toEnd(status, length, isChunked);
  return end === null ? 'framing' : { status, headers, length: end, isLast, keepAliveMs };
}

/** From there on, without tabs and spaces around it: trim() takes more, and an expression looks at inner ones again and again. */
function toValue(line: string, from: number): string {
  let [start, end] = [from, line.length];
  while (start < end && isSpace(line.charCodeAt(start))) start++;
  while (end > start && isSpace(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Answers before the answer: they have no body. */
export function isInformational({ status }: AnswerHead): boolean {
  return status < 200;
}

/** Bytes of the body, -1 for chunks; null where it cannot be told, or in two ways. */
function toEnd(status: number, length: number, isChunked: boolean): number | null {
  if (status < 200 || status === 204 || status === 304) return isChunked || length > 0 ? null : 0;
  // Both, or an answer that ends with the connection: nobody could tell it from one that was cut off.
  return isChunked === length >= 0 ? null : length;
}

function toKeepAliveMs(value: string): number {
  const seconds = /(?:^|[ ,])timeout=([0-9]{1,6})/i.exec(value)?.[1];
  return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1000;
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
