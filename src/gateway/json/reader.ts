/**
 * Strict JSON (RFC 8259) over bytes, token by token: nothing is built that was not asked for, so that neither depth nor
 * length of a body costs memory, and nothing has two readings.
 */
import { type ErrorCode, type ErrorFields, GatewayError } from '../../core/errors.ts';
import { findName } from './names.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const BACKSLASH = 0x5c;

/** What may follow a backslash beside u: " \\ / b f n r t */
const ESCAPED = [0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74];

/** Powers of ten that a double holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
/** So many digits are below 2^53, whatever they are. */
const EXACT_DIGITS = 15;
/** So many digits, each beyond the exact ones with two roundings of 2^-53, and a last one, are off by less than that share. */
const CLOSE_DIGITS = 25;
const CLOSE = 2 ** -47;

/** What stands next. */
export type TokenKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';

/** A place before a value. */
export interface Mark {
  readonly at: number;
  readonly depth: number;
}

export interface ReaderOptions {
  /** Arrays and objects in each other. */
  readonly depthMax: number;
  /** Of what is not JSON: a caller's body is his mistake, an answer is the server's. */
  readonly code: ErrorCode;
}

/**
 * Walks a text: `enterObject`, then `nextKey` until it is null, reading or skipping each value; `enterArray`, then
 * `nextElement` until it is false.
 * @throws GatewayError the code of the options, with the offset, from every method
 * @see RFC 8259; for numbers: W. D. Clinger, How to Read Floating Point Numbers Accurately (PLDI 1990)
 */
export class JsonReader {
  /** Offset of what is read next. */
  at = 0;
  /** Of the number that was read last: it has neither fraction nor exponent. */
  isInteger = false;
  /** Where the number that was read last begins. */
  numberStart = 0;
  readonly bytes: Buffer;
  readonly #depthMax: number;
  readonly #code: ErrorCode;
  #depth = 0;
  /** Of the number that was scanned last. */
  #mantissa = 0;
  #digits = 0;
  #exponent = 0;
  #isNegative = false;
  /** For each depth whether the bracket that is open there is an object's. */
  readonly #objects: boolean[] = [];
  /** Directly after an opening bracket: no comma comes before the next member. */
  #isFirst = false;

