/** Heads of answers of HTTP/1.1, written out: fewer texts in between than names and values by turns would take. */
import { STATUS_CODES } from 'node:http';
import type { HeaderList } from '../../gateway/ports.ts';
import { FRONT_OWN } from './headers.ts';

export interface HeadTerms {
  readonly isTls: boolean;
  /** The connection ends after this answer. */
  readonly isLast: boolean;
  /** Lines that tell where the body ends. */
  readonly framing: string;
}

const CLOSE = 'connection: close\r\n\r\n';
const KEEP = 'connection: keep-alive\r\n\r\n';

/**
 * Headers as `toFlatHeaders` has them, up to the empty line.
 * @throws TypeError for what would be no line of its own: then the answer is not sent
 */
export function toAnswerHead(status: number, headers: HeaderList, { isTls, isLast, framing }: HeadTerms): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}`;
  let [values, hasCaching] = ['', false];
  for (const [name, value] of headers) {
    const begin = begins.get(name) ?? toBegin(name);
    if (begin === '') continue;
    values += value;
    if (name === 'cache-control') hasCaching = true;
    head += begin + value;
  }
  // All in one look: for each of them it would take longer than all else here.
  if (NO_VALUE.test(values)) throw new TypeError(NOT_A_VALUE);
  head += '\r\nx-content-type-options: nosniff\r\n';
  if (!hasCaching) head += 'cache-control: no-store\r\n';
  if (isTls) head += 'strict-transport-security: max-age=31536000\r\n';
  return `${head}${framing}date: ${toDate()}\r\n${isLast ? CLOSE : KEEP}`;
}

/** @throws TypeError as {@link toAnswerHead} */
export function toTrailers(fields: HeaderList): string {
  let text = '';
  for (const [name, value] of fields) {
    assertName(name);
    if (NO_VALUE.test(value)) throw new TypeError(NOT_A_VALUE);
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

const NAME = /^[a-z0-9-]+$/;
/** As of Node: tab, printable ASCII, and what is beyond ASCII in Latin-1. */
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const NOT_A_VALUE = 'internal error: no value of a header';

/** What stands before the value of a header, with the end of the line before; empty for one that is the front's own. */
const begins = new Map<string, string>();

/** Names are the gateway's own, and few. @throws TypeError for what is no name */
function toBegin(name: string): string {
  assertName(name);
  const begin = FRONT_OWN.has(name) ? '' : `\r\n${name}: `;
  begins.set(name, begin);
  return begin;
}

function assertName(name: string): void {
  if (!NAME.test(name)) throw new TypeError('internal error: no name of a header');
}

let date = { second: 0, text: '' };

/** Written anew each second. */
function toDate(): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (second !== date.second) date = { second, text: new Date(nowMs).toUTCString() };
  return date.text;
}
