/**
 * Answers of the KBS protocol: JWE in flattened JSON (RFC 7516 7.2.2), ECDH-ES+A256KW (RFC 7518 4.6) or RSA-OAEP-256
 * (4.3), with A256GCM.
 *
 * Stock clients read the protected header into a structure and write it anew to get the associated data, so its members
 * must stand in the order in which they write them: alg, enc, epk {crv, kty, x, y}, without spaces.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createPublicKey,
  type DecipherGCM,
  diffieHellman,
  type ECDH,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto';
import { z } from 'zod';
import { allocSecret, concatBytes, u32be, utf8, zeroize } from '../core/bytes.ts';
import { BrokerError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import type { Random } from '../core/ports.ts';
import { findBase64Url, findBase64UrlJson, toBase64Url } from '../core/base64url.ts';
import { type Curve, CURVES, type TeeKey } from './tee-key.ts';

const ECDH_ALG = 'ECDH-ES+A256KW';
const RSA_ALG = 'RSA-OAEP-256';
const ENC = 'A256GCM';
/** RFC 3394 2.2.3.1. */
const WRAP_IV = Buffer.alloc(8, 0xa6);
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

const part = z.string().regex(/^[A-Za-z0-9_-]{1,16384}$/);
const jweSchema = z.strictObject({ protected: part, encrypted_key: part, iv: part, ciphertext: part, tag: part });

export type FlattenedJwe = z.infer<typeof jweSchema>;

/**
 * @param to checked public key of the receiver
 * @param plaintext stays the caller's to wipe
 */
export function encryptJwe(to: TeeKey, plaintext: Uint8Array, random: Random): FlattenedJwe {
  const cek = allocSecret(KEY_BYTES);
  try {
    random.fill(cek);
    const { header, encryptedKey } = to.jwk.kty === 'EC' ? wrapEcdh(to, to.jwk.crv, cek, random) : wrapRsa(to, cek);
    const iv = new Uint8Array(IV_BYTES);
    random.fill(iv);
    const protectedHeader = toBase64Url(utf8(header));
    const cipher = createCipheriv('aes-256-gcm', cek, iv);
    cipher.setAAD(utf8(protectedHeader));
    const ciphertext = concatBytes(cipher.update(plaintext), cipher.final());
    return {
      protected: protectedHeader,
      encrypted_key: toBase64Url(encryptedKey),
      iv: toBase64Url(iv),
      ciphertext: toBase64Url(ciphertext),
      tag: toBase64Url(cipher.getAuthTag()),
    };
  } finally {
    zeroize(cek);
  }
}

interface Wrapped {
  readonly header: string;
  readonly encryptedKey: Uint8Array;
}

function wrapRsa({ key }: TeeKey, cek: Uint8Array): Wrapped {
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  return { header: JSON.stringify({ alg: RSA_ALG, enc: ENC }), encryptedKey: publicEncrypt({ key, ...padding }, cek) };
}

function wrapEcdh({ jwk }: TeeKey, crv: Curve, cek: Uint8Array, random: Random): Wrapped {
  if (jwk.kty !== 'EC') throw new TypeError('internal error: not an EC key');
  const ephemeral = createEphemeral(crv, random);
  const own = new Uint8Array(ephemeral.getPublicKey());
  const { bytes } = CURVES[crv];
  const epk = { crv, kty: 'EC', x: toBase64Url(own.subarray(1, 1 + bytes)), y: toBase64Url(own.subarray(1 + bytes)) };
  const peer = Buffer.concat([Buffer.of(4), Buffer.from(jwk.x, 'base64url'), Buffer.from(jwk.y, 'base64url')]);
  const z = ephemeral.computeSecret(peer);
  const kek = deriveKek(z);
  try {
    const cipher = createCipheriv('id-aes256-wrap', kek, WRAP_IV);
    const encryptedKey = concatBytes(cipher.update(cek), cipher.final());
    return { header: JSON.stringify({ alg: ECDH_ALG, enc: ENC, epk }), encryptedKey };
  } finally {
    zeroize(z, kek);
  }
}

