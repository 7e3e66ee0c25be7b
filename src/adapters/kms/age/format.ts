/** The text of an age v1 file: header lines, stanzas, armor (C2SP `age.md`); only the canonical spelling is read. */
import { findBase64Bytes, toBase64, utf8 } from '../../../core/bytes.ts';

const VERSION_LINE = 'age-encryption.org/v1';
const BODY_COLUMNS = 64;
const ARMOR_BEGIN = '-----BEGIN AGE ENCRYPTED FILE-----';
const ARMOR_END = '-----END AGE ENCRYPTED FILE-----';
const MAC_LINE = /^--- ([A-Za-z0-9+/]{43})$/;

/** One way to the file key: `-> type args…` and a body. */
export interface Stanza {
  readonly type: string;
  readonly args: readonly string[];
  readonly body: Uint8Array;
}

export interface AgeHeader {
  readonly stanzas: readonly Stanza[];
  /** HMAC-SHA-256 over `signed`. */
  readonly mac: Uint8Array;
  /** The header's bytes up to and with the three dashes. */
  readonly signed: Uint8Array;
}

export function toUnpaddedBase64(bytes: Uint8Array): string {
  return toBase64(bytes).replace(/=+$/, '');
}

export function findUnpaddedBase64Bytes(text: string): Uint8Array | undefined {
  return text.includes('=') ? undefined : findBase64Bytes(text.padEnd(Math.ceil(text.length / 4) * 4, '='));
}

/** The bytes that the header's MAC covers. */
export function encodeSigned(stanzas: readonly Stanza[]): Uint8Array {
  const lines = stanzas.flatMap(({ type, args, body }) => [
    ['->', type, ...args].join(' '),
    ...toBodyLines(toUnpaddedBase64(body)),
  ]);
  return utf8([VERSION_LINE, ...lines, '---'].join('\n'));
}

/** A body ends with a line that is shorter than 64 columns, if need be an empty one. */
function toBodyLines(text: string): string[] {
  return Array.from({ length: Math.floor(text.length / BODY_COLUMNS) + 1 }, (_, line) =>
    text.slice(line * BODY_COLUMNS, (line + 1) * BODY_COLUMNS),
  );
}

/** Header and payload of a binary age file, or undefined when it is not in canonical form. */
export function findAgeFile(file: Uint8Array): { header: AgeHeader; payload: Uint8Array } | undefined {
  const text = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('latin1');
  const macStart = text.indexOf('\n---');
  const macEnd = text.indexOf('\n', macStart + 1);
  if (macStart < 0 || macEnd < 0) return undefined;
  const mac = findUnpaddedBase64Bytes(MAC_LINE.exec(text.slice(macStart + 1, macEnd))?.[1] ?? '');
  const stanzas = findStanzas(text.slice(0, macStart).split('\n'));
  if (mac?.length !== 32 || stanzas === undefined) return undefined;
  const signed = file.subarray(0, macStart + '\n---'.length);
  return { header: { stanzas, mac, signed }, payload: file.subarray(macEnd + 1) };
}

function findStanzas(lines: readonly string[]): Stanza[] | undefined {
  if (lines[0] !== VERSION_LINE) return undefined;
  const stanzas: Stanza[] = [];
  for (let at = 1; at < lines.length; ) {
    const [arrow, type = '', ...args] = lines[at++].split(' ');
    if (arrow !== '->' || ![type, ...args].every((word) => /^[!-~]+$/.test(word))) return undefined;
    let body = '';
    let line: string;
    do {
      if (at === lines.length) return undefined;
      line = lines[at++];
      if (line.length > BODY_COLUMNS) return undefined;
      body += line;
    } while (line.length === BODY_COLUMNS);
    const bytes = findUnpaddedBase64Bytes(body);
    if (bytes === undefined) return undefined;
    stanzas.push({ type, args, body: bytes });
  }
  return stanzas;
}

export function armor(file: Uint8Array): Uint8Array {
  const lines = toBase64(file).match(/.{1,64}/g) ?? [];
  return utf8([ARMOR_BEGIN, ...lines, ARMOR_END, ''].join('\n'));
}

/** The file within the armor, or undefined when {@link armor} would write another text. */
export function findArmored(text: Uint8Array): Uint8Array | undefined {
  const lines = Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('latin1').split('\n');
  const file = findBase64Bytes(lines.slice(1, -2).join(''));
  return file !== undefined && Buffer.compare(armor(file), text) === 0 ? file : undefined;
}
