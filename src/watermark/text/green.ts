/** The keyed green list: which next tokens are favoured after which token (docs/spec/text-mark.md §2). */
import { hkdfSha256 } from '../../core/hash.ts';
import { createPrfStream, toPrfBytes } from '../../core/prf.ts';
import type { TextParams } from './params.ts';

/** Stream domains under the key of a text mark. */
const TEXT_DOMAIN = { bucket: 1, green: 2 } as const;

/**
 * K_text = HKDF-SHA-256(S_api, salt originalDigest, info "wm/v1/key/api/text"), 32 bytes.
 * @param apiSeed S_api, 32 bytes
 * @param originalDigest 32 bytes
 */
export function deriveTextKey(apiSeed: Uint8Array, originalDigest: Uint8Array): Uint8Array {
  if (apiSeed.length !== 32 || originalDigest.length !== 32) throw new TypeError('seed and digest have 32 bytes');
  return hkdfSha256(apiSeed, originalDigest, 'wm/v1/key/api/text', 32);
}

/** Bits of the stream that decide one token: it is green when all of them are 0. */
const BITS_OF_SHARE: ReadonlyMap<number, number> = new Map([
  [0.5, 1],
  [0.25, 2],
]);

export interface GreenList {
  readonly params: TextParams;
  /** Bucket of every token as a context, [vocabulary]. */
  readonly buckets: Int32Array;
  /** Whether `token` is favoured after a token of `bucket`. */
  isGreen(bucket: number, token: number): boolean;
  /** One row of the table, 0 or 1 per token, [vocabulary]. */
  toRow(bucket: number): Uint8Array;
}

/**
 * Every bit of the table is a bit of the PRF: for whoever does not have the key, each pair of bucket and token is green with
 * probability `share`, independently of all others and of any text.
 * @param key K_text
 */
export function createGreenList(key: Uint8Array, params: TextParams): GreenList {
  const { vocabulary, buckets: count, share } = params;
  const bits = BITS_OF_SHARE.get(share);
  if (bits === undefined) throw new TypeError('a share of green tokens is 0.5 or 0.25');
  const drawn = createPrfStream(key, { domain: TEXT_DOMAIN.bucket, index: 0 });
  const buckets = Int32Array.from({ length: vocabulary }, () => drawn.below(count));
  const rows = new Map<number, Uint8Array>();
  const toBits = (bucket: number): Uint8Array => {
    const known = rows.get(bucket);
    if (known !== undefined) return known;
    const id = { domain: TEXT_DOMAIN.green, index: bucket };
    const row = toPrfBytes(key, id, Math.ceil((vocabulary * bits) / 8));
    rows.set(bucket, row);
    return row;
  };
  const isGreen = (bucket: number, token: number): boolean => {
    const row = toBits(bucket);
    const at = token * bits;
    return ((row[at >> 3] >> (at & 7)) & ((1 << bits) - 1)) === 0;
  };
  return {
    params,
    buckets,
    isGreen,
    toRow: (bucket) => Uint8Array.from({ length: vocabulary }, (_, token) => Number(isGreen(bucket, token))),
  };
}
