/** Keys and data objects: made, loaded, used and flushed; sessions are salted with a storage key that was made before. */
import { concatBytes, zeroize } from '../core/bytes.ts';
import { TpmError } from '../core/errors.ts';
import { TPM_LIMITS } from '../core/limits/tpm.ts';
import { readPoint, STORAGE_ROOT_TEMPLATE, toName, toSealedTemplate } from './areas.ts';
import { ALG, CC, HANDLE, SESSION_TYPE } from './codes.ts';
import { execute, type Tpm, type TpmEntity, toHandleEntity } from './command.ts';
import { EMPTY_PASSWORD, makeSalt, NONCE_BYTES, type Session, toSessionKey } from './session.ts';
import { sized, sizedSecret, u16, u32, u8 } from './wire.ts';

/** A key in the TPM with its public part. */
export interface TpmKey extends TpmEntity {
  /** Public area (TPMT_PUBLIC). */
  readonly area: Uint8Array;
}

/** What is kept outside: `privatePart` is encrypted and authenticated by the parent. */
export interface TpmBlob {
  readonly area: Uint8Array;
  readonly privatePart: Uint8Array;
}

const NO_PCRS = u32(0);

/** Makes a primary key of a hierarchy from its template; the same template gives the same key. The caller flushes it. */
export async function createPrimary(
  tpm: Tpm,
  hierarchy: 'owner' | 'endorsement',
  template: Uint8Array,
): Promise<TpmKey> {
  const { handle, parameters } = await execute(tpm, {
    code: CC.createPrimary,
    handles: [toHandleEntity(HANDLE[hierarchy])],
    authorizations: [EMPTY_PASSWORD],
    parameters: concatBytes(sized(sized(), sized()), sized(template), sized(), NO_PCRS),
    answersHandle: true,
  });
  const area = parameters.sized().slice();
  return { handle, name: toName(area), area };
}

/**
 * Calls `use` with the storage root key and flushes it afterwards.
 * @param options.name what the key is known to be called; another one means another TPM, or somebody in between
 * @throws TpmError TPM_RESPONSE_FORGED for another name
 */
export async function withStorageRoot<T>(
  tpm: Tpm,
  options: { readonly name: Uint8Array | null },
  use: (root: TpmKey) => Promise<T>,
): Promise<T> {
  const root = await createPrimary(tpm, 'owner', STORAGE_ROOT_TEMPLATE);
  try {
    if (options.name !== null && Buffer.compare(root.name, options.name) !== 0)
      throw new TpmError('TPM_RESPONSE_FORGED');
    return await use(root);
  } finally {
    await flush(tpm, root.handle);
  }
}

/** Calls `use` with a session whose key only this TPM knows, and flushes it afterwards. @param options.salted an ECC key */
export async function withSession<T>(
  tpm: Tpm,
  options: { readonly kind: keyof typeof SESSION_TYPE; readonly salted: TpmKey },
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await startSession(tpm, options);
  try {
    return await use(session);
  } finally {
    zeroize(session.key);
    await flush(tpm, session.handle);
  }
}

async function startSession(
  tpm: Tpm,
  { kind, salted }: { readonly kind: keyof typeof SESSION_TYPE; readonly salted: TpmKey },
): Promise<Session> {
  const own = new Uint8Array(NONCE_BYTES);
  tpm.random.fill(own);
  const { salt, encrypted } = makeSalt(readPoint(salted.area), tpm.random);
  try {
    const { handle, parameters } = await execute(tpm, {
      code: CC.startAuthSession,
      handles: [salted, toHandleEntity(HANDLE.null)],
      parameters: concatBytes(
        sized(own),
        sized(encrypted),
        u8(SESSION_TYPE[kind]),
        concatBytes(u16(ALG.aes), u16(128), u16(ALG.cfb)),
        u16(ALG.sha256),
      ),
      answersHandle: true,
    });
    const nonceTpm = parameters.sized().slice();
    return { handle, nonceTpm, key: toSessionKey(salt, { tpm: nonceTpm, own }) };
  } finally {
    zeroize(salt);
  }
}

/** Frees a slot of the TPM. It is cleaning up: a failure must not hide what went wrong before. */
export async function flush(tpm: Tpm, handle: number): Promise<void> {
  try {
    await execute(tpm, { code: CC.flushContext, parameters: u32(handle) });
  } catch {
    // A resource manager frees it when the line is closed, and a TPM when it restarts.
  }
}

/** Makes a key under a parent; what comes back is kept outside. */
export async function createKey(tpm: Tpm, parent: TpmKey, template: Uint8Array): Promise<TpmBlob> {
  const { parameters } = await execute(tpm, {
    code: CC.create,
    handles: [parent],
    authorizations: [EMPTY_PASSWORD],
    parameters: concatBytes(sized(sized(), sized()), sized(template), sized(), NO_PCRS),
  });
  return { privatePart: parameters.sized().slice(), area: parameters.sized().slice() };
}

/**
 * Closes up to 128 bytes under a parent; on the way they are encrypted to the TPM.
 * @param options.secret left as it is
 * @param options.policy 32 bytes of a policy that opens it, or none
 */
export async function sealData(
  tpm: Tpm,
  parent: TpmKey,
  options: { readonly secret: Uint8Array; readonly policy: Uint8Array },
): Promise<TpmBlob> {
  if (options.secret.length > TPM_LIMITS.sealedBytesMax) throw new TypeError('a TPM seals at most 128 bytes');
  const sensitive = concatBytes(sized(), sizedSecret(options.secret.slice()));
  return withSession(tpm, { kind: 'hmac', salted: parent }, async (session) => {
    const { parameters } = await execute(tpm, {
      code: CC.create,
      handles: [parent],
      authorizations: [{ session, isDecrypt: true }],
      secret: sensitive,
      parameters: concatBytes(sized(toSealedTemplate(options.policy)), sized(), NO_PCRS),
    });
    return { privatePart: parameters.sized().slice(), area: parameters.sized().slice() };
  });
}

/** Calls `use` with a loaded object and flushes it afterwards. @throws TpmError TPM_REFUSED, RC.integrity for another TPM's */
export async function withLoaded<T>(
  tpm: Tpm,
  { parent, blob }: { readonly parent: TpmKey; readonly blob: TpmBlob },
  use: (object: TpmEntity) => Promise<T>,
): Promise<T> {
  const { handle } = await execute(tpm, {
    code: CC.load,
    handles: [parent],
    authorizations: [EMPTY_PASSWORD],
    parameters: concatBytes(sized(blob.privatePart), sized(blob.area)),
    answersHandle: true,
  });
  try {
    return await use({ handle, name: toName(blob.area) });
  } finally {
    await flush(tpm, handle);
  }
}

/** What {@link sealData} closed, encrypted on the way; the caller wipes it. @param session meets the object's policy */
export async function unseal(tpm: Tpm, object: TpmEntity, session: Session): Promise<Uint8Array> {
  const authorizations = [{ session, isEncrypt: true }];
  const { secret } = await execute(tpm, { code: CC.unseal, handles: [object], authorizations });
  return secret;
}
