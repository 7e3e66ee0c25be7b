/** Ed25519 keys of signed notes: verifier key text, signer, signature check (C2SP signed-note). */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { concatBytes, findBase64Bytes, isEqualConstantTime, toBase64, u32be, utf8, zeroize } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import type { NoteSigner } from './ports.ts';

interface KeyParts {
  readonly name: string;
  readonly keyId: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** A public key that checkpoints are verified with. */
export type VerifierKey = KeyParts;

/** Byte that names the kind of signature, in key ids and verifier keys. */
export const KEY_KIND = {
  /** Ed25519 over the text of a note. */
  note: 0x01,
  /** Ed25519 over a timestamped checkpoint (C2SP tlog-cosignature). */
  cosignature: 0x04,
} as const;
type KeyKind = (typeof KEY_KIND)[keyof typeof KEY_KIND];
const PUBLIC_KEY_BYTES = 32;
// DER of everything before the key bytes (RFC 8410 §7 and §4).
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** True for a name that may stand in a signature line: non-empty, no Unicode space, no control character, no "+". */
export function isKeyName(name: string): boolean {
  return /^[^\s\u0085\u0000-\u001f+\p{Surrogate}]+$/u.test(name);
}

/** SHA-256(name ‖ 0x0A ‖ kind ‖ public key), the first four bytes as u32 big-endian. */
export function toKeyId(name: string, kind: KeyKind, publicKey: Uint8Array): number {
  const digest = sha256(utf8(name), new Uint8Array([0x0a, kind]), publicKey);
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0);
}

/** `name+hex(key id)+base64(0x01 ‖ public key)`. */
export function encodeVerifierKey(key: VerifierKey): string {
  return encodeKey(key, KEY_KIND.note);
}

/** `name+hex(key id)+base64(kind ‖ public key)`. */
export function encodeKey(key: KeyParts, kind: KeyKind): string {
  const id = Buffer.from(u32be(key.keyId)).toString('hex');
  return `${key.name}+${id}+${toBase64(concatBytes(new Uint8Array([kind]), key.publicKey))}`;
}

/**
 * @param text one verifier key, without a newline
 * @throws LedgerError LEDGER_KEY_MALFORMED
 */
export function parseVerifierKey(text: string): VerifierKey {
  return parseKey(text, KEY_KIND.note);
}

/** As `parseVerifierKey`, for keys of one kind. @throws LedgerError LEDGER_KEY_MALFORMED */
export function parseKey(text: string, kind: KeyKind): KeyParts {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  const [, name = '', id = '', encoded = ''] = match ?? [];
  const data = findBase64Bytes(encoded);
  if (data?.length !== PUBLIC_KEY_BYTES + 1 || data[0] !== kind || !isKeyName(name)) {
    throw new LedgerError('LEDGER_KEY_MALFORMED');
  }
  const publicKey = data.slice(1);
  const keyId = toKeyId(name, kind, publicKey);
  if (keyId !== Number.parseInt(id, 16)) throw new LedgerError('LEDGER_KEY_MALFORMED', { fields: { name } });
  return { name, keyId, publicKey };
}

/** True when both are the same key under the same name. */
export function isSameKey(a: VerifierKey, b: VerifierKey): boolean {
  return a.name === b.name && isEqualConstantTime(a.publicKey, b.publicKey);
}

/** True when `signature` is 64 bytes of Ed25519 over `text` by the key. */
export function isSignatureValid(key: Pick<KeyParts, 'publicKey'>, text: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === 64 && verify(null, text, toPublicKey(key.publicKey), signature);
}

/**
 * A signer over a raw Ed25519 seed. The seed is copied into OpenSSL's key, so the caller should zeroize its own bytes
 * right after this call; `close` lets go of the copy.
 * @param name key name and ledger origin, such as "modelward.local/owner-1"
 * @param seed 32 bytes (RFC 8032 private key)
 */
export function createEd25519Signer(options: { readonly name: string; readonly seed: Uint8Array }): NoteSigner {
  const { name, seed } = options;
  if (!isKeyName(name)) throw new TypeError('a key name is not empty and has no spaces and no "+"');
  if (seed.length !== 32) throw new TypeError('an Ed25519 seed has 32 bytes');
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  let privateKey: KeyObject | undefined;
  try {
    privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    zeroize(der);
  }
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = new Uint8Array(spki.subarray(SPKI_PREFIX.length));
  return {
    name,
    keyId: toKeyId(name, KEY_KIND.note, publicKey),
    publicKey,
    sign: (text) => {
      if (privateKey === undefined) throw new TypeError('the signer is closed');
      return new Uint8Array(sign(null, text, privateKey));
    },
    close: () => {
      privateKey = undefined;
    },
  };
}

function toPublicKey(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
}
