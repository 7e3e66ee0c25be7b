/** base64url without padding (RFC 7515 section 2), and JSON of it. */
import { utf8 } from './bytes.ts';
import { type Json, toCanonicalJson } from './canonical-json.ts';

export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** Canonical JSON in base64url. */
export function toBase64UrlJson(value: Json): string {
  return toBase64Url(utf8(toCanonicalJson(value)));
}

/** Undefined unless the text is the one right spelling of its bytes: no padding, no spare bits, no other alphabet. */
export function findBase64Url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? new Uint8Array(bytes) : undefined;
}

/** Undefined for anything but UTF-8 JSON in base64url. */
export function findBase64UrlJson(text: string): unknown {
  const bytes = findBase64Url(text);
  return bytes === undefined ? undefined : findJson(bytes);
}

/** Undefined for anything but UTF-8 JSON. */
export function findJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
