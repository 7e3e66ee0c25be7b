/** Numbers as the report writes them: signs with a true minus, percentages that never round a change away. */
import { type Html, html } from './html.ts';

/** "−0.02": `digits` after the point, with U+2212; a value that rounds to zero has no sign. */
export function toSignedText(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/**
 * "0.0051 %", "4.8 %": two significant digits below one percent, so that a small change does not read as none. Null is
 * "not comparable".
 */
export function toSmallPercentText(fraction: number | null): string {
  if (fraction === null) return 'not comparable';
  const percent = fraction * 100;
  if (percent === 0) return '0 %';
  if (percent >= 1) return `${percent.toFixed(1)} %`;
  if (percent < 1e-6) return `${percent.toExponential(1).replace('-', '−')} %`;
  return `${Number(percent.toPrecision(2)).toString()} %`;
}

/** "97.12 %". */
export function toAccuracyText(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`;
}

/** A power of two with a raised exponent, such as 2 to the −256.0. */
export function toPower(exponent: number, digits: number): Html {
  return html`2<sup>${toSignedText(exponent, digits)}</sup>`;
}
