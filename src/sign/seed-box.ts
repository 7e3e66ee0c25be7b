/** Seals a 32-byte seed under the owner's sealing key: HKDF-SHA-256, then AES-256-GCM (docs/spec/owner-keys.md 3). */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { allocSecret, concatBytes, findBase64Bytes, toBase64, utf8, zeroize } from '../core/bytes.ts';
import type { Json } from '../core/canonical-json.ts';
import { SignError } from '../core/errors.ts';
import { hkdfSha256 } from '../core/hash.ts';
import type { Random } from '../core/ports.ts';
import type { OwnerSecrets } from './owner.ts';
import type { SeedBox } from './ports.ts';

const LABEL = 'modelward/v1/seed-box';
const SALT_BYTES = 32;
const SEED_BYTES = 32;
const TAG_BYTES = 16;
/** salt(32) ‖ ciphertext(32) ‖ tag(16). */
export const SEED_BOX_BYTES = SALT_BYTES + SEED_BYTES + TAG_BYTES;

/** Key (32 bytes) and nonce (12 bytes) of one box; a fresh 256-bit salt makes both unique. */
function deriveBoxKey(sealKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return hkdfSha256(sealKey, salt, LABEL, 44);
}

function toBoxAad(aad: Uint8Array): Uint8Array {
  return concatBytes(utf8(`${LABEL}\0`), aad);
}

function sealSeed(sealKey: Uint8Array, random: Random, seed: Uint8Array, aad: Uint8Array): Uint8Array {
  if (seed.length !== SEED_BYTES) throw new TypeError('a seed is 32 bytes');
  const salt = new Uint8Array(SALT_BYTES);
  random.fill(salt);
  const key = deriveBoxKey(sealKey, salt);
  try {
    const cipher = createCipheriv('aes-256-gcm', key.subarray(0, 32), key.subarray(32));
    cipher.setAAD(toBoxAad(aad));
    const sealed = cipher.update(seed);
    cipher.final();
    return concatBytes(salt, sealed, cipher.getAuthTag());
  } finally {
    zeroize(key);
  }
}

function findBox(box: Json): Uint8Array | undefined {
  return typeof box === 'string' ? findBase64Bytes(box) : undefined;
}

function openSeed(sealKey: Uint8Array, box: Uint8Array | undefined, aad: Uint8Array): Uint8Array {
  if (box?.length !== SEED_BOX_BYTES) throw new SignError('SIGN_SEED_REFUSED');
  const key = deriveBoxKey(sealKey, box.subarray(0, SALT_BYTES));
  const seed = allocSecret(SEED_BYTES);
  try {
    const cipher = createDecipheriv('aes-256-gcm', key.subarray(0, 32), key.subarray(32), { authTagLength: TAG_BYTES });
    cipher.setAAD(toBoxAad(aad));
    cipher.setAuthTag(box.subarray(SALT_BYTES + SEED_BYTES));
    const plain = cipher.update(box.subarray(SALT_BYTES, SALT_BYTES + SEED_BYTES));
    seed.set(plain);
    zeroize(plain);
    cipher.final();
    return seed;
  } catch {
    zeroize(seed);
    // One failure for wrong owner, wrong context and altered box: which it was would help only an attacker.
    throw new SignError('SIGN_SEED_REFUSED');
  } finally {
    zeroize(key);
  }
}

/** The seed box of one owner. `secrets` must stay alive (not zeroized) while the box is used. */
export function ownerSeedBox(options: { readonly secrets: OwnerSecrets; readonly random: Random }): SeedBox {
  return {
    sealSeed: (seed, aad) => toBase64(sealSeed(options.secrets.sealKey, options.random, seed, aad)),
    openSeed: (box, aad) => openSeed(options.secrets.sealKey, findBox(box), aad),
  };
}
