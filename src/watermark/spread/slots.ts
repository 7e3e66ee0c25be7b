/** Which bit each position of a tile serves, with which chip and dither: computed per tile, never stored (docs/spec/watermark.md §4.2). */
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { toPrfBytes } from '../../core/prf.ts';
import { STREAM_DOMAIN } from '../seeds.ts';

/** One tile; arrays are reused by the next call, so copy what must last. */
export interface Slots {
  /** Message bit of each position. */
  readonly bit: Uint16Array;
  /** +1 or -1 of each position. */
  readonly chip: Int8Array;
  /** Uniform in (0, 1), for types that shift by whole steps. */
  readonly dither: Float32Array;
}

export interface SlotSource {
  /** Slots of tile number `tile`. */
  tile(tile: number): Slots;
}

const SIZE = WATERMARK_LIMITS.tileWeights;
/** Key stream of a tile: shuffle words, chips, dither. The spare words serve rejected draws. */
const SPARE_WORDS = 64;
const CHIPS_AT = 4 * (SIZE + SPARE_WORDS);
const DITHER_AT = CHIPS_AT + SIZE / 8;
const STREAM_BYTES = DITHER_AT + 2 * SIZE;

/**
 * Slots of a key. A tile's positions are shuffled (Fisher-Yates with unbiased draws); the j-th of the shuffled order
 * serves bit j mod `bits`. Shorter last tiles use the slots of a whole one.
 * @param positionsKey 32 bytes
 */
export function createSlots(positionsKey: Uint8Array, bits: number): SlotSource {
  const order = new Uint16Array(SIZE);
  const bit = new Uint16Array(SIZE);
  const chip = new Int8Array(SIZE);
  const dither = new Float32Array(SIZE);
  const slots: Slots = { bit, chip, dither };
  let current = -1;
  const tile = (index: number): Slots => {
    if (index === current) return slots;
    const bytes = toPrfBytes(positionsKey, { domain: STREAM_DOMAIN.tile, index }, STREAM_BYTES);
    const stream = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    shuffle(order, stream);
    for (let j = 0; j < SIZE; j++) bit[order[j]] = j & (bits - 1);
    for (let i = 0; i < SIZE; i++) {
      chip[i] = (stream[CHIPS_AT + (i >> 3)] >> (i & 7)) & 1 ? 1 : -1;
      dither[i] = ((stream[DITHER_AT + 2 * i] | (stream[DITHER_AT + 2 * i + 1] << 8)) + 0.5) / 65536;
    }
    current = index;
    return slots;
  };
  return { tile };
}

/** Fisher-Yates over 0..SIZE-1; a u32 word is rejected where the remainder would be biased (once in 2^20 draws). */
function shuffle(order: Uint16Array, stream: Buffer): void {
  for (let i = 0; i < SIZE; i++) order[i] = i;
  let word = 0;
  for (let i = SIZE - 1; i > 0; i--) {
    const bound = i + 1;
    const limit = 4294967296 - (4294967296 % bound);
    let drawn = stream.readUInt32LE(4 * word++);
    while (drawn >= limit && 4 * word < CHIPS_AT) drawn = stream.readUInt32LE(4 * word++);
    const other = drawn % bound;
    const kept = order[i];
    order[i] = order[other]!;
    order[other] = kept;
  }
}
