/** Answers of the front itself: `{"error":{"code","message"}}`, with the status of the code. */
import { ERRORS } from '../../core/errors.ts';
import type { HeaderList } from '../../gateway/ports.ts';
import { toFlatHeaders } from './headers.ts';
import type { FrontCode } from './types.ts';

export interface Refusal {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** How `code` is answered. */
export function toRefusal(code: FrontCode): Refusal {
  const { http, message } = ERRORS[code];
  // The code stands where protocols put theirs, too: callers look at one place, whoever refused.
  const head: HeaderList = [
    ['content-type', 'application/json'],
    ['x-modelward-code', code],
  ];
  return {
    status: http,
    headers: [...head, ...(MORE[http] ?? [])],
    body: Buffer.from(JSON.stringify({ error: { code, message } })),
  };
}

const MORE: Readonly<Record<number, HeaderList>> = {
  401: [['www-authenticate', 'Bearer']],
  429: [['retry-after', '1']],
  503: [['retry-after', '1']],
};

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/**
 * A whole HTTP/1.1 answer as bytes, after which the connection ends: for when Node's own way is closed, since the request
 * was none, or is still coming.
 */
export function toRawRefusal(code: FrontCode, about: { readonly isTls: boolean; readonly isHead: boolean }): Buffer {
  const { status, headers, body } = toRefusal(code);
  const flat = [
    ...toFlatHeaders(headers, about.isTls),
    ...['content-length', String(body.length), 'connection', 'close', 'date', new Date().toUTCString()],
  ];
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}`];
  for (let at = 0; at < flat.length; at += 2) lines.push(`${flat[at]}: ${flat[at + 1]}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return about.isHead ? head : Buffer.concat([head, body]);
}
