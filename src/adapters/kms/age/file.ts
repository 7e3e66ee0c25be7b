/** A small secret as an armored age v1 file for one X25519 recipient (C2SP `age.md`); the stock CLI opens it. */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { allocSecret, concatBytes, isEqualConstantTime, zeroize } from '../../../core/bytes.ts';
import type { Random } from '../../../core/ports.ts';
import { findPlain } from '../aead.ts';
import { armor, encodeSigned, findAgeFile, findArmored, type Stanza, toUnpaddedBase64 } from './format.ts';
import { derive, FILE_KEY_BYTES, findFileKey, wrapFileKey, X25519_BYTES } from './x25519.ts';

const PAYLOAD_SALT_BYTES = 16;
const TAG_BYTES = 16;
const CIPHER = 'chacha20-poly1305';
/** STREAM nonce of chunk 0 that is also the last; one chunk holds 64 KiB, which no wrapped key comes near. */
const ONLY_CHUNK_NONCE = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const CHUNK_BYTES_MAX = 64 * 1024;

/**
 * Encrypts to one recipient.
 * @param options.extra a stanza that age programs skip, since they do not know its type; the header's MAC covers it
 * @returns the armored file, ASCII
 */
export function encryptAgeFile(options: {
  readonly plain: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly extra: Stanza;
  readonly random: Random;
}): Uint8Array {
  if (options.plain.length > CHUNK_BYTES_MAX) throw new TypeError('an age file of one chunk holds at most 64 KiB');
  const fileKey = drawSecret(options.random, FILE_KEY_BYTES);
  const ephemeral = drawSecret(options.random, X25519_BYTES);
  const salt = drawSecret(options.random, PAYLOAD_SALT_BYTES);
  const payloadKey = derive(fileKey, salt, 'payload');
  try {
    const signed = encodeSigned([wrapFileKey(fileKey, { publicKey: options.publicKey, ephemeral }), options.extra]);
    const mac = Buffer.from(` ${toUnpaddedBase64(toMac(fileKey, signed))}\n`, 'latin1');
    const cipher = createCipheriv(CIPHER, payloadKey, ONLY_CHUNK_NONCE, { authTagLength: TAG_BYTES });
    const sealed = cipher.update(options.plain);
    cipher.final();
    return armor(concatBytes(signed, mac, salt, sealed, cipher.getAuthTag()));
  } finally {
    zeroize(fileKey, ephemeral, payloadKey);
  }
}

/**
 * Decrypts a file that {@link encryptAgeFile} wrote, or null for every other input: another key, spelling, or byte.
 * @returns the plain bytes, wiped by the caller, and the stanzas, authenticated by the file key
 */
export function decryptAgeFile(
  armored: Uint8Array,
  secret: Uint8Array,
): { plain: Uint8Array; stanzas: readonly Stanza[] } | null {
  const binary = findArmored(armored);
  const file = binary === undefined ? undefined : findAgeFile(binary);
  if (file === undefined) return null;
  const { header, payload } = file;
  const fileKey = header.stanzas.map((stanza) => findFileKey(stanza, secret)).find((key) => key !== undefined);
  if (fileKey === undefined) return null;
  try {
    if (!isEqualConstantTime(toMac(fileKey, header.signed), header.mac)) return null;
    const plain = findPayload(payload, fileKey);
    return plain === undefined ? null : { plain, stanzas: header.stanzas };
  } finally {
    zeroize(fileKey);
  }
}

function findPayload(payload: Uint8Array, fileKey: Uint8Array): Uint8Array | undefined {
  if (payload.length < PAYLOAD_SALT_BYTES + TAG_BYTES) return undefined;
  const payloadKey = derive(fileKey, payload.subarray(0, PAYLOAD_SALT_BYTES), 'payload');
  const decipher = createDecipheriv(CIPHER, payloadKey, ONLY_CHUNK_NONCE, { authTagLength: TAG_BYTES });
  zeroize(payloadKey);
  decipher.setAuthTag(payload.subarray(payload.length - TAG_BYTES));
  return findPlain(decipher, payload.subarray(PAYLOAD_SALT_BYTES, payload.length - TAG_BYTES));
}

function toMac(fileKey: Uint8Array, signed: Uint8Array): Uint8Array {
  const key = derive(fileKey, new Uint8Array(), 'header');
  try {
    return createHmac('sha256', key).update(signed).digest();
  } finally {
    zeroize(key);
  }
}

function drawSecret(random: Random, lengthBytes: number): Uint8Array {
  const secret = allocSecret(lengthBytes);
  random.fill(secret);
  return secret;
}
