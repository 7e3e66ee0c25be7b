/** Proof that a key is in the TPM whose endorsement key a maker certified: a secret that only this pair gets back. */
import { constants, createCipheriv, createHmac, createPublicKey, publicEncrypt } from 'node:crypto';
import { allocSecret, concatBytes, utf8, zeroize } from '../core/bytes.ts';
import { readModulus, readPoint } from './areas.ts';
import { ALG, CC, HANDLE } from './codes.ts';
import { execute, type Tpm, type TpmEntity, toHandleEntity } from './command.ts';
import { kdfa } from './kdf.ts';
import { type TpmKey, withSession } from './objects.ts';
import { EMPTY_PASSWORD, makeSalt } from './session.ts';
import { readWire, sized, sizedSecret, u32 } from './wire.ts';
import type { Random } from '../core/ports.ts';

/** A secret closed to one endorsement key and one name. */
export interface Credential {
  readonly blob: Uint8Array;
  readonly encryptedSeed: Uint8Array;
}

const NONE = new Uint8Array();
const SEED_BYTES = 32;
const RSA_EXPONENT = Uint8Array.of(1, 0, 1);

/**
 * What an enrolling server does; it needs no TPM (Part 1, 24).
 * @param options.endorsement public area of the endorsement key, whose certificate was verified
 * @param options.name of the key that is to be enrolled
 * @param options.secret up to 32 bytes; left as it is
 */
export function makeCredential(options: {
  readonly endorsement: Uint8Array;
  readonly name: Uint8Array;
  readonly secret: Uint8Array;
  readonly random: Random;
}): Credential {
  const { seed, encrypted } = makeSeed(options.endorsement, options.random);
  const key = kdfa(seed, 'STORAGE', { u: options.name, v: NONE, lengthBytes: 16 });
  const macKey = kdfa(seed, 'INTEGRITY', { u: NONE, v: NONE, lengthBytes: SEED_BYTES });
  const plain = sizedSecret(options.secret.slice());
  try {
    const identity = createCipheriv('aes-128-cfb', key, new Uint8Array(16)).update(plain);
    const mac = createHmac('sha256', macKey).update(identity).update(options.name).digest();
    return { blob: concatBytes(sized(mac), identity), encryptedSeed: encrypted };
  } finally {
    zeroize(seed, key, macKey, plain);
  }
}

function makeSeed(endorsement: Uint8Array, random: Random): { seed: Uint8Array; encrypted: Uint8Array } {
  if (readWire(endorsement).u16() === ALG.ecc) {
    const { salt, encrypted } = makeSalt(readPoint(endorsement), random, 'IDENTITY');
    return { seed: salt, encrypted };
  }
  const modulus = readModulus(endorsement);
  const jwk = {
    kty: 'RSA',
    n: Buffer.from(modulus).toString('base64url'),
    e: Buffer.from(RSA_EXPONENT).toString('base64url'),
  };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const seed = allocSecret(SEED_BYTES);
  random.fill(seed);
  const oaep = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256', oaepLabel: utf8('IDENTITY\0') };
  return { seed, encrypted: publicEncrypt(oaep, seed) };
}

/**
 * What the device does: gives the secret back when `key` has the name and `endorsement` is the key it was closed to. The
 * caller wipes it; it proves possession and protects nothing, and crosses the bus in the clear.
 * @param options.root a storage key, to salt the session with
 * @throws TpmError TPM_REFUSED with RC.integrity for another TPM or another key
 */
export async function activateCredential(
  tpm: Tpm,
  credential: Credential,
  options: { readonly key: TpmEntity; readonly endorsement: TpmKey; readonly root: TpmKey },
): Promise<Uint8Array> {
  return withSession(tpm, { kind: 'policy', salted: options.root }, async (session) => {
    await execute(tpm, {
      code: CC.policySecret,
      handles: [toHandleEntity(HANDLE.endorsement), toHandleEntity(session.handle)],
      authorizations: [EMPTY_PASSWORD],
      parameters: concatBytes(sized(), sized(), sized(), u32(0)),
    });
    const { parameters } = await execute(tpm, {
      code: CC.activateCredential,
      handles: [options.key, options.endorsement],
      authorizations: [EMPTY_PASSWORD, { session }],
      parameters: concatBytes(sized(credential.blob), sized(credential.encryptedSeed)),
    });
    const found = parameters.sized();
    const secret = allocSecret(found.length);
    secret.set(found);
    zeroize(found);
    return secret;
  });
}
