/** A strict JSON cursor over bytes (RFC 8259): no trees, exact offsets, duplicate keys seen by the caller. */
import { TextDecoder } from 'node:util';
import { LONE_SURROGATE } from '../edits.ts';

/** What went wrong and where; callers turn it into a FormatError of their own code. */
export class JsonProblem extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

export interface JsonCursor {
  at: number;
  readonly bytes: Uint8Array;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export function skipSpace(cursor: JsonCursor): void {
  for (;;) {
    const byte = cursor.bytes[cursor.at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    cursor.at++;
  }
}

/** The next byte after space, as a character; "" at the end. */
export function peek(cursor: JsonCursor): string {
  skipSpace(cursor);
  return cursor.at < cursor.bytes.length ? String.fromCharCode(cursor.bytes[cursor.at]) : '';
}

/** @throws JsonProblem when the next character is another one */
export function expectChar(cursor: JsonCursor, char: string): void {
  if (peek(cursor) !== char) throw new JsonProblem(`expected ${char}`, cursor.at);
  cursor.at++;
}

/** @throws JsonProblem when anything but space is left */
export function expectEnd(cursor: JsonCursor): void {
  if (peek(cursor) !== '') throw new JsonProblem('bytes after the document', cursor.at);
}

/**
 * Visits the members of an object; `visit` is called with the cursor at the value and must consume it.
 * @throws JsonProblem
 */
export function readObject(cursor: JsonCursor, visit: (key: string, keyStart: number) => void): void {
  expectChar(cursor, '{');
  if (peek(cursor) === '}') {
    cursor.at++;
    return;
  }
  for (;;) {
    skipSpace(cursor);
    const keyStart = cursor.at;
    const key = readString(cursor);
    expectChar(cursor, ':');
    skipSpace(cursor);
    visit(key, keyStart);
    if (peek(cursor) === ',') {
      cursor.at++;
      continue;
    }
    expectChar(cursor, '}');
    return;
  }
}

/** Visits the items of an array like {@link readObject}. @throws JsonProblem */
export function readArray(cursor: JsonCursor, visit: () => void): void {
  expectChar(cursor, '[');
  if (peek(cursor) === ']') {
    cursor.at++;
    return;
  }
  for (;;) {
    skipSpace(cursor);
    visit();
    if (peek(cursor) === ',') {
      cursor.at++;
      continue;
    }
    expectChar(cursor, ']');
    return;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws JsonProblem for control characters, bad escapes, lone surrogates and bytes that are not UTF-8 */
export function readString(cursor: JsonCursor): string {
  const start = cursor.at;
  expectChar(cursor, '"');
  let escaped = false;
  for (;;) {
    const byte = cursor.at < cursor.bytes.length ? cursor.bytes[cursor.at] : 0;
    if (byte < 0x20) throw new JsonProblem('unterminated string', start);
    cursor.at++;
    if (byte === QUOTE) break;
    if (byte === BACKSLASH) {
      escaped = true;
      cursor.at++;
    }
  }
  try {
    const text = decoder.decode(cursor.bytes.subarray(start, cursor.at));
    const value = escaped ? (JSON.parse(text) as string) : text.slice(1, -1);
    // An escape can name half a surrogate pair, which no UTF-8 key equals.
    if (escaped && LONE_SURROGATE.test(value)) throw new JsonProblem('lone surrogate', start);
    return value;
  } catch (error) {
    throw error instanceof JsonProblem ? error : new JsonProblem('bad string', start);
  }
}

/** A non-negative whole number without sign, point or exponent. @throws JsonProblem beyond 2^53 - 1 */
export function readCount(cursor: JsonCursor): number {
  const start = cursor.at;
  while (isDigit(cursor.bytes[cursor.at])) cursor.at++;
  const length = cursor.at - start;
  const next = cursor.bytes[cursor.at];
  const isNumberGoingOn = next === 0x2e || next === 0x65 || next === 0x45;
  if (length === 0 || length > 16 || (length > 1 && cursor.bytes[start] === 0x30) || isNumberGoingOn) {
    throw new JsonProblem('not a count', start);
  }
  const value = Number(String.fromCharCode(...cursor.bytes.subarray(start, cursor.at)));
  if (!Number.isSafeInteger(value)) throw new JsonProblem('not a safe count', start);
  return value;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** Skips any one value; nesting is bounded. @throws JsonProblem */
export function skipValue(cursor: JsonCursor, depthMax = 32): void {
  const start = cursor.at;
  if (depthMax === 0) throw new JsonProblem('nested too deep', start);
  const char = peek(cursor);
  const inner = (): void => {
    skipValue(cursor, depthMax - 1);
  };
  if (char === '{') readObject(cursor, inner);
  else if (char === '[') readArray(cursor, inner);
  else if (char === '"') readString(cursor);
  else skipScalar(cursor, start);
}

function skipScalar(cursor: JsonCursor, start: number): void {
  const text = String.fromCharCode(...cursor.bytes.subarray(cursor.at, cursor.at + 400));
  const match = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(text);
  if (match === null) throw new JsonProblem('not a value', start);
  cursor.at += match[0].length;
}
