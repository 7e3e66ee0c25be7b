/** Text of names and keys in binary model files. */
import { TextDecoder } from 'node:util';

/** Its bytes are its text. */
const ASCII = /^[\0-\x7f]*$/;
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Bytes that are not UTF-8 become U+DC80 + byte, so that two names never become one: runtimes read such files, and a
 * reader that refused or blurred them would see another model.
 */
export function toText(buffer: Buffer, start = 0, end = buffer.length): string {
  const plain = buffer.toString('latin1', start, end);
  if (ASCII.test(plain)) return plain;
  const bytes = buffer.subarray(start, end);
  try {
    return utf8Strict.decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join('');
  }
}
