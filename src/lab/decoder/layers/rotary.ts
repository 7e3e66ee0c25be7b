/** Rotary positions: entries i and i + d/2 of each head are turned by position · base^(-2i/d) (Su et al. 2021). */
import { ROTARY_BASE } from '../spec.ts';

/** Cosines and sines of every position and pair, [tokens, headWidth / 2]. */
export interface RotaryTable {
  readonly half: number;
  readonly cosines: Float32Array;
  readonly sines: Float32Array;
}

export function createRotaryTable(tokens: number, headWidth: number): RotaryTable {
  const half = headWidth / 2;
  const angle = (at: number): number => Math.floor(at / half) * ROTARY_BASE ** (-(at % half) / half);
  const make = (wave: (angle: number) => number): Float32Array =>
    Float32Array.from({ length: tokens * half }, (_, at) => wave(angle(at)));
  return { half, cosines: make(Math.cos), sines: make(Math.sin) };
}

/**
 * Turns the heads of packed rows [items, tokens, heads · headWidth] in place.
 * @param direction 1 forwards; -1 turns back, which is also the gradient
 */
export function rotate(
  values: Float32Array,
  { half, cosines, sines }: RotaryTable,
  { tokens, heads }: { readonly tokens: number; readonly heads: number },
  direction: 1 | -1,
): void {
  const width = 2 * half;
  for (let row = 0; row < values.length / (heads * width); row += 1) {
    const angles = (row % tokens) * half;
    for (let head = 0; head < heads; head += 1) {
      const base = (row * heads + head) * width;
      for (let i = 0; i < half; i += 1) {
        const [cosine, sine] = [cosines[angles + i], direction * sines[angles + i]];
        const [x, y] = [values[base + i], values[base + half + i]];
        values[base + i] = x * cosine - y * sine;
        values[base + half + i] = y * cosine + x * sine;
      }
    }
  }
}
