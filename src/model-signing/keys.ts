/** Elliptic-curve keys of model signatures: which hash goes with which curve, and how a key is named (OMS v1.0 section 4.2). */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { ModelSigningError } from '../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';
import type { ModelSigner } from './ports.ts';

/** Curve by OpenSSL's name: how people write it, and the hash that signs with it. */
const CURVES: ReadonlyMap<string | undefined, { readonly curve: string; readonly hash: string }> = new Map([
  ['prime256v1', { curve: 'P-256', hash: 'sha256' }],
  ['secp384r1', { curve: 'P-384', hash: 'sha384' }],
  ['secp521r1', { curve: 'P-521', hash: 'sha512' }],
]);

/** A public key that signs models. */
export interface SigningKey {
  readonly key: KeyObject;
  /** P-256, P-384 or P-521. */
  readonly curve: string;
  readonly hash: string;
  /** SPKI PEM as OpenSSL writes it. */
  readonly pem: string;
  /** Hex SHA-256 of the text of `pem`: how bundles name it. */
  readonly hint: string;
}

/** @throws ModelSigningError OMS_KEY_UNSUPPORTED */
export function toSigningKey(key: KeyObject): SigningKey {
  const row = key.asymmetricKeyType === 'ec' ? CURVES.get(key.asymmetricKeyDetails?.namedCurve) : undefined;
  if (row === undefined) {
    const curve = key.asymmetricKeyDetails?.namedCurve ?? null;
    throw new ModelSigningError('OMS_KEY_UNSUPPORTED', { fields: { type: key.asymmetricKeyType ?? null, curve } });
  }
  const pem = key.export({ type: 'spki', format: 'pem' }).toString();
  return { key, ...row, pem, hint: createHash('sha256').update(pem).digest('hex') };
}

/**
 * The one public key of a PEM text; other text around it is left alone.
 * @throws ModelSigningError OMS_KEY_MALFORMED | OMS_KEY_UNSUPPORTED
 */
export function parsePublicKey(pem: string): SigningKey {
  const keys = pem.match(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g) ?? [];
  if (keys.length !== 1) throw new ModelSigningError('OMS_KEY_MALFORMED', { fields: { keys: keys.length } });
  let key: KeyObject;
  try {
    key = createPublicKey({ key: keys[0], format: 'pem', type: 'spki' });
  } catch (cause) {
    throw new ModelSigningError('OMS_KEY_MALFORMED', { fields: { form: 'pem' }, cause });
  }
  return toSigningKey(key);
}

/** True when `signature` (ASN.1 DER) is by `key` over `message`. */
export function isSignature({ key, hash }: SigningKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length > MODEL_SIGNING_LIMITS.signatureBytesMax) return false;
  return verify(hash, message, { key, dsaEncoding: 'der' }, signature);
}

/**
 * A signer over a private key in PEM (PKCS#8 or SEC1), which OpenSSL keeps in this process from here on.
 * @param options.pem file content; the caller zeroizes it
 * @param options.passphrase UTF-8, for protected keys; the caller zeroizes it
 * @throws ModelSigningError OMS_KEY_MALFORMED | OMS_KEY_LOCKED | OMS_KEY_UNSUPPORTED
 */
export function openPemSigner(options: {
  readonly pem: Uint8Array;
  readonly passphrase: Uint8Array | null;
}): ModelSigner {
  const key = readPrivateKey(options);
  const { pem, hash } = toSigningKey(createPublicKey(key));
  return {
    publicKeyPem: pem,
    sign: (message) => Promise.resolve(new Uint8Array(sign(hash, message, { key, dsaEncoding: 'der' }))),
  };
}

function readPrivateKey(options: { readonly pem: Uint8Array; readonly passphrase: Uint8Array | null }): KeyObject {
  // Views, not copies: what the caller wipes is wiped.
  const pem = Buffer.from(options.pem.buffer, options.pem.byteOffset, options.pem.length);
  const { passphrase } = options;
  const isLocked = pem.includes('ENCRYPTED');
  if (isLocked && passphrase === null) throw new ModelSigningError('OMS_KEY_LOCKED');
  try {
    return createPrivateKey({
      key: pem,
      format: 'pem',
      ...(passphrase === null
        ? {}
        : { passphrase: Buffer.from(passphrase.buffer, passphrase.byteOffset, passphrase.length) }),
    });
  } catch {
    // The cause is dropped on purpose: OpenSSL errors of private keys are not to be printed.
    throw new ModelSigningError(isLocked ? 'OMS_KEY_LOCKED' : 'OMS_KEY_MALFORMED');
  }
}
