/** A strict JSON cursor over bytes (RFC 8259): no trees, exact offsets, duplicate keys seen by the caller. */
import { TextDecoder } from 'node:util';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
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
  readonly bytes: Buffer;
}

/** A cursor over `bytes`, which are not copied. */
export function toCursor(bytes: Uint8Array): JsonCursor {
  return { at: 0, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

const CHAR = { quote: 0x22, comma: 0x2c, colon: 0x3a, backslash: 0x5c } as const;
const OPEN = { object: 0x7b, array: 0x5b } as const;
const CLOSE = { object: 0x7d, array: 0x5d } as const;

function skipSpace(cursor: JsonCursor): void {
  const { bytes } = cursor;
  for (; cursor.at < bytes.length; cursor.at++) {
    const byte = bytes[cursor.at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
  }
}

/** The next byte after space; -1 at the end. */
function peek(cursor: JsonCursor): number {
  skipSpace(cursor);
  return cursor.at < cursor.bytes.length ? cursor.bytes[cursor.at] : -1;
}

function expectByte(cursor: JsonCursor, byte: number): void {
  if (peek(cursor) !== byte) throw new JsonProblem(`expected ${String.fromCharCode(byte)}`, cursor.at);
  cursor.at++;
}

/** @throws JsonProblem when anything but space is left */
export function expectEnd(cursor: JsonCursor): void {
  if (peek(cursor) !== -1) throw new JsonProblem('bytes after the document', cursor.at);
}

/**
 * Visits the members of an object; `visit` is called with the cursor at the value and must consume it.
 * @throws JsonProblem
 */
export function readObject(cursor: JsonCursor, visit: (key: string, keyStart: number) => void): void {
  expectByte(cursor, OPEN.object);
  if (peek(cursor) === CLOSE.object) {
    cursor.at++;
    return;
  }
  for (;;) {
    skipSpace(cursor);
    const keyStart = cursor.at;
    const key = readString(cursor);
    expectByte(cursor, CHAR.colon);
    skipSpace(cursor);
    visit(key, keyStart);
    if (peek(cursor) === CHAR.comma) {
      cursor.at++;
      continue;
    }
    expectByte(cursor, CLOSE.object);
    return;
  }
}

/** Visits the items of an array like {@link readObject}. @throws JsonProblem */
export function readArray(cursor: JsonCursor, visit: () => void): void {
  expectByte(cursor, OPEN.array);
  if (peek(cursor) === CLOSE.array) {
    cursor.at++;
    return;
  }
  for (;;) {
    skipSpace(cursor);
    visit();
    if (peek(cursor) === CHAR.comma) {
      cursor.at++;
      continue;
    }
    expectByte(cursor, CLOSE.array);
    return;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Printable ASCII without quote and backslash: its bytes are its text. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** @throws JsonProblem for control characters, bad escapes, lone surrogates and bytes that are not UTF-8 */
export function readString(cursor: JsonCursor): string {
  expectByte(cursor, CHAR.quote);
  const start = cursor.at;
  // Nearly all strings end at the next quote; finding it natively is what makes a cold index fast.
  const next = cursor.bytes.indexOf(CHAR.quote, start);
  if (next === -1) throw new JsonProblem('unterminated string', start);
  if (next - start > FORMAT_LIMITS.safetensorsStringBytesMax) throw new JsonProblem('string too long', start);
  const text = cursor.bytes.toString('latin1', start, next);
  cursor.at = next + 1;
  return PLAIN.test(text) ? text : readEscapedString(cursor, start);
}

function readEscapedString(cursor: JsonCursor, start: number): string {
  const { bytes } = cursor;
  let end = start;
  for (; end < bytes.length && bytes[end] !== CHAR.quote; end++) {
    if (bytes[end] < 0x20) throw new JsonProblem('control character', end);
    if (bytes[end] === CHAR.backslash) end++;
  }
  if (end >= bytes.length) throw new JsonProblem('unterminated string', start);
  if (end - start > FORMAT_LIMITS.safetensorsStringBytesMax) throw new JsonProblem('string too long', start);
  cursor.at = end + 1;
  return decodeString(bytes.subarray(start, end), start);
}

function decodeString(bytes: Uint8Array, start: number): string {
  let value: string;
  try {
    value = JSON.parse(`"${decoder.decode(bytes)}"`) as string;
  } catch {
    throw new JsonProblem('bad string', start);
  }
  // An escape can name half a surrogate pair, which no UTF-8 key equals.
  if (LONE_SURROGATE.test(value)) throw new JsonProblem('lone surrogate', start);
  return value;
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
  const value = Number(cursor.bytes.toString('latin1', start, cursor.at));
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
  const byte = peek(cursor);
  const inner = (): void => {
    skipValue(cursor, depthMax - 1);
  };
  if (byte === OPEN.object) readObject(cursor, inner);
  else if (byte === OPEN.array) readArray(cursor, inner);
  else if (byte === CHAR.quote) readString(cursor);
  else skipScalar(cursor, start);
}

function skipScalar(cursor: JsonCursor, start: number): void {
  const match = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(
    cursor.bytes.toString('latin1', cursor.at, cursor.at + 400),
  );
  if (match === null) throw new JsonProblem('not a value', start);
  cursor.at += match[0].length;
}