  /** @param bytes the text and nothing else; not copied */
  constructor(bytes: Uint8Array, options: ReaderOptions) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#depthMax = options.depthMax;
    this.#code = options.code;
  }

  fail(problem: string, fields: ErrorFields = {}): never {
    throw new GatewayError(this.#code, { fields: { problem, offset: this.at, ...fields } });
  }

  /** Where the reader stands, to come back to it. */
  mark(): Mark {
    return { at: this.at, depth: this.#depth };
  }

  rewind({ at, depth }: Mark): void {
    this.at = at;
    this.#depth = depth;
  }

  /** What stands next. */
  peek(): TokenKind {
    switch (this.#space()) {
      case OPEN_OBJECT:
        return 'object';
      case OPEN_ARRAY:
        return 'array';
      case QUOTE:
        return 'string';
      case 0x74:
        return 'true';
      case 0x66:
        return 'false';
      case 0x6e:
        return 'null';
      default:
        return 'number';
    }
  }

  enterObject(): void {
    if (this.#space() !== OPEN_OBJECT) this.fail('no object');
    this.#enter();
  }

  enterArray(): void {
    if (this.#space() !== OPEN_ARRAY) this.fail('no array');
    this.#enter();
  }

  /** The next name of the object, or null behind the last. */
  nextKey(): string | null {
    if (!this.#nextMember(CLOSE_OBJECT)) return null;
    const key = this.readName();
    this.#colon();
    return key;
  }

  /** False behind the last element, which then is left. */
  nextElement(): boolean {
    return this.#nextMember(CLOSE_ARRAY);
  }

  /** A string; unpaired surrogates and bytes that are no UTF-8 come as U+FFFD. */
  readString(): string {
    const start = this.at;
    return this.#skipString() ? this.#unescape(start) : this.bytes.toString('utf8', start + 1, this.at - 1);
  }

  /** As {@link readString}, for texts of which there are few. */
  readName(): string {
    const start = this.at;
    if (this.#skipString()) return this.#unescape(start);
    return findName(this.bytes, start + 1, this.at - 1) ?? this.bytes.toString('utf8', start + 1, this.at - 1);
  }

  /** Rare, and already known to be well formed. */
  #unescape(start: number): string {
    const text = JSON.parse(this.bytes.toString('utf8', start, this.at)) as string;
    return Buffer.from(text, 'utf8').toString('utf8');
  }

  /** The number, correctly rounded; `isInteger` and `numberStart` tell how it was written. */
  readNumber(): number {
    this.#scanNumber();
    const exponent = this.#exponent;
    if (this.#digits > EXACT_DIGITS || exponent > 22 || exponent < -22) return Number(this.numberText());
    return this.#approximate(exponent);
  }

  /** The number as the nearest double, and that as the nearest FP32. */
  readSingle(): number {
    this.#scanNumber();
    const exponent = this.#exponent;
    if (exponent > 22 || exponent < -22 || this.#digits > CLOSE_DIGITS) return Math.fround(Number(this.numberText()));
    const value = this.#approximate(exponent);
    const single = Math.fround(value);
    if (this.#digits <= EXACT_DIGITS) return single;
    // Everything between the two bounds, the true value and its double with them, rounds to the same FP32.
    const isSure = Math.fround(value * (1 - CLOSE)) === single && Math.fround(value * (1 + CLOSE)) === single;
    return isSure ? single : Math.fround(Number(this.numberText()));
  }

  /** Exact for up to 15 digits; for up to {@link CLOSE_DIGITS} off by less than {@link CLOSE} of itself. */
  #approximate(exponent: number): number {
    const mantissa = this.#mantissa;
    const value = exponent < 0 ? mantissa / POWERS[-exponent] : mantissa * POWERS[exponent];
    return this.#isNegative ? -value : value;
  }

  /** Digits, sign and exponent of the number that stands next. */
  #scanNumber(): void {
    this.#space();
    const { bytes } = this;
    const start = this.at;
    let at = start;
    let byte = bytes[at];
    const isNegative = byte === 0x2d;
    if (isNegative) byte = bytes[++at];
    const firstDigit = at;
    let mantissa = 0;
    // Leading zeros of 0.000123 count as digits, too: then the slow way is right all the same.
    while (byte >= 0x30 && byte <= 0x39) {
      mantissa = mantissa * 10 + (byte - 0x30);
      byte = bytes[++at];
    }
    let digits = at - firstDigit;
    if (digits === 0 || (digits > 1 && bytes[firstDigit] === 0x30)) this.fail('no value');
    this.isInteger = true;
    let exponent = 0;
    if (byte === 0x2e) {
      const firstDecimal = ++at;
      byte = bytes[at];
      while (byte >= 0x30 && byte <= 0x39) {
        mantissa = mantissa * 10 + (byte - 0x30);
        byte = bytes[++at];
      }
      exponent = firstDecimal - at;
      if (exponent === 0) this.fail('a fraction without digits');
      digits -= exponent;
      this.isInteger = false;
    }
    this.at = at;
    if (byte === 0x65 || byte === 0x45) exponent += this.#readExponent();
    this.numberStart = start;
    this.#isNegative = isNegative;
    this.#mantissa = mantissa;
    this.#digits = digits;
    this.#exponent = exponent;
  }

  /** The text of the number that was read last. */
  numberText(): string {
    return this.bytes.toString('latin1', this.numberStart, this.at);
  }

  readBoolean(): boolean {
    const kind = this.peek();
    if (kind !== 'true' && kind !== 'false') this.fail('no truth value');
    this.#word(kind);
    return kind === 'true';
  }

  /** Goes over one value, whatever it is, checking it as strictly. */
  skip(): void {
    const outer = this.#depth;
    do {
      const kind = this.peek();
      if (kind === 'object' || kind === 'array') {
        this.#enter();
      } else {
        this.#skipScalar(kind);
      }
      this.#leaveToNext(outer);
    } while (this.#depth > outer);
  }

  /** Nothing but white space may follow. */
  finish(): void {
    if (this.#space() !== -1) this.fail('more after the end');
  }

  /** Behind a value: leaves what ends here, and goes to the next value of what does not, in which `skip` goes on. */
  #leaveToNext(outer: number): void {
    while (this.#depth > outer) {
      if (this.#objects[this.#depth] ? this.#skipKey() : this.nextElement()) return;
    }
  }

  /** {@link nextKey} without its text. */
  #skipKey(): boolean {
    if (!this.#nextMember(CLOSE_OBJECT)) return false;
    this.#skipString();
    this.#colon();
    return true;
  }

  #colon(): void {
    if (this.#space() !== COLON) this.fail('no colon after a name');
    this.at++;
  }

  #skipScalar(kind: TokenKind): void {
    if (kind === 'string') this.#skipString();
    else if (kind === 'number') this.#scanNumber();
    else this.#word(kind);
  }

  #enter(): void {
    if (++this.#depth > this.#depthMax) this.fail('too deep', { max: this.#depthMax });
    this.#objects[this.#depth] = this.bytes[this.at] === OPEN_OBJECT;
    this.at++;
    this.#isFirst = true;
  }

  #nextMember(close: number): boolean {
    let byte = this.#space();
    if (byte === close) {
      this.at++;
      this.#depth--;
      this.#isFirst = false;
      return false;
    }
    if (!this.#isFirst) {
      if (byte !== COMMA) this.fail('no comma');
      this.at++;
      byte = this.#space();
    }
    this.#isFirst = false;
    if (byte === close || (close === CLOSE_OBJECT && byte !== QUOTE)) this.fail('no member after a comma');
    return true;
  }

  /** Over white space. @returns the byte that follows, -1 at the end */
  #space(): number {
    const { bytes } = this;
    for (let at = this.at; ; at++) {
      const byte = bytes[at];
      if (byte > 0x20) {
        this.at = at;
        return byte;
      }
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
      this.at = at;
      if (at >= bytes.length) return -1;
      this.fail('a control character');
    }
  }

  /** Over the string that begins here. @returns whether it holds escapes */
  #skipString(): boolean {
    const { bytes } = this;
    if (bytes[this.at] !== QUOTE) this.fail('no string');
    let isEscaped = false;
    for (let at = this.at + 1; ; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.at = at + 1;
        return isEscaped;
      }
      if (byte === BACKSLASH) {
        isEscaped = true;
        at += this.#escapeLength(at + 1);
      } else if (!(byte >= 0x20)) {
        this.at = at;
        this.fail(at >= bytes.length ? 'a string without end' : 'a control character');
      }
    }
  }

  /** Characters of the escape behind a backslash. */
  #escapeLength(at: number): number {
    const byte = this.bytes[at];
    if (byte === 0x75) {
      for (let i = 1; i <= 4; i++) if (!isHexDigit(this.bytes[at + i])) this.fail('no escape');
      return 5;
    }
    if (!ESCAPED.includes(byte)) this.fail('no escape');
    return 1;
  }

  /** The exponent that begins here with its letter; beyond every double it does not matter by how much. */
  #readExponent(): number {
    let at = this.at + 1;
    const sign = this.bytes[at];
    if (sign === 0x2d || sign === 0x2b) at++;
    const first = at;
    let value = 0;
    for (let byte = this.bytes[at]; byte >= 0x30 && byte <= 0x39; byte = this.bytes[++at]) {
      value = Math.min(value * 10 + (byte - 0x30), 100_000);
    }
    if (at === first) this.fail('an exponent without digits');
    this.at = at;
    this.isInteger = false;
    return sign === 0x2d ? -value : value;
  }

  #word(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.at + i] !== word.charCodeAt(i)) this.fail('no value');
    }
    this.at += word.length;
  }
}

function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}
