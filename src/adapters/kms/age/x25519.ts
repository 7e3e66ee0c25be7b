/** The X25519 recipient of age: raw keys, their text, and the stanza that carries a file key (C2SP `age.md`). */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { allocSecret, concatBytes, utf8, zeroize } from '../../../core/bytes.ts';
import { encodeBech32, findBech32Bytes } from './bech32.ts';
import { findUnpaddedBase64Bytes, type Stanza, toUnpaddedBase64 } from './format.ts';

export const X25519_BYTES = 32;
export const FILE_KEY_BYTES = 16;
const TAG_BYTES = 16;
const CIPHER = 'chacha20-poly1305';
/** DER of an X25519 key in PKCS #8 and in SPKI, up to the 32 key bytes (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b656e032100', 'hex');
/** Every file key is wrapped under a key of its own, so that a fixed nonce is used once. */
const WRAP_NONCE = new Uint8Array(12);

export function toRecipientText(publicKey: Uint8Array): string {
  return Buffer.from(encodeBech32('age', publicKey)).toString('latin1');
}

export function findRecipient(text: string): Uint8Array | undefined {
  const bytes = findBech32Bytes('age', Buffer.from(text, 'latin1'));
  return bytes?.length === X25519_BYTES ? bytes : undefined;
}

/** `AGE-SECRET-KEY-1…` as bytes; secret. */
export function encodeIdentity(secret: Uint8Array): Uint8Array {
  const text = encodeBech32('age-secret-key-', secret);
  for (const [at, byte] of text.entries()) if (byte >= 0x61 && byte <= 0x7a) text[at] = byte - 0x20;
  return text;
}

/** The secret key of `AGE-SECRET-KEY-1…`; the caller wipes it. */
export function findIdentity(text: Uint8Array): Uint8Array | undefined {
  const bytes = findBech32Bytes('age-secret-key-', text);
  return bytes?.length === X25519_BYTES ? bytes : undefined;
}

export function toPublicKey(secret: Uint8Array): Uint8Array {
  const spki = createPublicKey(toPrivateKey(secret)).export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(SPKI_HEAD.length));
}

/** @param ephemeral 32 random bytes, wiped by the caller */
export function wrapFileKey(fileKey: Uint8Array, to: { publicKey: Uint8Array; ephemeral: Uint8Array }): Stanza {
  const share = toPublicKey(to.ephemeral);
  const key = deriveWrapKey(toSharedSecret(to.ephemeral, to.publicKey), share, to.publicKey);
  try {
    const cipher = createCipheriv(CIPHER, key, WRAP_NONCE, { authTagLength: TAG_BYTES });
    const sealed = cipher.update(fileKey);
    cipher.final();
    return { type: 'X25519', args: [toUnpaddedBase64(share)], body: concatBytes(sealed, cipher.getAuthTag()) };
  } finally {
    zeroize(key);
  }
}

/** The file key, or undefined when the stanza is not for this key. The caller wipes it. */
export function findFileKey(stanza: Stanza, secret: Uint8Array): Uint8Array | undefined {
  const share = findUnpaddedBase64Bytes(stanza.args[0] ?? '');
  if (stanza.type !== 'X25519' || stanza.args.length !== 1 || share?.length !== X25519_BYTES) return undefined;
  // The length first: a cipher of another length could be made to open under two keys.
  if (stanza.body.length !== FILE_KEY_BYTES + TAG_BYTES) return undefined;
  let key: Uint8Array | undefined;
  try {
    key = deriveWrapKey(toSharedSecret(secret, share), share, toPublicKey(secret));
    const decipher = createDecipheriv(CIPHER, key, WRAP_NONCE, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(stanza.body.subarray(FILE_KEY_BYTES));
    const fileKey = decipher.update(stanza.body.subarray(0, FILE_KEY_BYTES));
    decipher.final();
    return fileKey;
  } catch {
    return undefined;
  } finally {
    if (key !== undefined) zeroize(key);
  }
}

/** HKDF-SHA-256 into a buffer that can be wiped. */
export function derive(ikm: Uint8Array, salt: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', ikm, salt, utf8(info), 32));
}

function deriveWrapKey(shared: Uint8Array, share: Uint8Array, publicKey: Uint8Array): Uint8Array {
  try {
    return derive(shared, concatBytes(share, publicKey), 'age-encryption.org/v1/X25519');
  } finally {
    zeroize(shared);
  }
}

/** @throws Error of OpenSSL for a point of low order, whose shared secret would be zero */
function toSharedSecret(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: 'der', type: 'spki' });
  return diffieHellman({ privateKey: toPrivateKey(secret), publicKey: key });
}

function toPrivateKey(secret: Uint8Array): KeyObject {
  const der = allocSecret(PKCS8_HEAD.length + X25519_BYTES);
  der.set(PKCS8_HEAD);
  der.set(secret, PKCS8_HEAD.length);
  try {
    return createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
  } finally {
    zeroize(der);
  }
}
