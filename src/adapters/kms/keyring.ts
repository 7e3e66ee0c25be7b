/** A provider over a file of KEK versions, each of them closed by something outside: a passphrase, a TPM. */
import { zeroize } from '../../core/bytes.ts';
import { SealError } from '../../core/errors.ts';
import { SEAL_LIMITS } from '../../core/limits/seal.ts';
import type { Random } from '../../core/ports.ts';
import type { KeyContext, KeyDescription, KeyProvider, WrappedKey } from '../../seal/ports.ts';
import { findUnder, type KeyName, sealUnder, toBoundBytes } from './kek.ts';

/** One version; how its KEK is closed is the provider's. */
export interface RingVersion {
  readonly version: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly createdAt: string;
}

/** Versions in ascending order; the last one wraps. */
export interface Ring<V extends RingVersion> {
  readonly keyId: string;
  readonly versions: readonly V[];
}

export interface KeyringOptions<R extends Ring<RingVersion>> {
  readonly type: string;
  readonly standing: string;
  readonly random: Random;
  /** Reads the file; it is read anew for every call. */
  readonly read: () => R;
  /** Replaces the file by what `change` makes of it as it is then, while no other process changes it. */
  readonly update: (change: (ring: R) => R) => void;
  /** The 32-byte KEK of a version, wiped by the caller. @throws SealError KEY_REFUSED | KEY_PROVIDER_UNAVAILABLE */
  readonly openKek: (ring: R, version: R['versions'][number]) => Promise<Uint8Array>;
  /** A fresh version with this number. @throws as `openKek` */
  readonly makeVersion: (ring: R, version: number) => Promise<R['versions'][number]>;
  /** That what opens the KEKs can be reached, before the key is described. @throws SealError KEY_PROVIDER_UNAVAILABLE */
  readonly check: () => Promise<void>;
  readonly close: () => Promise<void>;
}

interface UnwrapRequest {
  readonly wrapped: WrappedKey;
  readonly context: KeyContext;
}

/** Wraps with AES-256-GCM under the newest KEK, which is in memory only while a call runs. */
export function openKeyring<R extends Ring<RingVersion>>(
  options: KeyringOptions<R>,
): Required<Omit<KeyProvider, 'rewrapKey'>> {
  return {
    wrapKey: async ({ dek, context }) => {
      const ring = options.read();
      const version = toCurrent(ring);
      const name = { type: options.type, keyRef: ring.keyId, keyVersion: String(version.version) };
      const wrapped = await withKek(options, { ring, version }, (kek) =>
        sealUnder(kek, dek, { aad: toBoundBytes(name, context), random: options.random }),
      );
      return { ...name, wrapped };
    },
    unwrapKey: (request) => unwrap(options, request),
    describe: async () => {
      await options.check();
      return toDescription(options, options.read());
    },
    rotate: async () => {
      const ring = options.read();
      const next = await options.makeVersion(ring, toCurrent(ring).version + 1);
      options.update((now) => {
        assertUnchanged(ring, now);
        return { ...now, versions: [...now.versions, next] };
      });
      return String(next.version);
    },
    disableVersion: async (version) => {
      await Promise.resolve();
      options.update((ring) => withoutVersion(ring, version));
    },
    close: options.close,
  };
}

export function toCurrent<V extends RingVersion>(ring: Ring<V>): V {
  return ring.versions[ring.versions.length - 1];
}

async function withKek<R extends Ring<RingVersion>, T>(
  options: KeyringOptions<R>,
  at: { ring: R; version: R['versions'][number] },
  use: (kek: Uint8Array) => T,
): Promise<T> {
  const kek = await options.openKek(at.ring, at.version);
  try {
    return use(kek);
  } finally {
    zeroize(kek);
  }
}

async function unwrap<R extends Ring<RingVersion>>(
  options: KeyringOptions<R>,
  { wrapped: key, context }: UnwrapRequest,
): Promise<Uint8Array | null> {
  const ring = options.read();
  if (key.type !== options.type || key.keyRef !== ring.keyId) return null;
  const name: KeyName = { type: options.type, keyRef: ring.keyId, keyVersion: key.keyVersion };
  const version = findVersion(ring, key.keyVersion);
  const fields = { keyRef: ring.keyId, keyVersion: key.keyVersion };
  // No wrapped key is that long: the KEK is not opened for it.
  if (key.wrapped.length > SEAL_LIMITS.wrappedBytesMax) throw new SealError('KEY_REFUSED', { fields });
  const aad = toBoundBytes(name, context);
  const dek = await withKek(options, { ring, version }, (kek) => findUnder(kek, key.wrapped, aad));
  if (dek === undefined) throw new SealError('KEY_REFUSED', { fields });
  return dek;
}

/** Making a version takes a while; who rotated or disabled in that time must not be overwritten. */
function assertUnchanged(before: Ring<RingVersion>, now: Ring<RingVersion>): void {
  const toText = ({ keyId, versions }: Ring<RingVersion>): string =>
    [keyId, ...versions.map(({ version, createdAt }) => `${version} ${createdAt}`)].join();
  if (toText(before) === toText(now)) return;
  const message = 'The key file was changed by somebody else meanwhile.';
  throw new SealError('KEY_STORE_BUSY', { message, fields: { keyRef: before.keyId } });
}

function findVersion<V extends RingVersion>(ring: Ring<V>, version: string): V {
  const found = ring.versions.find((each) => String(each.version) === version);
  // Cut to what a version of ours can be: the text comes from the envelope.
  if (found === undefined) {
    throw new SealError('KEY_VERSION_GONE', { fields: { keyRef: ring.keyId, version: version.slice(0, 16) } });
  }
  return found;
}

/** A version that must not unwrap any more has no use: it is removed from the file, and its KEK with it. */
function withoutVersion<R extends Ring<RingVersion>>(ring: R, version: string): R {
  findVersion(ring, version);
  if (version === String(toCurrent(ring).version)) {
    throw new SealError('KEY_VERSION_CURRENT', { fields: { keyRef: ring.keyId, version } });
  }
  return { ...ring, versions: ring.versions.filter((each) => String(each.version) !== version) };
}

function toDescription<R extends Ring<RingVersion>>({ type, standing }: KeyringOptions<R>, ring: R): KeyDescription {
  return {
    type,
    keyRef: ring.keyId,
    currentVersion: String(toCurrent(ring).version),
    versions: ring.versions.map(({ version, createdAt }) => ({
      version: String(version),
      createdAt,
      state: 'enabled',
    })),
    standing,
  };
}
