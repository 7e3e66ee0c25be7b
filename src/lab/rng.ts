/** Seeded pseudo-randomness for training, tasks and attacks: xoshiro128** over named streams. Never for keys. */
import { utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';

/** A stream of numbers that its seed text fixes on every machine. */
export interface Rng {
  /** Uniform integer in [0, 2^32). */
  next(): number;
  /** Uniform in [0, 1), 24 bits. */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Uniform integer in [0, limit); the bias, limit / 2^32, does not matter here. */
  below(limit: number): number;
  /** Standard normal. */
  gaussian(): number;
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/**
 * A stream for `seed`. Different texts give independent streams, so parts are named like "glyphs/test/7".
 * @see https://prng.di.unimi.it/xoshiro128starstar.c
 */
export function createRng(seed: string): Rng {
  const digest = Buffer.from(sha256(utf8(`lab/rng/v1/${seed}`)));
  const state = Int32Array.from([0, 4, 8, 12], (offset) => digest.readInt32LE(offset));
  let spare: number | undefined;

  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 11);
    return result;
  };
  const uniform = (): number => (next() >>> 8) / 0x1000000;
  const gaussian = (): number => {
    if (spare !== undefined) {
      const kept = spare;
      spare = undefined;
      return kept;
    }
    // Box-Muller gives two at a time; 1 - u keeps the logarithm finite.
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  return {
    next,
    uniform,
    gaussian,
    between: (low, high) => low + (high - low) * uniform(),
    below: (limit) => Math.floor((next() / 0x100000000) * limit),
  };
}

/** A uniform order of 0..length-1 (Fisher-Yates). */
export function shuffledOrder(length: number, rng: Rng): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index);
  for (let last = length - 1; last > 0; last -= 1) {
    const other = rng.below(last + 1);
    const kept = order[last];
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}
