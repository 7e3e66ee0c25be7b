/** ECDH inside the TPM: a P-256 key whose private part never leaves it. */
import { concatBytes, zeroize } from '../core/bytes.ts';
import { type EccPoint, toCoordinate } from './areas.ts';
import { CC } from './codes.ts';
import { execute, type Tpm, type TpmEntity } from './command.ts';
import { type TpmKey, withSession } from './objects.ts';
import { readWire, sized } from './wire.ts';

/**
 * The x coordinate of private key times `point`, 32 bytes, encrypted on its way; the caller wipes it. The TPM refuses a
 * point that is not on the curve.
 * @param options.root a storage key, to salt the session with
 */
export async function agree(
  tpm: Tpm,
  key: TpmEntity,
  options: { readonly root: TpmKey; readonly point: EccPoint },
): Promise<Uint8Array> {
  const { x, y } = options.point;
  return withSession(tpm, { kind: 'hmac', salted: options.root }, async (session) => {
    const { secret } = await execute(tpm, {
      code: CC.ecdhZGen,
      handles: [key],
      authorizations: [{ session, isEncrypt: true }],
      parameters: sized(concatBytes(sized(x), sized(y))),
    });
    try {
      return toCoordinate(readWire(secret).sized());
    } finally {
      zeroize(secret);
    }
  });
}
