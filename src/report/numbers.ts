/** Numbers as the report writes them: signs with a true minus, percentages that never round a change away. */
import { type Html, html } from './html.ts';

/** "−0.02": `digits` after the point, with U+2212; a value that rounds to zero has no sign. */
export function toSignedText(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** "97.12 %". */
export function toAccuracyText(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`;
}

/** A power of two with a raised exponent, such as 2 to the −256.0. */
export function toPower(exponent: number, digits: number): Html {
  return html`2<sup>${toSignedText(exponent, digits)}</sup>`;
}
