/** Texts as JSON. */

/** Printable ASCII without what JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** As `JSON.stringify` writes it, without asking that for what needs no escapes: most names do not. */
export function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
