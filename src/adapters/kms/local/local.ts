/** The `local:` key provider: AES-256-GCM under a key file on this machine; for trial, since one thief takes both. */
import { allocSecret, toHex, zeroize } from '../../../core/bytes.ts';
import { type ErrorCode, SealError } from '../../../core/errors.ts';
import type { Clock, Random } from '../../../core/ports.ts';
import type { KeyContext, KeyDescription, KeyProvider, WrappedKey } from '../../../seal/ports.ts';
import { findUnder, KEK_BYTES, sealUnder, toBoundBytes } from '../kek.ts';
import type { KekVersion, KeyFile } from './key-file.ts';
import { createKeyStore, readKeyStore, updateKeyStore } from './key-store.ts';

const TYPE = 'local';

/** What a local key is good for; reports print it. */
export const LOCAL_STANDING = 'same machine: for trial';

/** A local key can do all that a key can. */
export type LocalKey = Required<Omit<KeyProvider, 'close'>>;

export interface LocalKeyOptions {
  readonly path: string;
  readonly random: Random;
  readonly clock: Clock;
}

/**
 * Makes a key file with one version; its folder must exist.
 * @throws SealError KEY_STORE_EXISTS | KEY_STORE_UNWRITABLE
 */
export function createLocalKey(options: LocalKeyOptions): LocalKey {
  const id = new Uint8Array(16);
  options.random.fill(id);
  const first = createVersion(1, options);
  try {
    createKeyStore(options.path, { keyId: toHex(id), versions: [first] });
  } finally {
    zeroize(first.kek);
  }
  return openLocalKey(options);
}

/**
 * Opens a key file, and makes it when there is none. Of several processes that do so at once, one makes the key that all
 * of them open.
 * @throws SealError as {@link openLocalKey}; KEY_STORE_UNWRITABLE
 */
export function ensureLocalKey(options: LocalKeyOptions): LocalKey {
  return (
    tryUnless('KEY_STORE_MISSING', () => openLocalKey(options)) ??
    tryUnless('KEY_STORE_EXISTS', () => createLocalKey(options)) ??
    openLocalKey(options)
  );
}

/** Undefined where `act` fails with that code. */
function tryUnless(code: ErrorCode, act: () => LocalKey): LocalKey | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof SealError && error.code === code) return undefined;
    throw error;
  }
}

/**
 * Opens a key file. It is read anew for every call, so that no key stays in memory between calls.
 * @throws SealError KEY_STORE_MISSING | KEY_STORE_UNSAFE | KEY_STORE_INVALID
 */
export function openLocalKey(options: LocalKeyOptions): LocalKey {
  const { path, random } = options;
  const use = <T>(act: (file: KeyFile) => T): Promise<T> => settle(() => withKeyFile(path, act));
  readLocalKeyId(path);
  return {
    wrapKey: ({ dek, context }) => use((file) => wrapUnder(file, dek, { context, random })),
    unwrapKey: (request) => use((file) => unwrapUnder(file, request)),
    rewrapKey: (request) => use((file) => rewrapUnder(file, request, random)),
    describe: () => use(toDescription),
    rotate: () => settle(() => addVersion(options)),
    disableVersion: (version) =>
      settle(() => {
        updateKeyStore(path, (file) => withoutVersion(file, version));
      }),
  };
}

/** The `keyRef` of a key file. @throws SealError as {@link openLocalKey} */
export function readLocalKeyId(path: string): string {
  return withKeyFile(path, ({ keyId }) => keyId);
}

function addVersion(options: LocalKeyOptions): string {
  const made: KekVersion[] = [];
  try {
    updateKeyStore(options.path, (file) => {
      made.push(createVersion(toCurrent(file).version + 1, options));
      return { keyId: file.keyId, versions: [...file.versions, ...made] };
    });
    return String(made[0].version);
  } finally {
    zeroize(...made.map(({ kek }) => kek));
  }
}

/** A version that must not unwrap any more has no use: it is removed, and its key is gone. */
function withoutVersion(file: KeyFile, version: string): KeyFile {
  findVersion(file, version);
  if (version === String(toCurrent(file).version)) {
    throw new SealError('KEY_VERSION_CURRENT', { fields: { keyRef: file.keyId, version } });
  }
  return { keyId: file.keyId, versions: file.versions.filter((each) => String(each.version) !== version) };
}

/** Turns a synchronous call into a promise, its exception into a rejection. */
function settle<T>(call: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(call());
  });
}

function withKeyFile<T>(path: string, use: (file: KeyFile) => T): T {
  const file = readKeyStore(path);
  try {
    return use(file);
  } finally {
    zeroize(...file.versions.map(({ kek }) => kek));
  }
}

function createVersion(version: number, { random, clock }: LocalKeyOptions): KekVersion {
  const kek = allocSecret(KEK_BYTES);
  random.fill(kek);
  return { version, createdAt: new Date(clock.nowMs()).toISOString(), kek };
}

function toCurrent(file: KeyFile): KekVersion {
  return file.versions[file.versions.length - 1];
}

function findVersion(file: KeyFile, version: string): KekVersion {
  const found = file.versions.find((each) => String(each.version) === version);
  if (found === undefined) throw new SealError('KEY_VERSION_GONE', { fields: { keyRef: file.keyId, version } });
  return found;
}

function toDescription(file: KeyFile): KeyDescription {
  return {
    type: TYPE,
    keyRef: file.keyId,
    currentVersion: String(toCurrent(file).version),
    versions: file.versions.map(({ version, createdAt }) => {
      return { version: String(version), createdAt, state: 'enabled' };
    }),
    standing: LOCAL_STANDING,
  };
}

function wrapUnder(file: KeyFile, dek: Uint8Array, to: { context: KeyContext; random: Random }): WrappedKey {
  const { version, kek } = toCurrent(file);
  const name = { type: TYPE, keyRef: file.keyId, keyVersion: String(version) };
  return { ...name, wrapped: sealUnder(kek, dek, { aad: toBoundBytes(name, to.context), random: to.random }) };
}

function rewrapUnder(file: KeyFile, request: { wrapped: WrappedKey; context: KeyContext }, random: Random): WrappedKey {
  const { context, wrapped } = request;
  const dek = unwrapUnder(file, request);
  if (dek === null) throw new SealError('KEY_REFUSED', { fields: { keyRef: wrapped.keyRef } });
  try {
    return wrapUnder(file, dek, { context, random });
  } finally {
    zeroize(dek);
  }
}

function unwrapUnder(file: KeyFile, request: { wrapped: WrappedKey; context: KeyContext }): Uint8Array | null {
  const { type, keyRef, keyVersion, wrapped } = request.wrapped;
  if (type !== TYPE || keyRef !== file.keyId) return null;
  const { kek } = findVersion(file, keyVersion);
  const dek = findUnder(kek, wrapped, toBoundBytes(request.wrapped, request.context));
  if (dek === undefined) throw new SealError('KEY_REFUSED', { fields: { keyRef, keyVersion } });
  return dek;
}
