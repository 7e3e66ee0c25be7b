/** Scores with few decimals. */
import type { NamedTensor } from '../ports.ts';
import { toScores, withScores } from './scores.ts';

const POWERS = Float64Array.from({ length: 16 }, (_, decimals) => Number(`1e${decimals}`));
/** Products of a double and a power of ten are off by less than this share of themselves. */
const PRODUCT_ERROR = 2 ** -52;

/**
 * The value to the nearest multiple of 10^-decimals: of the exact binary value, ties away from zero, then the double next
 * to that decimal number. Never a negative zero; NaN and infinities stay.
 * @param decimals 0 to 15
 */
export function roundDecimals(value: number, decimals: number): number {
  const power = POWERS[decimals];
  const scaled = Math.abs(value) * power;
  // At 2^52 and above a double has no halves.
  if (!(scaled < 2 ** 52)) return toPositiveZero(roundExactly(value, decimals));
  const floor = Math.floor(scaled);
  const toTie = scaled - floor - 0.5;
  // So near to a tie that the error of the product could decide: the decimal expansion does.
  if (Math.abs(toTie) <= scaled * PRODUCT_ERROR) return toPositiveZero(roundExactly(value, decimals));
  const rounded = (toTie > 0 ? floor + 1 : floor) / power;
  return toPositiveZero(value < 0 ? -rounded : rounded);
}

/** `toFixed` works on the exact value, and from 1e21 on there are no decimals. @see ECMA-262 Number.prototype.toFixed */
function roundExactly(value: number, decimals: number): number {
  return Math.abs(value) < 1e21 ? Number(value.toFixed(decimals)) : value;
}

function toPositiveZero(value: number): number {
  return value === 0 ? 0 : value;
}

/** Every float of the tensor to `decimals` places, then to its own type. */
export function roundTensor(output: NamedTensor, decimals: number): NamedTensor {
  const scores = toScores(output);
  for (let i = 0; i < scores.length; i++) scores[i] = roundDecimals(scores[i], decimals);
  return withScores(output, scores);
}
