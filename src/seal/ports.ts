/** The one joint of sealing: whatever can wrap or unwrap a data key enters here; the seal never learns what it was. */
import type { LoadedSession } from '../model/runtime.ts';

export type * from './key-uri-types.ts';

/** What every wrapped key is bound to. Implementers must authenticate all of it with the key (as associated data). */
export interface KeyContext {
  /** UUIDv7 of the seal. */
  readonly sealId: string;
  /** Name of the model, as in the seal's header. */
  readonly model: string;
  /** What the key is for: "open" for the key that opens weights. */
  readonly purpose: string;
}

/** A data key under a provider's key. `wrapped` is opaque and safe to store in the open. */
export interface WrappedKey {
  /** The provider: local, aws-kms, gcp-kms, vault, pkcs11, tpm2, age, device, tee. */
  readonly type: string;
  /** Which key of the provider; no secret and no path of this machine. */
  readonly keyRef: string;
  /** Version of that key, so that a rotation can prove what still hangs on the old one. */
  readonly keyVersion: string;
  readonly wrapped: Uint8Array;
}

/**
 * Wraps data keys under its newest key version.
 *
 * An implementer must bind the whole context, must not keep or log the key, and must throw
 * SealError KEY_PROVIDER_UNAVAILABLE for an outage (the caller may try again) and KEY_REFUSED for a refusal.
 */
export interface KeyWrapper {
  wrapKey(request: { readonly dek: Uint8Array; readonly context: KeyContext }): Promise<WrappedKey>;
}

/**
 * Unwraps data keys.
 *
 * An implementer must return null, not throw, for a key that is not its own (another type or keyRef); must throw
 * SealError KEY_REFUSED when its own key does not unwrap the bytes in this context, KEY_VERSION_GONE when it has no such
 * version, KEY_PROVIDER_UNAVAILABLE for an outage; and must return a fresh buffer that the caller wipes.
 */
export interface KeyUnwrapper {
  unwrapKey(request: { readonly wrapped: WrappedKey; readonly context: KeyContext }): Promise<Uint8Array | null>;
}

export type KeyVersionState = 'enabled' | 'disabled' | 'destroyed';

export interface KeyVersionDescription {
  readonly version: string;
  /** RFC 3339, UTC, milliseconds; null where the service does not tell. */
  readonly createdAt: string | null;
  readonly state: KeyVersionState;
}

/** What a provider tells of its key; nothing in it is secret. */
export interface KeyDescription {
  /** As in {@link WrappedKey}. */
  readonly type: string;
  readonly keyRef: string;
  /** The version that wraps from now on. */
  readonly currentVersion: string;
  /** Ascending; where a service keeps its versions to itself, the ones that are known. */
  readonly versions: readonly KeyVersionDescription[];
  /** What this provider is good for, such as "same machine: for trial"; null when nothing is to be said. */
  readonly standing: string | null;
}

/**
 * A key of a service. The optional methods exist exactly where the service can do it; who calls them has to expect
 * their absence.
 */
export interface KeyProvider extends KeyWrapper, KeyUnwrapper {
  /** @throws SealError KEY_PROVIDER_UNAVAILABLE | KEY_REFUSED */
  describe(): Promise<KeyDescription>;
  /** Makes a new version that wraps from now on; older ones still unwrap. Returns its name. */
  rotate?(): Promise<string>;
  /**
   * Wraps under the newest version inside the service: the data key never leaves it. The context is the one that
   * `wrapped` is bound to, and the result's.
   * @throws SealError as `unwrapKey`
   */
  rewrapKey?(request: { readonly wrapped: WrappedKey; readonly context: KeyContext }): Promise<WrappedKey>;
  /** Stops a version from unwrapping. @throws SealError KEY_VERSION_GONE | KEY_VERSION_CURRENT */
  disableVersion?(version: string): Promise<void>;
  /** Ends connections, sessions and handles; the provider is not used afterwards. */
  close?(): Promise<void>;
}

/** A sealed model that can be run. `release` ends it; nothing of its plaintext outlives a child process. */
export type SealedSession = LoadedSession;

/**
 * Runs sealed models.
 *
 * An implementer must not write plaintext to any file, must wipe its own copies of key and plaintext after loading, and
 * must say in its documentation what stays in which process's memory. It reads `dek` before it returns its promise's
 * result and never keeps it; the caller wipes its own copy.
 */
export interface SealedRunner {
  /** @throws SealError as `openSeal`; RuntimeError RUNTIME_LOAD_FAILED; SealError SEALED_CHILD_FAILED */
  load(request: SealedLoad): Promise<SealedSession>;
}

export interface SealedLoad {
  /** Absolute path of the sealed file. */
  readonly sealedPath: string;
  readonly dek: Uint8Array;
}
