/** The keyed order of a recipient's neurons (docs/spec/recipient-code.md §2). */
import { u64be } from '../../core/bytes.ts';
import { hmacSha256 } from '../../core/hash.ts';
import { createPrfStream } from '../../core/prf.ts';
import { STREAM_DOMAIN } from '../seeds.ts';

/** A space whose channels carry the code. */
export interface CodedSpace {
  /** Index into the topology's spaces. */
  readonly space: number;
  readonly channels: number;
  /** Runs of equal length that channels stay in, as groups of a convolution ask; 1 when each can go anywhere. */
  readonly blocks: number;
}

/** Where each channel goes: `places[c]` is the place in the copy of the original's channel c. */
export type Places = Int32Array;

/**
 * K_r of one recipient.
 * @param orderKey 32 bytes
 * @param number the recipient's, 1..2^32 - 1
 */
export function toRecipientOrderKey(orderKey: Uint8Array, number: number): Uint8Array {
  return hmacSha256(orderKey, u64be(number));
}

/**
 * A uniform permutation of a space's channels, each within its block: Fisher-Yates with unbiased draws, block by block.
 * @param recipientKey K_r, 32 bytes
 */
export function toPlaces(recipientKey: Uint8Array, { space, channels, blocks }: CodedSpace): Places {
  const stream = createPrfStream(recipientKey, { domain: STREAM_DOMAIN.order, index: space });
  const places = Int32Array.from({ length: channels }, (_, channel) => channel);
  const length = channels / blocks;
  for (let first = 0; first < channels; first += length) {
    for (let i = length - 1; i > 0; i--) {
      const other = first + stream.below(i + 1);
      const taken = places[first + i];
      places[first + i] = places[other];
      places[other] = taken;
    }
  }
  return places;
}

/** The channel that lies at each place. */
export function invertPlaces(places: Places): Int32Array {
  const channels = new Int32Array(places.length);
  places.forEach((place, channel) => {
    channels[place] = channel;
  });
  return channels;
}
