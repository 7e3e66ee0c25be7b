/** The owner's seed box in the form that claims store: base64 text. */
import { findBase64Bytes, toBase64 } from '../core/bytes.ts';
import type { Random } from '../core/ports.ts';
import { type Owner, ownerSeedBox } from '../sign/index.ts';
import type { SeedBox } from '../watermark/ports.ts';

/** Seals seeds under the owner's sealing key; `owner` must stay alive while the box is used. */
export function toClaimSeedBox(owner: Owner, random: Random): SeedBox {
  const box = ownerSeedBox({ secrets: owner.secrets, random });
  return {
    sealSeed: (seed, aad) => toBase64(box.sealSeed(seed, aad)),
    openSeed: (sealed, aad) => {
      const bytes = typeof sealed === 'string' ? findBase64Bytes(sealed) : undefined;
      return box.openSeed(bytes ?? new Uint8Array(0), aad);
    },
  };
}
