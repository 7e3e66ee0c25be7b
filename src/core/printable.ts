/** Text from files made harmless for a terminal or a page: a tensor name may carry escape codes that forge output. */

/**
 * C0 and C1 controls (terminal escapes), line and paragraph separators, bidirectional marks and overrides ("Trojan
 * Source", CVE-2021-42574), invisible joiners, and lone surrogates.
 */
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** `text` on one line with every control or direction-changing character spelled as `\u{hex}`. */
export function toPrintable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`);
}
