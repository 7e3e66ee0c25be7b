/**
 * Strict DER (X.690 section 10): definite, minimal lengths, low tag numbers; nothing is copied, nothing recurses.
 *
 * Own code rather than a library: timestamps and attestation need the exact signed bytes, 100 lines do, and every
 * dependency of a verifier is part of what has to be trusted.
 */
import { concatBytes, toHex } from './bytes.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8: 0x0c,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Context-specific constructed tag [n]. */
export function toContextTag(number: number): number {
  return 0xa0 | number;
}

/** One element: its tag byte, its content, and both with the header. */
export interface DerElement {
  readonly tag: number;
  readonly body: Uint8Array;
  readonly whole: Uint8Array;
}

/** Takes the fields of a SEQUENCE or SET one after the other. */
export interface DerFields {
  /** The next field, which must have `tag`; refused otherwise. */
  take(tag: number): DerElement;
  /** The next field if it has `tag`. */
  find(tag: number): DerElement | undefined;
  /** All that is left. */
  rest(): DerElement[];
}

/** Readers that refuse malformed input in the words of their user. */
export interface DerReader {
  /** The one element that `bytes` is; bytes after it are refused. */
  readonly readDer: (bytes: Uint8Array) => DerElement;
  /** Elements inside a constructed element, in order. */
  readonly toChildren: (parent: DerElement) => DerElement[];
  /** Refused when `element` has another tag; SEQUENCE unless told otherwise. */
  readonly openFields: (element: DerElement, tag?: number) => DerFields;
  /** The only element inside `parent`. */
  readonly openOnly: (parent: DerElement) => DerElement;
  /** Dotted text of an OBJECT IDENTIFIER. */
  readonly toOidText: (element: DerElement) => string;
}

/** @param refuse throws the error of the area; `at` says which part of an element is wrong */
export function createDerReader(refuse: (at: string) => never): DerReader {
  const readDer = (bytes: Uint8Array): DerElement => {
    const element = readElement(bytes, 0, refuse);
    return element.whole.length === bytes.length ? element : refuse('trailing bytes');
  };
  const toChildren = (parent: DerElement): DerElement[] => {
    const children: DerElement[] = [];
    for (let at = 0; at < parent.body.length; ) {
      const child = readElement(parent.body, at, refuse);
      children.push(child);
      at += child.whole.length;
    }
    return children;
  };
  const openFields = (element: DerElement, tag: number = TAG.sequence): DerFields => {
    if (element.tag !== tag) refuse(`tag ${element.tag}`);
    const children = toChildren(element);
    let at = 0;
    const find = (wanted: number) => (children.at(at)?.tag === wanted ? children[at++] : undefined);
    return {
      find,
      take: (wanted) => find(wanted) ?? refuse(`field ${wanted}`),
      rest: () => children.slice(at, (at = children.length)),
    };
  };
  return {
    readDer,
    toChildren,
    openFields,
    openOnly: (parent) => readDer(parent.body),
    toOidText: (element) => toOidText(element, refuse),
  };
}

/** The element that starts at `offset` of `bytes`. */
function readElement(bytes: Uint8Array, offset: number, refuse: (at: string) => never): DerElement {
  if (offset + 2 > bytes.length) refuse('header');
  const tag = bytes[offset];
  if ((tag & 0x1f) === 0x1f) refuse('tag');
  let at = offset + 2;
  let length = bytes[offset + 1];
  if (length >= 0x80) {
    const count = length - 0x80;
    // 0x80 is the indefinite length of BER; four length bytes are more than any accepted input holds.
    if (count === 0 || count > 4 || at + count > bytes.length) refuse('length');
    length = 0;
    for (const byte of bytes.subarray(at, at + count)) length = length * 256 + byte;
    if (length < 0x80 || bytes[at] === 0) refuse('length');
    at += count;
  }
  if (at + length > bytes.length) refuse('length');
  return { tag, body: bytes.subarray(at, at + length), whole: bytes.subarray(offset, at + length) };
}

function toOidText(element: DerElement, refuse: (at: string) => never): string {
  if (element.tag !== TAG.oid || element.body.length === 0 || element.body.length > 64) refuse('oid');
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of element.body) {
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc)) refuse('oid');
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const first = arcs.at(0) ?? 0;
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - top * 40, ...arcs.slice(1)].join('.');
}

/** Hex of an INTEGER's content without leading zero bytes. */
export function toIntegerHex(element: DerElement): string {
  return toHex(element.body).replace(/^(00)+(?=..)/, '');
}

/** An element of `tag` around `parts`. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...parts);
  const digits: number[] = [];
  for (let rest = body.length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  const length = body.length < 0x80 ? [body.length] : [0x80 | digits.length, ...digits];
  return concatBytes(Uint8Array.from([tag, ...length]), body);
}

/** An OBJECT IDENTIFIER from its dotted text. */
export function encodeOid(text: string): Uint8Array {
  const [first, second, ...more] = text.split('.').map(Number);
  const arcs = [first * 40 + second, ...more].flatMap((arc) => {
    const digits = [arc % 128];
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest % 128) | 0x80);
    return digits;
  });
  return encodeDer(TAG.oid, Uint8Array.from(arcs));
}
