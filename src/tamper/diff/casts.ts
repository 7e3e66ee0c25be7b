/** What a number becomes in half precision and in bfloat16, one at a time and without memory. */

const single = new Float32Array(1);
const word = new Uint32Array(single.buffer);

/** Doubles from here on are multiples of 2^-24, the step of subnormal half-precision numbers. */
const HALF_STEPS = 1.5 * 2 ** 28;
const HALF_NORMAL_MIN = 2 ** -14;
const HALF_OVERFLOW = 65_520;

/** The nearest f16 number, ties to even; infinite beyond its range. */
export function roundHalf(value: number): number {
  const size = Math.abs(value);
  if (!(size < HALF_OVERFLOW)) return Number.isNaN(value) ? value : value > 0 ? Infinity : -Infinity;
  if (size < HALF_NORMAL_MIN) {
    const rounded = size + HALF_STEPS - HALF_STEPS;
    return value < 0 ? -rounded : rounded;
  }
  return roundWord(value, 13);
}

/** The nearest bfloat16 number, ties to even. */
export function roundBfloat(value: number): number {
  return roundWord(value, 16);
}

/** What remains when the lower half of an f32 is cut off: how simple converters make bfloat16. */
export function truncateBfloat(value: number): number {
  single[0] = value;
  word[0] &= 0xffff0000;
  return single[0];
}

/** Rounds the f32 code to nearest even with `drop` bits fewer; a carry goes into the exponent, as it should. */
function roundWord(value: number, drop: number): number {
  single[0] = value;
  if (!Number.isFinite(single[0])) return single[0];
  const code = word[0];
  const half = (1 << (drop - 1)) - 1 + ((code >>> drop) & 1);
  word[0] = ((code + half) >>> drop) << drop;
  return single[0];
}
