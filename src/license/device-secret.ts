/** Secrets that a device has without keeping them: derived from the agreement of its key with itself (docs/spec/license.md section 5). */
import { allocSecret, utf8, zeroize } from '../core/bytes.ts';
import { hkdfSha256 } from '../core/hash.ts';
import { type EcPublicJwk, toThumbprint } from './jwk.ts';
import type { AgreementKey, DeviceKey } from './ports.ts';

/** 32 bytes that need the private key. The caller wipes them. @param purpose MACs the record, or signs the ledger */
export async function deriveDeviceSecret(key: AgreementKey, purpose: 'state' | 'ledger'): Promise<Uint8Array> {
  const secret = await key.agree(key.publicKey);
  try {
    return hkdfSha256(secret, utf8(toThumbprint(key.publicKey)), `modelward/license/v1/${purpose}`, 32);
  } finally {
    zeroize(secret);
  }
}

/** A key that agrees with itself once, however often that is asked for: a chip takes its time for each. */
export interface RememberingKey {
  readonly key: DeviceKey;
  /** Wipes what was remembered. */
  forget(): void;
}

export function rememberOwnAgreement(key: DeviceKey): RememberingKey {
  const { publicKey, assurance } = key;
  let own: Uint8Array | undefined;
  const agree = async (peer: EcPublicJwk): Promise<Uint8Array> => {
    if (peer.x !== publicKey.x || peer.y !== publicKey.y) return key.agree(peer);
    own ??= await key.agree(peer);
    const copy = allocSecret(own.length);
    copy.set(own);
    return copy;
  };
  const forget = (): void => {
    if (own !== undefined) zeroize(own);
    own = undefined;
  };
  return { key: { publicKey, assurance, agree }, forget };
}
