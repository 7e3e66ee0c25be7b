/** The `tpm2:` key provider: KEKs that one TPM opens, while the machine was started as it was. */
import { allocSecret, toHex, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { Clock, Pause, Random } from '../../../core/ports.ts';
import type { KeyProvider } from '../../../seal/ports.ts';
import {
  meetPcrPolicy,
  readPcrs,
  sealData,
  type Session,
  type Tpm,
  type TpmBlob,
  type TpmEntity,
  type TpmKey,
  type TpmTransport,
  toPcrDigest,
  toPcrPolicy,
  unseal,
  withLoaded,
  withSession,
  withStorageRoot,
} from '../../../tpm/index.ts';
import { KEK_BYTES } from '../kek.ts';
import { openKeyring, toCurrent } from '../keyring.ts';
import { createPrivateFile, updatePrivateFile, withPrivateFile } from '../private-file.ts';
import { toKeyFailure } from './failures.ts';
import { encodeTpmFile, parseTpmFile, type TpmRing, type TpmVersion } from './key-file.ts';

const TYPE = 'tpm2';
export const TPM_STANDING = 'this machine only: keep another recipient for the day its TPM or firmware changes';

/** A TPM key can do all but rewrap by itself. */
export type TpmProvider = Required<Omit<KeyProvider, 'rewrapKey'>>;

export interface TpmKeyOptions {
  readonly path: string;
  readonly random: Random;
  readonly clock: Clock;
  readonly pause: Pause;
  /** A line to the TPM; one is opened for every use, and closed after it. */
  readonly openTpm: () => Promise<TpmTransport>;
}

/**
 * Makes a file with one version; its folder must exist.
 * @param pcrs ascending; the key opens only while these PCRs (SHA-256) are as they are now; empty: always, on this TPM
 * @throws SealError KEY_STORE_EXISTS | KEY_STORE_UNWRITABLE; KEY_SERVICE_UNFIT for PCRs that nothing was measured into;
 *   KEY_PROVIDER_UNAVAILABLE | KEY_REFUSED
 */
export async function createTpmKey(
  options: TpmKeyOptions,
  { pcrs }: { readonly pcrs: readonly number[] },
): Promise<TpmProvider> {
  const id = new Uint8Array(16);
  options.random.fill(id);
  const ring = await useTpm(options, (tpm) =>
    withStorageRoot(tpm, { name: null }, async (root) => {
      const first = await makeVersion(tpm, root, { version: 1, pcrs, options });
      return { keyId: toHex(id), root: root.name, versions: [first] };
    }),
  );
  createPrivateFile(options.path, encodeTpmFile(ring));
  return openTpmKey(options);
}

/**
 * Opens a file; the TPM is asked when a key is first used.
 * @throws SealError KEY_STORE_MISSING | KEY_STORE_UNSAFE | KEY_STORE_INVALID
 */
export function openTpmKey(options: TpmKeyOptions): TpmProvider {
  const read = (): TpmRing => withPrivateFile(options.path, parseTpmFile);
  read();
  const inTurn = toQueue();
  return openKeyring<TpmRing>({
    type: TYPE,
    standing: TPM_STANDING,
    random: options.random,
    read,
    update: (change) => {
      updatePrivateFile(options.path, () => encodeTpmFile(change(read())));
    },
    check: () => inTurn(() => useTpm(options, () => Promise.resolve())),
    openKek: ({ root: name }, version) =>
      inTurn(() => useTpm(options, (tpm) => withStorageRoot(tpm, { name }, (root) => openKek(tpm, root, version)))),
    makeVersion: (ring, version) =>
      inTurn(() =>
        useTpm(options, (tpm) =>
          withStorageRoot(tpm, { name: ring.root }, (root) =>
            makeVersion(tpm, root, { version, pcrs: toCurrent(ring).pcrs, options }),
          ),
        ),
      ),
    close: () => Promise.resolve(),
  });
}

/** The `keyRef` of a file. @throws SealError as {@link openTpmKey} */
export function readTpmKeyId(path: string): string {
  return withPrivateFile(path, parseTpmFile).keyId;
}

/** One use after the other: a TPM has room for three objects. */
function toQueue(): <T>(use: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (use) => {
    const next = last.then(use);
    last = next.catch(() => undefined);
    return next;
  };
}

async function useTpm<T>({ openTpm, random, pause }: TpmKeyOptions, use: (tpm: Tpm) => Promise<T>): Promise<T> {
  let transport: TpmTransport | undefined;
  try {
    transport = await openTpm();
    return await use({ transport, random, pause });
  } catch (error) {
    throw toKeyFailure(error);
  } finally {
    await transport?.close();
  }
}

async function makeVersion(
  tpm: Tpm,
  root: TpmKey,
  { version, pcrs, options }: { version: number; pcrs: readonly number[]; options: TpmKeyOptions },
): Promise<TpmVersion> {
  const policy = pcrs.length === 0 ? new Uint8Array() : toPcrPolicy(pcrs, toPcrDigest(await readMeasured(tpm, pcrs)));
  const kek = allocSecret(KEK_BYTES);
  options.random.fill(kek);
  try {
    const blob: TpmBlob = await sealData(tpm, root, { secret: kek, policy });
    return { version, createdAt: new Date(options.clock.nowMs()).toISOString(), pcrs, blob };
  } finally {
    zeroize(kek);
  }
}

/**
 * PCRs into which nothing was measured have the same value on every machine, however it was started.
 * @throws SealError KEY_SERVICE_UNFIT
 */
async function readMeasured(tpm: Tpm, pcrs: readonly number[]): Promise<readonly Uint8Array[]> {
  const values = await readPcrs(tpm, pcrs);
  const blank = pcrs.filter(
    (_, at) => values[at].every((byte) => byte === 0) || values[at].every((byte) => byte === 0xff),
  );
  if (blank.length === 0) return values;
  const message = 'Nothing was measured into a PCR that the key should hang on: it would protect nothing.';
  throw new SealError('KEY_SERVICE_UNFIT', { message, fields: { pcrs: blank } });
}

async function openKek(tpm: Tpm, root: TpmKey, { pcrs, blob }: TpmVersion): Promise<Uint8Array> {
  const open = async (object: TpmEntity, session: Session): Promise<Uint8Array> => {
    if (pcrs.length > 0) await meetPcrPolicy(tpm, session, pcrs);
    const kek = await unseal(tpm, object, session);
    if (kek.length === KEK_BYTES) return kek;
    zeroize(kek);
    throw new SealError('KEY_STORE_INVALID');
  };
  return withLoaded(tpm, { parent: root, blob }, (object) =>
    withSession(tpm, { kind: pcrs.length > 0 ? 'policy' : 'hmac', salted: root }, (session) => open(object, session)),
  );
}
