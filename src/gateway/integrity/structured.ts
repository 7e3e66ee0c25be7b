/** Structured fields of HTTP (RFC 9651), as far as digests and signatures use them: dictionaries of items and inner lists. */
import { findBase64Bytes, toBase64 } from '../../core/bytes.ts';
import { INTEGRITY_LIMITS } from '../../core/limits/integrity.ts';

export interface Token {
  readonly token: string;
}

/** Integer, string, boolean, byte sequence or token; decimals, dates and display strings are in no field that is read here. */
export type BareItem = number | string | boolean | Uint8Array | Token;

export type Parameters = ReadonlyMap<string, BareItem>;

export interface Item {
  readonly value: BareItem;
  readonly parameters: Parameters;
}

export interface InnerList {
  readonly items: readonly Item[];
  readonly parameters: Parameters;
}

export type Dictionary = ReadonlyMap<string, Item | InnerList>;

export function isInnerList(member: Item | InnerList): member is InnerList {
  return 'items' in member;
}

/** The dictionary in a field's value; null for anything that section 4.2.2 does not parse, or that is too long. */
export function findDictionary(text: string): Dictionary | null {
  if (text.length > INTEGRITY_LIMITS.fieldCharsMax) return null;
  const scanner = new Scanner(text);
  try {
    return scanner.dictionary();
  } catch (error) {
    if (error instanceof Unparsable) return null;
    throw error;
  }
}

/** @see RFC 9651 section 4.1.1.1 */
export function toInnerListText({ items, parameters }: InnerList): string {
  return `(${items.map(toItemText).join(' ')})${toParametersText(parameters)}`;
}

export function toItemText({ value, parameters }: Item): string {
  return `${toBareText(value)}${toParametersText(parameters)}`;
}

function toParametersText(parameters: Parameters): string {
  let text = '';
  for (const [key, value] of parameters) text += value === true ? `;${key}` : `;${key}=${toBareText(value)}`;
  return text;
}

function toBareText(value: BareItem): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return toStringText(value);
  if (typeof value === 'boolean') return value ? '?1' : '?0';
  return value instanceof Uint8Array ? `:${toBase64(value)}:` : value.token;
}

/** @param text printable ASCII */
export function toStringText(text: string): string {
  // To look first is quicker than to replace nothing.
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}

class Unparsable extends Error {}

const KEY = /[a-z*][a-z0-9_.*-]*/y;
const TOKEN = /[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*/y;
const INTEGER = /-?\d{1,15}(?![\d.])/y;
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y;
const BYTES = /:([A-Za-z0-9+/]*={0,2}):/y;
const BOOLEAN = /\?([01])/y;
const SPACES = / */y;
const BLANKS = /[ \t]*/y;

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  dictionary(): Dictionary {
    const members = new Map<string, Item | InnerList>();
    this.#take(SPACES);
    while (this.#at < this.#text.length) {
      const key = this.#need(KEY)[0];
      const member = this.#member();
      // The last one of a name counts, and stands at the end.
      members.delete(key);
      members.set(key, member);
      if (this.#take(SPACES) !== null && this.#at === this.#text.length) break;
      this.#take(BLANKS);
      if (!this.#is(',')) throw new Unparsable();
      this.#take(BLANKS);
      if (this.#at === this.#text.length) throw new Unparsable();
    }
    return members;
  }

  #member(): Item | InnerList {
    if (!this.#is('=')) return { value: true, parameters: this.#parameters() };
    return this.#is('(') ? this.#innerList() : this.#item();
  }

  #innerList(): InnerList {
    const items: Item[] = [];
    for (;;) {
      const spaces = this.#need(SPACES)[0].length;
      if (this.#is(')')) return { items, parameters: this.#parameters() };
      if (items.length > 0 && spaces === 0) throw new Unparsable();
      items.push(this.#item());
    }
  }

  #item(): Item {
    return { value: this.#bare(), parameters: this.#parameters() };
  }

  #parameters(): Parameters {
    const parameters = new Map<string, BareItem>();
    while (this.#is(';')) {
      this.#take(SPACES);
      const key = this.#need(KEY)[0];
      parameters.delete(key);
      parameters.set(key, this.#is('=') ? this.#bare() : true);
    }
    return parameters;
  }

  #bare(): BareItem {
    const string = this.#take(STRING);
    if (string !== null) return string[1].replace(/\\(.)/g, '$1');
    const bytes = this.#take(BYTES);
    if (bytes !== null) return findBase64Bytes(bytes[1]) ?? this.#fail();
    const integer = this.#take(INTEGER);
    if (integer !== null) return Number(integer[0]);
    const boolean = this.#take(BOOLEAN);
    if (boolean !== null) return boolean[1] === '1';
    return { token: this.#need(TOKEN)[0] };
  }

  #is(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }

  #need(pattern: RegExp): RegExpExecArray {
    return this.#take(pattern) ?? this.#fail();
  }

  #fail(): never {
    throw new Unparsable();
  }
}
