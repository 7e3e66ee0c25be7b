/** From a passphrase to a key: scrypt (RFC 7914). */
import { scrypt } from 'node:crypto';
import { SealError } from '../../../core/errors.ts';
import { SIGN_LIMITS } from '../../../core/limits/sign.ts';
import { allocSecret, zeroize } from '../../../core/bytes.ts';
import { KEK_BYTES } from '../kek.ts';
import type { Kdf } from './key-file.ts';

/**
 * The key of a passphrase: 32 bytes, wiped by the caller. At logN 17 it takes about half a second and 128 MiB.
 * @param passphrase UTF-8; left as it is
 */
export async function derivePassphraseKey(passphrase: Uint8Array, { logN, r, p, salt }: Kdf): Promise<Uint8Array> {
  const secret = normalize(passphrase);
  const cost = { N: 2 ** logN, r, p, maxmem: 128 * r * (2 ** logN + p + 2) };
  try {
    const derived = await new Promise<Uint8Array>((resolve, reject) => {
      scrypt(secret, salt, KEK_BYTES, cost, (error, key) => {
        if (error) reject(error);
        else resolve(key);
      });
    });
    const key = allocSecret(KEK_BYTES);
    key.set(derived);
    zeroize(derived);
    return key;
  } finally {
    zeroize(secret);
  }
}

/** @throws SealError SIGN_PASSPHRASE_SHORT */
export function assertLongPassphrase(passphrase: Uint8Array): void {
  const secret = normalize(passphrase);
  // Characters of UTF-8: every byte but the continuation bytes.
  const charsCount = secret.reduce((count, byte) => ((byte & 0xc0) === 0x80 ? count : count + 1), 0);
  zeroize(secret);
  const charsMin = SIGN_LIMITS.passphraseCharsMin;
  if (charsCount < charsMin) throw new SealError('SIGN_PASSPHRASE_SHORT', { fields: { charsMin } });
}

/**
 * NFC as RFC 8265 4.2.2 asks of passwords, so that the same keys typed on another system give the same bytes. ASCII is
 * copied; anything else passes through a string, which cannot be wiped.
 */
function normalize(passphrase: Uint8Array): Uint8Array {
  const isAscii = passphrase.every((byte) => byte < 0x80);
  const text = isAscii ? passphrase : Buffer.from(Buffer.from(passphrase).toString('utf8').normalize('NFC'), 'utf8');
  const secret = allocSecret(text.length);
  secret.set(text);
  if (!isAscii) zeroize(text);
  return secret;
}
