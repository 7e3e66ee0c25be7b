/** ECDSA P-256 with SHA-256 over node:crypto: keys as PEM or PKCS#8, signatures in ASN.1 DER (FIPS 186-5, RFC 5480). */
import {
  createPrivateKey,
  createPublicKey,
  createVerify,
  generateKeyPairSync,
  type KeyObject,
  sign as signWith,
} from 'node:crypto';
import { toHex } from '../core/bytes.ts';
import { SignError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { SIGN_LIMITS } from '../core/limits/sign.ts';
import type { MessageSigner } from './ports.ts';

/** A parsed P-256 public key. */
export interface P256PublicKey {
  readonly key: KeyObject;
  readonly pem: string;
  /** Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo. */
  readonly keyId: string;
}

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

function toP256PublicKey(key: KeyObject): P256PublicKey {
  const der = key.export({ type: 'spki', format: 'der' });
  return { key, pem: key.export({ type: 'spki', format: 'pem' }).toString(), keyId: toHex(sha256(der)) };
}

/**
 * Reads a public key from SPKI PEM.
 * @throws SignError SIGN_KEY_INVALID when it is not a P-256 public key
 */
export function parseP256PublicKey(pem: string): P256PublicKey {
  // createPublicKey would also take a private key and derive from it; a private key has no place here.
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) throw new SignError('SIGN_KEY_INVALID', { fields: { form: 'pem' } });
  let key: KeyObject;
  try {
    key = createPublicKey({ key: pem, format: 'pem', type: 'spki' });
  } catch (cause) {
    throw new SignError('SIGN_KEY_INVALID', { fields: { form: 'pem' }, cause });
  }
  if (!isP256(key)) throw new SignError('SIGN_KEY_INVALID', { fields: { type: key.asymmetricKeyType ?? 'unknown' } });
  return toP256PublicKey(key);
}

function parseP256PrivateKey(pkcs8: Uint8Array): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
      format: 'der',
      type: 'pkcs8',
    });
  } catch {
    // The cause is dropped on purpose: OpenSSL errors of private keys are not to be printed.
    throw new SignError('SIGN_KEY_INVALID', { fields: { form: 'pkcs8' } });
  }
  if (!isP256(key)) throw new SignError('SIGN_KEY_INVALID', { fields: { type: key.asymmetricKeyType ?? 'unknown' } });
  return key;
}

/** A fresh P-256 private key as DER PKCS#8, drawn by OpenSSL's generator. */
export function createP256Pkcs8(): Uint8Array {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' }));
}

/**
 * The public half of a PKCS#8 private key.
 * @throws SignError SIGN_KEY_INVALID
 */
export function toPublicOfPkcs8(pkcs8: Uint8Array): P256PublicKey {
  return toP256PublicKey(createPublicKey(parseP256PrivateKey(pkcs8)));
}

/**
 * A signer that holds its key in this process.
 * @throws SignError SIGN_KEY_INVALID
 */
export function p256Signer(pkcs8: Uint8Array): MessageSigner {
  const key = parseP256PrivateKey(pkcs8);
  const { keyId, pem } = toP256PublicKey(createPublicKey(key));
  return {
    keyId,
    publicKeyPem: pem,
    sign: (message) => Promise.resolve(new Uint8Array(signWith('sha256', message, { key, dsaEncoding: 'der' }))),
  };
}

/** True when `signature` (ASN.1 DER) is by `publicKey` over the message, given in parts: a baseline is not copied. */
export function isP256Signature(
  publicKey: P256PublicKey,
  message: readonly Uint8Array[],
  signature: Uint8Array,
): boolean {
  if (signature.length > SIGN_LIMITS.signatureBytesMax) return false;
  const verifier = createVerify('sha256');
  for (const part of message) verifier.update(part);
  return verifier.verify({ key: publicKey.key, dsaEncoding: 'der' }, signature);
}
