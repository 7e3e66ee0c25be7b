/** A data key under a KEK that is in memory for a moment: AES-256-GCM, the context and the names of the key as associated data. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { concatBytes } from '../../core/bytes.ts';
import { toCanonicalJsonBytes } from '../../core/canonical-json.ts';
import type { Random } from '../../core/ports.ts';
import type { KeyContext, WrappedKey } from '../../seal/ports.ts';
import { findPlain } from './aead.ts';

export const KEK_BYTES = 32;
export const IV_BYTES = 12;
export const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/** Which key wraps, as in `WrappedKey`. */
export type KeyName = Pick<WrappedKey, 'type' | 'keyRef' | 'keyVersion'>;

/** Everything that a wrapping is bound to: context, key and version, as RFC 8785 JSON. */
export function toBoundBytes({ type, keyRef, keyVersion }: KeyName, context: KeyContext): Uint8Array {
  const { sealId, model, purpose } = context;
  return toCanonicalJsonBytes({ v: 1, type, keyRef, keyVersion, ctx: { sealId, model, purpose } });
}

/** IV(12) ‖ ciphertext ‖ tag(16). @param kek 32 bytes */
export function sealUnder(kek: Uint8Array, plain: Uint8Array, to: { aad: Uint8Array; random: Random }): Uint8Array {
  const iv = new Uint8Array(IV_BYTES);
  to.random.fill(iv);
  const cipher = createCipheriv(CIPHER, kek, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(to.aad);
  const sealed = cipher.update(plain);
  cipher.final();
  return concatBytes(iv, sealed, cipher.getAuthTag());
}

/** Undoes {@link sealUnder} into a buffer of its own that the caller wipes; undefined when anything differs. */
export function findUnder(kek: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
  if (sealed.length <= IV_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, kek, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  return findPlain(decipher, sealed.subarray(IV_BYTES, sealed.length - TAG_BYTES));
}