/** Scalars that are zero or not below the order are drawn anew. */
function createEphemeral(crv: Curve, random: Random): ECDH {
  const { bytes, openssl } = CURVES[crv];
  const scalar = allocSecret(bytes);
  const ecdh = createECDH(openssl);
  try {
    for (;;) {
      random.fill(scalar);
      // 521 bits in 66 bytes: the seven above them must be clear, or next to no draw would be below the order.
      if (crv === 'P-521') scalar[0] &= 1;
      try {
        ecdh.setPrivateKey(scalar);
        return ecdh;
      } catch {
        continue;
      }
    }
  } finally {
    zeroize(scalar);
  }
}

/** Concat KDF for one block of 256 bits, without party information (RFC 7518 4.6.2). */
function deriveKek(z: Uint8Array): Uint8Array {
  const name = utf8(ECDH_ALG);
  return sha256(u32be(1), z, u32be(name.length), name, u32be(0), u32be(0), u32be(KEY_BYTES * 8));
}

const headerSchema = z.union([
  z.strictObject({
    alg: z.literal(ECDH_ALG),
    enc: z.literal(ENC),
    epk: z.strictObject({ kty: z.literal('EC'), crv: z.enum(['P-256', 'P-384', 'P-521']), x: part, y: part }),
  }),
  z.strictObject({ alg: z.literal(RSA_ALG), enc: z.literal(ENC) }),
]);

/**
 * What an answer carries, for the holder of the private key; the caller wipes it. All failures look alike.
 * @throws BrokerError BROKER_ANSWER_MALFORMED
 */
export function decryptJwe(value: unknown, privateKey: KeyObject): Uint8Array {
  const parsed = jweSchema.safeParse(value);
  if (!parsed.success) throw new BrokerError('BROKER_ANSWER_MALFORMED', { fields: { at: 'JWE' } });
  const jwe = parsed.data;
  let cek: Uint8Array | undefined;
  try {
    const header = headerSchema.parse(findBase64UrlJson(jwe.protected));
    const wrapped = findBase64Url(jwe.encrypted_key) ?? new Uint8Array();
    cek = header.alg === RSA_ALG ? unwrapRsa(wrapped, privateKey) : unwrapEcdh(wrapped, header.epk, privateKey);
    const tag = findBase64Url(jwe.tag) ?? new Uint8Array();
    const iv = findBase64Url(jwe.iv) ?? new Uint8Array();
    const decipher = createDecipheriv('aes-256-gcm', cek, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(utf8(jwe.protected));
    decipher.setAuthTag(tag);
    const ciphertext = findBase64Url(jwe.ciphertext) ?? new Uint8Array();
    if (ciphertext.length > BROKER_LIMITS.answerBytesMax) throw new RangeError('ciphertext');
    return finish(decipher, ciphertext);
  } catch {
    throw new BrokerError('BROKER_ANSWER_MALFORMED', { fields: { at: 'decryption' } });
  } finally {
    if (cek !== undefined) zeroize(cek);
  }
}

/** Into a buffer of its own; what was decrypted is wiped when the tag does not hold, too. */
function finish(decipher: DecipherGCM, ciphertext: Uint8Array): Uint8Array {
  const first = decipher.update(ciphertext);
  try {
    decipher.final();
    const plaintext = allocSecret(first.length);
    plaintext.set(first);
    return plaintext;
  } finally {
    zeroize(first);
  }
}

function unwrapRsa(wrapped: Uint8Array, key: KeyObject): Uint8Array {
  return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, wrapped);
}

function unwrapEcdh(
  wrapped: Uint8Array,
  epk: { readonly kty: 'EC'; readonly crv: string },
  key: KeyObject,
): Uint8Array {
  const z = diffieHellman({ privateKey: key, publicKey: createPublicKey({ key: { ...epk }, format: 'jwk' }) });
  const kek = deriveKek(z);
  try {
    const decipher = createDecipheriv('id-aes256-wrap', kek, WRAP_IV);
    return concatBytes(decipher.update(wrapped), decipher.final());
  } finally {
    zeroize(z, kek);
  }
}
