/** What words of the command line mean in a graph: nodes, values, attributes, tensors, specs of nodes. */
import { CliError } from '../../../core/errors.ts';
import { isDType } from '../../../model/dtype.ts';
import type { AttributeJson, NodeLike, NodeQuery, Transaction, ValueJson, ValueRef } from '../../../surgery/index.ts';

/** Options that most verbs share. */
export interface WordFlags {
  readonly scope?: string;
}

function refuse(message: string): never {
  throw new CliError('CLI_USAGE', { message });
}

/** A node by its name where one has it, else by a value that it makes. */
export function toNode(tx: Transaction, word: string, { scope }: WordFlags): NodeLike {
  const named = tx.find({ name: word, ...(scope !== undefined && { scope }) });
  if (named.length === 1) return named[0];
  return tx.producer(toValue(word, { scope })) ?? { name: word, ...(scope !== undefined && { scope }) };
}

export function toValue(word: string, { scope }: { readonly scope?: string | undefined }): ValueRef {
  return { value: word, ...(scope !== undefined && { scope }) };
}

/** A name, or an expression between slashes. */
export function toName(word: string): string | RegExp {
  const expression = /^\/(.+)\/(i?)$/.exec(word);
  if (expression === null) return word;
  try {
    return new RegExp(expression[1], expression[2]);
  } catch {
    return refuse(`${word} is not a regular expression.`);
  }
}

export function toIndex(word: string): number {
  return /^\d{1,9}$/.test(word) ? Number(word) : refuse(`${word} is not a whole number.`);
}

/** A version: a whole number above 0. */
export function toVersion(word: string): number {
  const version = toIndex(word);
  return version > 0 ? version : refuse(`${word} is not a version.`);
}

/** JSON of any kind; a file's content is given as text by the caller. */
export function toJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return refuse(`${what} is not JSON.`);
  }
}

/**
 * NAME=VALUE as an attribute: 3 is an int, 0.5 and 3.0 are floats, [1,2] ints, [0.5] floats, other words are strings; an
 * object is taken as the attribute itself, such as {"float": 3}.
 */
export function toAttribute(word: string): readonly [string, AttributeJson] {
  const at = word.indexOf('=');
  if (at < 1) return refuse(`${word} is not NAME=VALUE.`);
  return [word.slice(0, at), toAttributeValue(word.slice(at + 1))];
}

/** NAME=NAME. */
export function toPair(word: string, form = 'NAME=NAME'): readonly [string, string] {
  const at = word.indexOf('=');
  return at < 1 ? refuse(`${word} is not ${form}.`) : [word.slice(0, at), word.slice(at + 1)];
}

/** NAME=LENGTH of symbolic dimensions. */
export function toDimLengths(words: readonly string[] = []): Readonly<Record<string, number>> {
  return Object.fromEntries(
    words.map((word) => {
      const [name, length] = toPair(word, 'NAME=LENGTH');
      return [name, toIndex(length)];
    }),
  );
}

const INT = /^-?\d+$/;
const NUMBER = /^-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

export function toAttributeValue(text: string): AttributeJson {
  if (INT.test(text)) return { int: text };
  if (NUMBER.test(text)) return { float: Number(text) };
  if (text.startsWith('{')) return toJson(text, 'The attribute') as AttributeJson;
  if (!text.startsWith('[')) return { string: text };
  const words = text
    .slice(1, text.endsWith(']') ? -1 : undefined)
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (words.every((item) => INT.test(item))) return { ints: words };
  if (words.every((item) => NUMBER.test(item))) return { floats: words.map(Number) };
  return { strings: words.map((item) => item.replace(/^"(.*)"$/, '$1')) };
}

/** NAME, or NAME:TYPE, or NAME:TYPE[1,n,?]: n is a symbol, ? unknown. */
export function toTypedValue(word: string): ValueJson {
  const match = /^([^:]+)(?::(\w+)(?:\[([^\]]*)\])?)?$/.exec(word);
  if (match === null) return refuse(`${word} is not NAME:TYPE[SHAPE], such as x:f32[1,n,8].`);
  const [, name, dtype, dims] = match as unknown as readonly [string, string, string | undefined, string | undefined];
  if (dtype !== undefined && !isDType(dtype)) return refuse(`${dtype} is not an element type.`);
  return {
    name,
    ...(dtype !== undefined && { dtype }),
    ...(dims !== undefined && { shape: toDims(dims) }),
  };
}

function toDims(text: string): (number | string | null)[] {
  if (text.trim() === '') return [];
  return text.split(',').map((item) => {
    const word = item.trim();
    if (word === '?') return null;
    return /^\d+$/.test(word) ? Number(word) : word;
  });
}

export interface FindFlags extends WordFlags {
  readonly op?: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly reads?: string;
  readonly makes?: string;
}

export function toQuery({ op, name, domain, reads, makes, scope }: FindFlags): NodeQuery {
  return {
    ...(op !== undefined && { op }),
    ...(name !== undefined && { name: toName(name) }),
    ...(domain !== undefined && { domain }),
    ...(reads !== undefined && { reads }),
    ...(makes !== undefined && { makes }),
    ...(scope !== undefined && { scope }),
  };
}
