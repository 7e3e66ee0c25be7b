/** The one joint of sealing: whatever can wrap or unwrap a data key enters here; the seal never learns what it was. */

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
