/** The payload of one recipient: an identifier that decodes by itself, and a tag that proves it (docs/spec/recipient-code.md §6). */
import { createPrfStream, toPrfBytes } from '../../core/prf.ts';
import { STREAM_DOMAIN } from '../seeds.ts';
import { decodeConvolutional, encodeConvolutional, toCodeLength } from './convolutional.ts';
import { ID_BYTES, toRecipientId } from './keys.ts';

/** Slots of the payload: a length that marks have (docs/spec/watermark.md §4.1). */
export const PAYLOAD_BITS = 512;
const CRC_BYTES = 2;
const CODE_BITS = toCodeLength((ID_BYTES + CRC_BYTES) * 8);
export const TAG_BITS = PAYLOAD_BITS - CODE_BITS;

/** CRC-16/IBM-3740 (polynomial 0x1021, start 0xffff). @see ITU-T V.41 */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i++) crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff;
  }
  return crc;
}

/** Slot of each bit of code word and tag: a keyed shuffle of all slots. */
function toSlots(positionsKey: Uint8Array): Uint16Array {
  const stream = createPrfStream(positionsKey, { domain: STREAM_DOMAIN.interleave, index: 0 });
  const slots = Uint16Array.from({ length: PAYLOAD_BITS }, (_, i) => i);
  for (let i = PAYLOAD_BITS - 1; i > 0; i--) {
    const other = stream.below(i + 1);
    const taken = slots[i];
    slots[i] = slots[other];
    slots[other] = taken;
  }
  return slots;
}

/** +1 or -1 per bit of the tag. */
export function toTag(idsKey: Uint8Array, number: number): Int8Array {
  const { tagKey } = toRecipientId(idsKey, number);
  const stream = toPrfBytes(tagKey, { domain: STREAM_DOMAIN.tag, index: 0 }, Math.ceil(TAG_BITS / 8));
  return Int8Array.from({ length: TAG_BITS }, (_, i) => ((stream[i >> 3] >> (i & 7)) & 1 ? 1 : -1));
}

/**
 * The message of one recipient, +1 or -1 per slot: identifier and CRC-16 (big-endian, high bits first) through the
 * convolutional code, then the tag, shuffled over the slots.
 */
export function toRecipientMessage(
  keys: { readonly positions: Uint8Array; readonly ids: Uint8Array },
  number: number,
): Int8Array {
  const { id } = toRecipientId(keys.ids, number);
  const crc = crc16(id);
  const word = encodeConvolutional(toBits(Uint8Array.of(...id, crc >> 8, crc & 0xff)));
  const slots = toSlots(keys.positions);
  const message = new Int8Array(PAYLOAD_BITS);
  [...word, ...toTag(keys.ids, number)].forEach((bit, i) => {
    message[slots[i]] = bit;
  });
  return message;
}

/** What block sums say, in the order of the message before it was shuffled. */
export interface ReceivedMessage {
  /** The identifier, 8 bytes, when the CRC agrees; null otherwise. */
  readonly id: Uint8Array | null;
  /** Means of the tag's blocks; 0 where there was no data. */
  readonly tag: Float64Array;
}

/**
 * Decodes the identifier and puts the tag in order.
 * @param means mean of chip · weight per slot, positive for a bit of 1; 0 where there was no data
 */
export function receiveMessage(positionsKey: Uint8Array, means: Float64Array): ReceivedMessage {
  const ordered = Float64Array.from(toSlots(positionsKey), (slot) => means[slot]);
  const bytes = toBytes(decodeConvolutional(ordered.subarray(0, CODE_BITS)));
  const id = bytes.subarray(0, ID_BYTES);
  const isIntact = crc16(id) === ((bytes[ID_BYTES] << 8) | bytes[ID_BYTES + 1]);
  return { id: isIntact ? id : null, tag: ordered.subarray(CODE_BITS) };
}

function toBits(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: bytes.length * 8 }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
}

function toBytes(bits: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(bits.length / 8);
  bits.forEach((bit, i) => {
    bytes[i >> 3] |= bit << (7 - (i & 7));
  });
  return bytes;
}
