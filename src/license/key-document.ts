/**
 * Key documents: a data key for one device, as JWE flattened, ECDH-ES+A256KW, A256GCM, bound to its licence by the
 * associated data (RFC 7516, RFC 7518 4.6). The agreement is asked of the device key, which may be in a chip.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { z } from 'zod';
import { allocSecret, concatBytes, isEqualConstantTime, u32be, utf8, zeroize } from '../core/bytes.ts';
import { LicenseError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import type { Random } from '../core/ports.ts';
import { findBase64Url, toBase64Url } from '../core/base64url.ts';
import { type EcPublicJwk, jwkShape, toJwk, toPublicKey, toThumbprint } from './jwk.ts';
import type { AgreementKey } from './ports.ts';

const ALG = 'ECDH-ES+A256KW';
const ENC = 'A256GCM';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** RFC 3394 2.2.3.1. */
const WRAP_IV = Buffer.alloc(8, 0xa6);

const part = z.string().regex(/^[A-Za-z0-9_-]{1,2048}$/);

export const keyDocumentShape = z.strictObject({
  protected: part,
  encrypted_key: part,
  iv: part,
  ciphertext: part,
  tag: part,
  aad: part,
});

/** All members are base64url. */
export type KeyDocument = Readonly<z.infer<typeof keyDocumentShape>>;

/** What a key document is bound to: SHA-256 over the ASCII characters of the licence. */
export function toLicenseDigest(license: string): Uint8Array {
  return sha256(utf8(license));
}

/** A public name for a data key (`dek_sha256`); it shows nothing of a key that was drawn at random. */
export function toDekDigest(dek: Uint8Array): string {
  return toBase64Url(sha256(utf8('modelward/license/v1/dek'), dek));
}

/**
 * Encrypts `dek` (32 bytes) for one device.
 * @throws LicenseError LICENSE_KEY_REFUSED when `recipient` is no point of the curve
 */
export function encryptKeyDocument(options: {
  readonly dek: Uint8Array;
  readonly recipient: EcPublicJwk;
  readonly license: string;
  readonly random: Random;
}): KeyDocument {
  const { dek, recipient, license, random } = options;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const secret = diffieHellman({ privateKey, publicKey: toPublicKey(recipient) });
  const kek = deriveKey(secret);
  const cek = allocSecret(KEY_BYTES);
  try {
    random.fill(cek);
    const iv = new Uint8Array(IV_BYTES);
    random.fill(iv);
    const header = { alg: ALG, enc: ENC, epk: toJwk(publicKey), kid: toThumbprint(recipient) };
    const wrap = createCipheriv('id-aes256-wrap', kek, WRAP_IV);
    const encryptedKey = concatBytes(wrap.update(cek), wrap.final());
    const texts = { protected: toBase64Url(toCanonicalJsonBytes(header)), aad: toBase64Url(toLicenseDigest(license)) };
    const cipher = createCipheriv('aes-256-gcm', cek, iv);
    cipher.setAAD(utf8(`${texts.protected}.${texts.aad}`));
    const ciphertext = concatBytes(cipher.update(dek), cipher.final());
    return {
      ...texts,
      encrypted_key: toBase64Url(encryptedKey),
      iv: toBase64Url(iv),
      ciphertext: toBase64Url(ciphertext),
      tag: toBase64Url(cipher.getAuthTag()),
    };
  } finally {
    zeroize(secret, kek, cek);
  }
}

/**
 * The data key, 32 bytes in a buffer of its own; the caller wipes it.
 * @param options.digest `dek_sha256` of the licence
 * @throws LicenseError LICENSE_KEY_DOCUMENT_MALFORMED | LICENSE_KEY_DOCUMENT_ALG | LICENSE_KEY_DOCUMENT_OTHER | LICENSE_KEY_REFUSED |
 *   LICENSE_KEY_WRONG
 */
export async function decryptKeyDocument(options: {
  readonly document: KeyDocument;
  readonly key: AgreementKey;
  readonly license: string;
  readonly digest: string;
}): Promise<Uint8Array> {
  const { document, key, license, digest } = options;
  const { epk } = readHeader(document);
  const aad = findBase64Url(document.aad) ?? new Uint8Array();
  if (!isEqualConstantTime(aad, toLicenseDigest(license))) throw new LicenseError('LICENSE_KEY_DOCUMENT_OTHER');
  const bytes = readParts(document);
  const secret = await key.agree(epk);
  const kek = deriveKey(secret);
  let cek: Uint8Array | undefined;
  try {
    cek = unwrap(kek, bytes.encryptedKey);
    const dek = decrypt(cek, bytes, utf8(`${document.protected}.${document.aad}`));
    if (toDekDigest(dek) === digest) return dek;
    zeroize(dek);
    throw new LicenseError('LICENSE_KEY_WRONG');
  } finally {
    zeroize(secret, kek);
    if (cek !== undefined) zeroize(cek);
  }
}

