/** Which bit each position of a tile serves, with which chip and dither: computed from the key, per tile (docs/spec/watermark.md §4.2). */
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { toPrfBytes } from '../../core/prf.ts';
import { STREAM_DOMAIN } from '../seeds.ts';

const SIZE = WATERMARK_LIMITS.tileWeights;
/** Some 64 draws of a tile are rejected; the chance to need more than this is below 2^-1000. */
const SPARE_WORDS = 1024;
const CHIPS_AT = 2 * (SIZE + SPARE_WORDS);
const STREAM_BYTES = CHIPS_AT + SIZE / 8;

export interface SlotSource {
  readonly bits: number;
  /**
   * One code per position of a tile: the message bit where the chip is +1, the message bit + `bits` where it is -1. The
   * view is valid until the next call.
   */
  codes(tile: number): Uint16Array;
  /** A number in (0, 1) per position of a tile, for types that shift by whole steps. Valid until the next call. */
  dither(tile: number): Float32Array;
}

/**
 * Slots of a key. A tile's positions are shuffled (Fisher-Yates with unbiased draws); the j-th of the shuffled order
 * serves bit j mod `bits`. A shorter last tile uses the slots of a whole one.
 * @param positionsKey 32 bytes
 * @param bits a power of two, at most 1,024
 * @param kept tile numbers whose codes are kept once computed (2 bytes per position); others are computed anew
 */
export function createSlots(positionsKey: Uint8Array, bits: number, kept: Float64Array): SlotSource {
  const slotOf = new Map(Array.from(kept, (tile, slot) => [tile, slot] as const));
  const known = new Uint8Array(kept.length);
  const store = new Uint16Array(kept.length * SIZE);
  const spare = new Uint16Array(SIZE);
  const order = new Uint16Array(SIZE);
  const dither = new Float32Array(SIZE);
  let ditherTile = -1;
  return {
    bits,
    codes: (tile) => {
      const slot = slotOf.get(tile);
      const into = slot === undefined ? spare : store.subarray(slot * SIZE, (slot + 1) * SIZE);
      if (slot === undefined || known[slot] === 0) fillCodes(into, order, positionsKey, bits, tile);
      if (slot !== undefined) known[slot] = 1;
      return into;
    },
    dither: (tile) => {
      if (tile === ditherTile) return dither;
      const bytes = toPrfBytes(positionsKey, { domain: STREAM_DOMAIN.dither, index: tile }, 2 * SIZE);
      for (let i = 0; i < SIZE; i++) dither[i] = ((bytes[2 * i] | (bytes[2 * i + 1] << 8)) + 0.5) / 65536;
      ditherTile = tile;
      return dither;
    },
  };
}

function fillCodes(into: Uint16Array, order: Uint16Array, key: Uint8Array, bits: number, tile: number): void {
  const stream = toPrfBytes(key, { domain: STREAM_DOMAIN.tile, index: tile }, STREAM_BYTES);
  shuffle(order, stream);
  for (let j = 0; j < SIZE; j++) into[order[j]] = j & (bits - 1);
  for (let i = 0; i < SIZE; i++) if (((stream[CHIPS_AT + (i >> 3)] >> (i & 7)) & 1) === 0) into[i] += bits;
}

/**
 * Fisher-Yates over 0..SIZE-1 with 16-bit draws made unbiased by rejection.
 * @see D. Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29 (2019)
 */
function shuffle(order: Uint16Array, stream: Uint8Array): void {
  for (let i = 0; i < SIZE; i++) order[i] = i;
  let at = 0;
  for (let i = SIZE - 1; i > 0; i--) {
    const bound = i + 1;
    let product = (stream[at] | (stream[at + 1] << 8)) * bound;
    at += 2;
    if ((product & 0xffff) < bound) {
      const threshold = (65536 - bound) % bound;
      while ((product & 0xffff) < threshold) {
        if (at >= CHIPS_AT) throw new Error('internal error: the shuffle ran out of key stream');
        product = (stream[at] | (stream[at + 1] << 8)) * bound;
        at += 2;
      }
    }
    const other = product >>> 16;
    const taken = order[i];
    order[i] = order[other]!;
    order[other] = taken;
  }
}
