/**
 * Heads of the plainest requests of HTTP/1.1: those that most clients send, in which nothing can be read in two ways. Whatever is not
 * certain to be one is left to Node's parser, which takes all of these, too, and reads the same in them.
 */
import { findHttp1Fault } from './framing.ts';

export interface PlainHead {
  readonly method: 'POST';
  readonly target: string;
  /** Lower-case names, each once. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Content-Length, 1 or more. */
  readonly bodyBytes: number;
}

const REQUEST_LINE = /^POST (\/[\x21-\x7e]*) HTTP\/1\.1$/;
/** Printable ASCII without space around it; no underscore in names: some servers take it for "-". */
const FIELD = /^([!#$%&'*+.^`|~0-9A-Za-z-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;
const LENGTH = /^[1-9][0-9]{0,9}$/;
const FIELDS_MAX = 64;

/** About the connection or the form of the body, beyond a length. */
const NOT_PLAIN: ReadonlySet<string> = new Set([
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** @param text Latin-1, up to the empty line that ends the head, without it */
export function findPlainHead(text: string): PlainHead | null {
  const [first, ...fields] = text.split('\r\n');
  const target = REQUEST_LINE.exec(first)?.[1];
  if (target === undefined || fields.length > FIELDS_MAX) return null;
  const headers: Record<string, string> = {};
  for (const line of fields) {
    const field = FIELD.exec(line);
    if (field === null) return null;
    const name = field[1].toLowerCase();
    if (NOT_PLAIN.has(name) || Object.hasOwn(headers, name)) return null;
    if (name === 'connection' && field[2].toLowerCase() !== 'keep-alive') return null;
    headers[name] = field[2];
  }
  const length = headers['content-length'] as string | undefined;
  if (length === undefined || !LENGTH.test(length)) return null;
  if (findHttp1Fault('1.1', 'POST', target, headers) !== null) return null;
  return { method: 'POST', target, headers, bodyBytes: Number(length) };
}
