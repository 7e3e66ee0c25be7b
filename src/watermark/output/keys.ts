/** Keys of output marks: one random key for each mark, split by use. */
import { hkdfSha256 } from '../../core/hash.ts';

/** K_use = HKDF-SHA-256(key, salt empty, info "output-mark/v1/" + use), 32 bytes. @param key 32 bytes */
export function toMarkKey(key: Uint8Array, use: 'boxes' | 'scores' | 'hidden'): Uint8Array {
  return hkdfSha256(key, new Uint8Array(0), `output-mark/v1/${use}`, 32);
}

/** Stream domains under those keys. */
export const MARK_DOMAIN = { boxes: 1, scores: 2, hidden: 3 } as const;
