/** The key of the integrity tag: derived from the API key itself, so that customer and gateway both have it (docs/spec/api-keys.md section 4). */
import { utf8, zeroize } from '../../core/bytes.ts';
import { hkdfSha256 } from '../../core/hash.ts';
import { toSecretPart } from './key-form.ts';

/** Domain of the derivation; never changed. */
const INFO = 'modelward integrity tag v1';

/**
 * HKDF-SHA-256 with the characters of chance as key material, the key's id as salt: 32 bytes.
 * @param text a well-formed API key
 */
export function deriveTagKey(text: string, keyId: string): Uint8Array {
  const material = utf8(toSecretPart(text));
  try {
    return hkdfSha256(material, utf8(keyId), INFO, 32);
  } finally {
    zeroize(material);
  }
}
