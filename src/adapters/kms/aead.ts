/** The end of a decryption with associated data: all of the plain bytes, or none. */
import type { DecipherCCM, DecipherGCM } from 'node:crypto';
import { allocSecret, zeroize } from '../../core/bytes.ts';

/**
 * The plain bytes in a buffer of their own that the caller wipes; undefined when anything differs.
 * @param decipher with its associated data and tag
 */
export function findPlain(decipher: DecipherGCM | DecipherCCM, sealed: Uint8Array): Uint8Array | undefined {
  const opened = decipher.update(sealed);
  try {
    decipher.final();
    const plain = allocSecret(opened.length);
    plain.set(opened);
    return plain;
  } catch {
    return undefined;
  } finally {
    zeroize(opened);
  }
}
