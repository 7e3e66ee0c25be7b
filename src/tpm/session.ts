/** Sessions (Part 1, 17 to 19): who is allowed, that nobody alters what is said, and that nobody reads what is secret. */
import { createCipheriv, createDecipheriv, createECDH, createHmac } from 'node:crypto';
import { allocSecret, concatBytes, isEqualConstantTime, zeroize } from '../core/bytes.ts';
import { TpmError } from '../core/errors.ts';
import type { Random } from '../core/ports.ts';
import { COORDINATE_BYTES, type EccPoint } from './areas.ts';
import { HANDLE, SESSION } from './codes.ts';
import { kdfa, kdfe } from './kdf.ts';
import { sized, u32, u8 } from './wire.ts';

export const NONCE_BYTES = 32;
const KEY_BYTES = 16;

/**
 * A session of SHA-256 and AES-128-CFB. `key` is secret: it was made from a salt that only the TPM with the salt's key
 * could decrypt, so that whoever listens on the bus can neither read parameters nor alter them.
 */
export interface Session {
  readonly handle: number;
  readonly key: Uint8Array;
  /** The TPM's newest nonce; changes with every command. */
  nonceTpm: Uint8Array;
}

/** How a command uses a session. */
export interface Authorization {
  /** Null: an empty password, for what has no secret and says none. */
  readonly session: Session | null;
  /** Encrypts the first parameter of the command. */
  readonly isDecrypt?: boolean;
  /** Encrypts the first parameter of the response. */
  readonly isEncrypt?: boolean;
  /** Permits nothing, and MACs command and response. */
  readonly isAudit?: boolean;
}

export const EMPTY_PASSWORD: Authorization = { session: null };

/** A secret of 32 bytes, and the same encrypted to an ECC key of the TPM: a TPMS_ECC_POINT. @param label what it is for */
export function makeSalt(
  point: EccPoint,
  random: Random,
  label: 'SECRET' | 'IDENTITY' = 'SECRET',
): { salt: Uint8Array; encrypted: Uint8Array } {
  const ephemeral = createECDH('prime256v1');
  const secret = allocSecret(COORDINATE_BYTES);
  random.fill(secret);
  // Keeps the number below the order of the curve, which begins with 32 ones.
  secret[0] &= 0x7f;
  ephemeral.setPrivateKey(secret);
  const own = ephemeral.getPublicKey();
  const x = own.subarray(1, 1 + COORDINATE_BYTES);
  const y = own.subarray(1 + COORDINATE_BYTES);
  const z = toShared(() => ephemeral.computeSecret(concatBytes(u8(4), point.x, point.y)));
  try {
    return { salt: kdfe(z, label, { u: x, v: point.x }), encrypted: concatBytes(sized(x), sized(y)) };
  } finally {
    zeroize(secret, z);
  }
}

/** @throws TpmError TPM_RESPONSE_INVALID for a point that is not on the curve */
function toShared(compute: () => Uint8Array): Uint8Array {
  try {
    return compute();
  } catch (cause) {
    throw new TpmError('TPM_RESPONSE_INVALID', { cause });
  }
}

/** @param salt secret, wiped by the caller; empty for a session without */
export function toSessionKey(
  salt: Uint8Array,
  nonces: { readonly tpm: Uint8Array; readonly own: Uint8Array },
): Uint8Array {
  return salt.length === 0 ? salt : kdfa(salt, 'ATH', { u: nonces.tpm, v: nonces.own, lengthBytes: 32 });
}

function toAttributes({ isDecrypt, isEncrypt, isAudit }: Authorization): number {
  const protections = (isDecrypt === true ? SESSION.decrypt : 0) | (isEncrypt === true ? SESSION.encrypt : 0);
  return SESSION.continue | protections | (isAudit === true ? SESSION.audit : 0);
}

/** One authorization of a command (TPMS_AUTH_COMMAND). */
export function encodeAuthorization(use: Authorization, own: Uint8Array, cpHash: Uint8Array): Uint8Array {
  const { session } = use;
  if (session === null) return concatBytes(u32(HANDLE.password), sized(), u8(SESSION.continue), sized());
  const attributes = toAttributes(use);
  const mac = toMac(session, cpHash, { newer: own, older: session.nonceTpm, attributes });
  return concatBytes(u32(session.handle), sized(own), u8(attributes), sized(mac));
}

/** Checks the answer's MAC and keeps the new nonce. @throws TpmError TPM_RESPONSE_FORGED */
export function acceptAnswer(
  session: Session,
  answer: { readonly nonceTpm: Uint8Array; readonly attributes: number; readonly mac: Uint8Array },
  { own, rpHash }: { readonly own: Uint8Array; readonly rpHash: Uint8Array },
): void {
  const { nonceTpm, attributes, mac } = answer;
  const expected = toMac(session, rpHash, { newer: nonceTpm, older: own, attributes });
  if (!isEqualConstantTime(expected, mac)) throw new TpmError('TPM_RESPONSE_FORGED');
  session.nonceTpm = nonceTpm.slice();
}

/** Nothing here has an authorization value; a session without salt has no key, and then no MAC. */
function toMac(
  { key }: Session,
  hash: Uint8Array,
  said: { readonly newer: Uint8Array; readonly older: Uint8Array; readonly attributes: number },
): Uint8Array {
  if (key.length === 0) return new Uint8Array();
  return createHmac('sha256', key)
    .update(hash)
    .update(said.newer)
    .update(said.older)
    .update(u8(said.attributes))
    .digest();
}

/** AES-128-CFB over a parameter, under a key of its own (Part 1, 21.3). */
export function encryptParameter(session: Session, plain: Uint8Array, own: Uint8Array): Uint8Array {
  const { key, iv } = toCfb(session, { newer: own, older: session.nonceTpm });
  const cipher = createCipheriv('aes-128-cfb', key, iv);
  zeroize(key);
  return cipher.update(plain);
}

/** Into a buffer of its own that the caller wipes. @param nonceTpm of the answer */
export function decryptParameter(
  session: Session,
  sealed: Uint8Array,
  nonces: { tpm: Uint8Array; own: Uint8Array },
): Uint8Array {
  const { key, iv } = toCfb(session, { newer: nonces.tpm, older: nonces.own });
  const decipher = createDecipheriv('aes-128-cfb', key, iv);
  zeroize(key);
  const opened = decipher.update(sealed);
  const plain = allocSecret(opened.length);
  plain.set(opened);
  zeroize(opened);
  return plain;
}

function toCfb(
  session: Session,
  { newer, older }: { newer: Uint8Array; older: Uint8Array },
): { key: Uint8Array; iv: Uint8Array } {
  const derived = kdfa(session.key, 'CFB', { u: newer, v: older, lengthBytes: 2 * KEY_BYTES });
  return { key: derived.subarray(0, KEY_BYTES), iv: derived.subarray(KEY_BYTES) };
}
