/** Keys of witnesses: those of signed notes, of another kind, so that neither signature passes for the other. */
import { createEd25519Signer, encodeKey, KEY_KIND, parseKey, toKeyId } from './note-key.ts';

/** A public key that cosignatures are verified with. */
export interface CosignerKey {
  readonly kind: 'cosigner';
  /** Name of the witness: non-empty, no Unicode space, no "+". */
  readonly name: string;
  readonly keyId: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Signs cosignatures, and nothing else: one key is one witness. */
export interface Cosigner extends CosignerKey {
  /** 64 bytes of Ed25519. */
  sign(message: Uint8Array): Uint8Array;
  /** Forgets the private key; signing afterwards is a TypeError. */
  close(): void;
}

/** `name+hex(key id)+base64(0x04 ‖ public key)`. */
export function encodeCosignerKey(key: CosignerKey): string {
  return encodeKey(key, KEY_KIND.cosignature);
}

/**
 * @param text one verifier key, without a newline
 * @throws LedgerError LEDGER_KEY_MALFORMED
 */
export function parseCosignerKey(text: string): CosignerKey {
  return { kind: 'cosigner', ...parseKey(text, KEY_KIND.cosignature) };
}

/**
 * A cosigner over a raw Ed25519 seed, which is copied: the caller zeroizes its own bytes.
 * @param name of the witness, such as "witness.example/w1"
 * @param seed 32 bytes that sign nothing else
 */
export function createCosigner(options: { readonly name: string; readonly seed: Uint8Array }): Cosigner {
  const signer = createEd25519Signer(options);
  const { name, publicKey } = signer;
  return {
    kind: 'cosigner',
    name,
    keyId: toKeyId(name, KEY_KIND.cosignature, publicKey),
    publicKey,
    sign: (message) => signer.sign(message),
    close: () => {
      signer.close();
    },
  };
}
