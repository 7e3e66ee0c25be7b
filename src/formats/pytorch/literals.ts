/** Decodes the literal arguments of opcodes: text with escapes, decimal numbers, little-endian integers. */
import { TextDecoder } from 'node:util';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Its bytes are its text. */
const ASCII = /^[ -~\t\r\n]*$/;

/** UTF-8 text, or undefined. */
export function findUtf8(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1');
  if (ASCII.test(text)) return text;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

const ESCAPES: Readonly<Record<string, string | undefined>> = Object.assign(
  Object.create(null) as Record<string, string | undefined>,
  { '\n': '', '\\': '\\', "'": "'", '"': '"', a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
);

/** The text of a STRING argument: quoted as Python's repr does, bytes read as Latin-1; undefined when it is none. */
export function findQuoted(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1');
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote)) return undefined;
  return text
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([^]))/g, (all, hex?: string, octal?: string, char?: string) => {
      if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8) & 0xff);
      return ESCAPES[char ?? ''] ?? all;
    });
}

/** The text of a UNICODE argument: Latin-1 with \uXXXX and \UXXXXXXXX; undefined for a code beyond Unicode. */
export function findRawUnicode(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1');
  const codes = /\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g;
  const toCode = (short?: string, long?: string): number => parseInt(short ?? long ?? '', 16);
  for (const [, short, long] of text.matchAll(codes) as Iterable<(string | undefined)[]>) {
    if (toCode(short, long) > 0x10ffff) return undefined;
  }
  return text.replace(codes, (_, short?: string, long?: string) => String.fromCodePoint(toCode(short, long)));
}

/** INT: a decimal number, or 00 and 01 for the booleans of protocol 0. */
export function findInt(bytes: Buffer): number | bigint | boolean | undefined {
  const text = bytes.toString('latin1').trim();
  if (text === '00' || text === '01') return text === '01';
  return findLong(text);
}

/** LONG: a decimal number, with L behind it in protocol 0. */
export function findLong(text: string): number | bigint | undefined {
  // Beyond a thousand digits no size, stride or key is meant, and BigInt becomes slow.
  if (!/^[+-]?\d{1,1000}L?$/.test(text)) return undefined;
  return toWhole(BigInt(text.replace(/[+L]/g, '')));
}

function toWhole(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** LONG1 and LONG4: two's complement, little-endian, of any length; 0 when empty. */
export function toLong(bytes: Uint8Array): number | bigint {
  if (bytes.length === 0) return 0;
  const hex = Buffer.from(bytes).reverse().toString('hex');
  return toWhole(BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`)));
}

/** FLOAT: as Python prints it, nan and inf included. */
export function findFloat(bytes: Buffer): number | undefined {
  const text = bytes.toString('latin1').trim().toLowerCase();
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/.test(text)) return Number(text);
  const special = /^([+-]?)(inf|infinity|nan)$/.exec(text);
  if (special === null) return undefined;
  if (special[2] === 'nan') return NaN;
  return special[1] === '-' ? -Infinity : Infinity;
}
