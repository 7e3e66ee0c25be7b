/** From one secret seed to sub-seeds, keys and message bits (docs/spec/commitment.md §1, docs/spec/watermark.md §2). */
import { utf8 } from '../core/bytes.ts';
import { hkdfSha256, hmacSha256 } from '../core/hash.ts';
import { toPrfBytes } from '../core/prf.ts';

/** What a sub-seed is for. Showing one of them to a judge reveals no other. */
export const SEED_PURPOSES = ['own', 'recipient', 'probe', 'trigger', 'api'] as const;
export type SeedPurpose = (typeof SEED_PURPOSES)[number];
export type Seeds = Readonly<Record<SeedPurpose, Uint8Array>>;

const SEED_BYTES = 32;
/** Stream domains under the keys of this scheme; each key has its own use, the numbers keep them apart all the same. */
export const STREAM_DOMAIN = {
  tile: 1,
  tileChoice: 2,
  bits: 3,
  label: 4,
  dither: 5,
  scoreSigns: 30,
  triggerInput: 40,
  triggerLabel: 41,
  triggerSample: 42,
  triggerPrompt: 43,
  probeInput: 50,
  probeText: 51,
  remoteOrder: 52,
  order: 20,
  interleave: 21,
  tag: 22,
} as const;

/**
 * S_x = HKDF-SHA-256(S, salt empty, info "wm/v1/seed/" + x), 32 bytes each.
 * @param seed S, 32 random bytes, one per owner and original
 */
export function deriveSeeds(seed: Uint8Array): Seeds {
  if (seed.length !== SEED_BYTES) throw new TypeError('a seed has 32 bytes');
  const derive = (purpose: SeedPurpose): Uint8Array =>
    hkdfSha256(seed, new Uint8Array(0), `wm/v1/seed/${purpose}`, SEED_BYTES);
  return {
    own: derive('own'),
    recipient: derive('recipient'),
    probe: derive('probe'),
    trigger: derive('trigger'),
    api: derive('api'),
  };
}

/** The keys of one mark: where it lies, and what it says. */
export interface MarkKeys {
  readonly positions: Uint8Array;
  readonly bits: Uint8Array;
}

/**
 * K_x = HKDF-SHA-256(S_x, salt originalDigest, info "wm/v1/key/" + x + "/" + use). The salt binds the key to one
 * original: whoever invents another "original" draws a fresh random key (Craver's inversion attack).
 * @param originalDigest 32 bytes
 */
export function deriveMarkKeys(subSeed: Uint8Array, purpose: SeedPurpose, originalDigest: Uint8Array): MarkKeys {
  if (subSeed.length !== SEED_BYTES) throw new TypeError('a sub-seed has 32 bytes');
  if (originalDigest.length !== 32) throw new TypeError('originalDigest has 32 bytes');
  const derive = (use: string): Uint8Array => hkdfSha256(subSeed, originalDigest, `wm/v1/key/${purpose}/${use}`, 32);
  return { positions: derive('positions'), bits: derive('bits') };
}

/**
 * The message: +1 or -1 per bit from PRF(HMAC(K_bits, ownerId)). It is never chosen, so a key cannot be fitted to
 * weights that already exist.
 */
export function toMessageBits(bitsKey: Uint8Array, ownerId: string, count: number): Int8Array {
  const stream = toPrfBytes(hmacSha256(bitsKey, utf8(ownerId)), { domain: STREAM_DOMAIN.bits, index: 0 }, count / 8);
  return Int8Array.from({ length: count }, (_, i) => ((stream[i >> 3] >> (i & 7)) & 1 ? 1 : -1));
}
