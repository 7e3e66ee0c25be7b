/** JSON bodies with one key in them, as base64: the key goes in and out as bytes, since strings cannot be wiped. */
import { allocSecret, utf8, zeroize } from '../../core/bytes.ts';

const STANDARD = utf8('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const URL_SAFE = utf8('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');
const PAD = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** `base64url` has no padding. */
export type Base64Kind = 'base64' | 'base64url';

/**
 * `{...members, [name]: base64 of secret}`; the caller wipes the bytes.
 * @param members must not hold `name`
 */
export function toSecretJson(
  members: Readonly<Record<string, unknown>>,
  secret: { readonly name: string; readonly bytes: Uint8Array; readonly kind: Base64Kind },
): Uint8Array {
  const rest = JSON.stringify(members).slice(0, -1);
  const head = utf8(`${rest}${rest === '{' ? '' : ','}"${secret.name}":"`);
  const { bytes } = secret;
  const isPadded = secret.kind === 'base64';
  const length = isPadded ? 4 * Math.ceil(bytes.length / 3) : Math.ceil((bytes.length * 4) / 3);
  const body = allocSecret(head.length + length + 2);
  body.set(head);
  encodeBase64(bytes, body.subarray(head.length, head.length + length), isPadded ? STANDARD : URL_SAFE);
  body.set([QUOTE, 0x7d], head.length + length);
  return body;
}

function encodeBase64(bytes: Uint8Array, into: Uint8Array, alphabet: Uint8Array): void {
  for (let at = 0; at < into.length; at++) {
    const from = Math.floor((at * 6) / 8);
    const shift = 10 - ((at * 6) % 8);
    const bits = ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0);
    into[at] = at * 6 < bytes.length * 8 ? alphabet[(bits >> shift) & 63] : PAD;
  }
}

/**
 * Takes the base64 string of the member `name` out of JSON bytes, wherever it lies, and blanks it there.
 * @returns a buffer of its own that the caller wipes; undefined where there is no such member, more than one, or what it
 *   holds is not the one right base64 of anything
 */
export function takeSecret(
  json: Uint8Array,
  { name, kind }: { readonly name: string; readonly kind: Base64Kind },
): Uint8Array | undefined {
  const starts = findValues(json, name);
  if (starts.length !== 1) return undefined;
  const end = json.indexOf(QUOTE, starts[0]);
  if (end < 0) return undefined;
  const text = unescape(json.subarray(starts[0], end));
  try {
    return text === undefined ? undefined : decodeBase64(text, kind);
  } finally {
    json.fill(0x20, starts[0], end);
    if (text !== undefined) zeroize(text);
  }
}

/** Where the string values of members called `name` begin, behind their quotes. */
function findValues(json: Uint8Array, name: string): number[] {
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  const member = `"${name}"`;
  const starts: number[] = [];
  for (let at = text.indexOf(member); at >= 0; at = text.indexOf(member, at + 1)) {
    const colon = skipSpaces(json, at + member.length);
    const value = skipSpaces(json, colon + 1);
    if (json[colon] === 0x3a && json[value] === QUOTE) starts.push(value + 1);
  }
  return starts;
}

function skipSpaces(json: Uint8Array, from: number): number {
  let at = from;
  while (SPACES.has(json[at])) at++;
  return at;
}

/** Undoes the escapes that JSON writers use for characters of base64: `\/`, `\u003d` and the like. */
function unescape(text: Uint8Array): Uint8Array | undefined {
  const out = allocSecret(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== BACKSLASH) {
      out[length++] = text[at];
    } else if (text[at + 1] === 0x2f) {
      out[length++] = 0x2f;
      at += 1;
    } else {
      const code = /^u00([0-9a-f]{2})$/i.exec(Buffer.from(text.subarray(at + 1, at + 6)).toString('latin1'))?.[1];
      if (code === undefined) {
        zeroize(out);
        return undefined;
      }
      out[length++] = parseInt(code, 16);
      at += 5;
    }
  }
  return out.subarray(0, length);
}

function decodeBase64(text: Uint8Array, kind: Base64Kind): Uint8Array | undefined {
  const alphabet = kind === 'base64' ? STANDARD : URL_SAFE;
  const firstPad = text.indexOf(PAD);
  const digits = text.subarray(0, firstPad < 0 ? text.length : firstPad);
  const padding = text.subarray(digits.length);
  const paddingLength = kind === 'base64' ? (4 - (digits.length % 4)) % 4 : 0;
  if (padding.length !== paddingLength || padding.some((byte) => byte !== PAD)) return undefined;
  if (digits.length % 4 === 1) return undefined;
  const bytes = allocSecret(Math.floor((digits.length * 6) / 8));
  let bits = 0;
  let held = 0;
  let length = 0;
  for (const digit of digits) {
    const value = alphabet.indexOf(digit);
    if (value < 0) {
      zeroize(bytes);
      return undefined;
    }
    bits = ((bits << 6) | value) & 0xfff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[length++] = (bits >> held) & 0xff;
    }
  }
  // Bits that no byte uses are zero in the one right spelling.
  if ((bits & ((1 << held) - 1)) === 0) return bytes;
  zeroize(bytes);
  return undefined;
}