/** Shape of a value that came from elsewhere. @throws LicenseError LICENSE_KEY_DOCUMENT_MALFORMED */
export function parseKeyDocument(value: unknown): KeyDocument {
  const result = keyDocumentShape.safeParse(value);
  if (!result.success) throw new LicenseError('LICENSE_KEY_DOCUMENT_MALFORMED');
  return result.data;
}

const headerShape = z.strictObject({ alg: z.string(), enc: z.string(), epk: jwkShape, kid: z.string() });

function readHeader(document: KeyDocument): { readonly epk: EcPublicJwk } {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(document.protected, 'base64url').toString('utf8'));
  } catch {
    throw new LicenseError('LICENSE_KEY_DOCUMENT_MALFORMED');
  }
  const { alg, enc } = (value ?? {}) as { alg?: unknown; enc?: unknown };
  if (alg !== ALG || enc !== ENC) throw new LicenseError('LICENSE_KEY_DOCUMENT_ALG');
  const result = headerShape.safeParse(value);
  if (!result.success) throw new LicenseError('LICENSE_KEY_DOCUMENT_MALFORMED');
  return result.data;
}

interface Parts {
  readonly encryptedKey: Uint8Array;
  readonly iv: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

function readParts({ encrypted_key, iv, ciphertext, tag }: KeyDocument): Parts {
  const lengths: readonly (readonly [string, number])[] = [
    [encrypted_key, KEY_BYTES + 8],
    [iv, IV_BYTES],
    [ciphertext, KEY_BYTES],
    [tag, TAG_BYTES],
  ];
  const bytes = lengths.map(([text, length]) => {
    const read = findBase64Url(text);
    if (read?.length !== length) throw new LicenseError('LICENSE_KEY_DOCUMENT_MALFORMED');
    return read;
  });
  return { encryptedKey: bytes[0], iv: bytes[1], ciphertext: bytes[2], tag: bytes[3] };
}

/** RFC 7518 4.6.2: one round of the Concat KDF, without PartyUInfo and PartyVInfo. */
function deriveKey(secret: Uint8Array): Uint8Array {
  const otherInfo = concatBytes(u32be(ALG.length), utf8(ALG), u32be(0), u32be(0), u32be(KEY_BYTES * 8));
  return sha256(u32be(1), secret, otherInfo);
}

function unwrap(kek: Uint8Array, wrapped: Uint8Array): Uint8Array {
  try {
    const cipher = createDecipheriv('id-aes256-wrap', kek, WRAP_IV);
    return joinSecret(cipher.update(wrapped), cipher.final());
  } catch {
    // What failed is not told: a wrong key and altered bytes look alike.
    throw new LicenseError('LICENSE_KEY_REFUSED');
  }
}

function decrypt(cek: Uint8Array, { iv, ciphertext, tag }: Parts, aad: Uint8Array): Uint8Array {
  try {
    const cipher = createDecipheriv('aes-256-gcm', cek, iv);
    cipher.setAAD(aad);
    cipher.setAuthTag(tag);
    const dek = cipher.update(ciphertext);
    try {
      cipher.final();
    } catch (error) {
      zeroize(dek);
      throw error;
    }
    return joinSecret(dek);
  } catch {
    throw new LicenseError('LICENSE_KEY_REFUSED');
  }
}

function joinSecret(...parts: readonly Uint8Array[]): Uint8Array {
  const out = allocSecret(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  zeroize(...parts);
  return out;
}

/** An agreement key in this process, of DER PKCS#8. @throws LicenseError LICENSE_DEVICE_KEY_INVALID */
export function openAgreementKey(pkcs8: Uint8Array): AgreementKey {
  let privateKey: KeyObject;
  try {
    const key = Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length);
    privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  } catch {
    throw new LicenseError('LICENSE_DEVICE_KEY_INVALID');
  }
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new LicenseError('LICENSE_DEVICE_KEY_INVALID');
  return {
    publicKey: toJwk(privateKey),
    agree: (peer) => {
      const secret = diffieHellman({ privateKey, publicKey: toPublicKey(peer) });
      return Promise.resolve(joinSecret(secret));
    },
  };
}
