/** Room for names in pictures: SVG cuts nothing, and what a reader's fonts are is not known. */
import { toColumns, toFitting } from '../core/columns.ts';
import { toPrintable } from '../core/printable.ts';

/** Of `.chart .label` in the style sheet. */
const LABEL_FONT_PX = 12;
const COMBINING = /^\p{M}$/u;

/** Widths in em, no less than those of DejaVu Sans, the widest of the usual fonts; anything else counts as the widest. */
const WIDEST_EM = 1.1;
const NARROWEST_EM = 0.42;
const WIDTHS_EM: readonly (readonly [RegExp, number])[] = [
  [/^[ .,:;'|!/\\()[\]ijltfrI·-]$/, NARROWEST_EM],
  [/^[a-ln-vx-z0-9_"]$/, 0.64],
  [/^[A-LN-VX-Z]$/, 0.8],
];

/** Pixels that `text` takes as a label at most, in whichever of the usual fonts. */
export function toLabelWidthPx(text: string): number {
  let sum = 0;
  for (const character of text) sum += toCharacterEm(character);
  return sum * LABEL_FONT_PX;
}

/** `text` as a label of at most `widthPx`, with "…" where something was left out in the middle. */
export function toFittingLabel(text: string, widthPx: number): string {
  // No more characters than this can fit: a name of a megabyte is cut once, not measured again and again.
  const charactersMax = Math.ceil(widthPx / (NARROWEST_EM * LABEL_FONT_PX));
  let label = toFitting(toPrintable(text), charactersMax);
  for (let columns = toColumns(label) - 1; columns > 0 && toLabelWidthPx(label) > widthPx; columns -= 1) {
    label = toFitting(label, columns);
  }
  return label;
}

/** `text` in the font of equal widths (`.chart .mono`), which has no need to be measured. */
export function toFittingMono(text: string, columns: number): string {
  return toFitting(toPrintable(text), columns);
}

function toCharacterEm(character: string): number {
  if (COMBINING.test(character)) return 0;
  return WIDTHS_EM.find(([pattern]) => pattern.test(character))?.[1] ?? WIDEST_EM;
}
