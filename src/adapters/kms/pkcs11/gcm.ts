/** AES-256-GCM inside the token: CKM_AES_GCM with associated data; a wrong tag is told from an outage. */
import type { Handle, Mechanism } from 'pkcs11js';
import { allocSecret, concatBytes, isEqualConstantTime, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import { IV_BYTES, TAG_BYTES } from '../kek.ts';
import { toCkr } from './failures.ts';
import type { TokenSession } from './token.ts';

/** How tokens say that a tag is wrong; SoftHSM says CKR_GENERAL_ERROR. */
const WRONG_TAG: readonly string[] = [
  'CKR_GENERAL_ERROR',
  'CKR_FUNCTION_FAILED',
  'CKR_ENCRYPTED_DATA_INVALID',
  'CKR_ENCRYPTED_DATA_LEN_RANGE',
  'CKR_AEAD_DECRYPT_FAILED',
  'CKR_DATA_INVALID',
  'CKR_SIGNATURE_INVALID',
];

/** Room behind the ciphertext, to notice a token that appends an IV of its own. */
const SLACK_BYTES = 64;

interface GcmTask {
  readonly key: Handle;
  readonly aad: Uint8Array;
}

/**
 * IV(12) ‖ ciphertext ‖ tag(16). The IV is 96 random bits of the token. What was encrypted is decrypted once with that
 * IV: a token that made up another IV and kept it to itself would have lost the key.
 * @throws SealError KEY_SERVICE_UNFIT for such a token; errors of PKCS#11 as they are
 */
export function encryptOnToken(token: TokenSession, plain: Uint8Array, task: GcmTask): Uint8Array {
  const { api, session } = token;
  const iv = new Uint8Array(api.C_GenerateRandom(session, Buffer.alloc(IV_BYTES)));
  const out = Buffer.alloc(plain.length + TAG_BYTES + SLACK_BYTES);
  api.C_EncryptInit(session, toMechanism(token, iv, task.aad), task.key);
  const sealed = api.C_Encrypt(session, toBuffer(plain), out);
  const wrapped = concatBytes(iv, sealed);
  const back = sealed.length === plain.length + TAG_BYTES ? findOnToken(token, wrapped, task) : undefined;
  try {
    if (back !== undefined && isEqualConstantTime(back, plain)) return wrapped;
    throw new SealError('KEY_SERVICE_UNFIT', { message: 'The token does not encrypt with the IV that it is given.' });
  } finally {
    if (back !== undefined) zeroize(back);
  }
}

/**
 * Undoes {@link encryptOnToken} into a buffer of its own that the caller wipes; undefined when anything differs.
 * @throws errors of PKCS#11 other than a wrong tag
 */
export function findOnToken(token: TokenSession, wrapped: Uint8Array, task: GcmTask): Uint8Array | undefined {
  if (wrapped.length <= IV_BYTES + TAG_BYTES) return undefined;
  const { api, session } = token;
  // As long as the ciphertext: some tokens ask for room for the tag, too.
  const out = Buffer.from(allocSecret(wrapped.length).buffer);
  try {
    api.C_DecryptInit(session, toMechanism(token, wrapped.subarray(0, IV_BYTES), task.aad), task.key);
    const opened = api.C_Decrypt(session, toBuffer(wrapped.subarray(IV_BYTES)), out);
    const plain = allocSecret(opened.length);
    plain.set(opened);
    return plain;
  } catch (error) {
    if (WRONG_TAG.includes(toCkr(error) ?? '')) return undefined;
    throw error;
  } finally {
    zeroize(out);
  }
}

/** Parameters as PKCS#11 2.40 has them: those of 2.30, without the bits of the IV, SoftHSM does not take. */
function toMechanism({ bridge }: TokenSession, iv: Uint8Array, aad: Uint8Array): Mechanism {
  const type = bridge.CK_PARAMS_AES_GCM_v240;
  const parameter = { type, iv: toBuffer(iv), ivBits: 8 * IV_BYTES, aad: toBuffer(aad), tagBits: 8 * TAG_BYTES };
  return { mechanism: bridge.CKM_AES_GCM, parameter };
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
