/** HTML that escapes by construction: a value put into the template is text, unless it is already `Html`. */
import { toPrintable } from '../core/printable.ts';

/** A piece of markup. Made by `html` only, so that nothing unescaped gets in. */
export interface Html {
  readonly markup: string;
}

export type HtmlValue = Html | string | number | null | readonly HtmlValue[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Template tag. Strings and numbers become text, arrays are joined, null is nothing. Values may stand in element
 * content and inside quoted attributes, nowhere else (not in tag names, style rules or scripts: there are none).
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let markup = parts[0];
  values.forEach((value, index) => {
    markup += toMarkup(value) + parts[index + 1];
  });
  return { markup };
}

/** Text as markup, with every control or direction-changing character spelled out. */
export function escapeHtml(text: string): string {
  return toPrintable(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

function toMarkup(value: HtmlValue): string {
  if (value === null) return '';
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  return 'markup' in value ? value.markup : value.map(toMarkup).join('');
}
