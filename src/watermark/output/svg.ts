/**
 * Looks at an SVG logo before anything draws it: only shapes, colours, gradients and clips pass, with nothing that refers to
 * other files, grows when it is put in place, or needs a font.
 *
 * @see https://www.w3.org/TR/SVG11/struct.html
 */
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';

/** True for text that begins as an SVG or XML file does. */
export function isSvg(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 256)).toString('utf8');
  return /^\uFEFF?\s*<(?:\?xml|!--|!DOCTYPE\s+svg|(?:\w+:)?svg)[\s>-]/i.test(head);
}

/** Elements that are drawn, or that describe how. */
const DRAWN: ReadonlySet<string> = new Set([
  ...['svg', 'g', 'defs', 'path', 'rect', 'circle', 'ellipse', 'line', 'polyline', 'polygon'],
  ...['linearGradient', 'radialGradient', 'stop', 'clipPath', 'style'],
]);

/** Elements that only say something; what is in them is not drawn. */
const SILENT: ReadonlySet<string> = new Set(['title', 'desc', 'metadata']);

/** What to do about elements that are met often. */
const ADVICE: Readonly<Record<string, string>> = Object.assign(Object.create(null) as Record<string, string>, {
  text: 'no fonts are at hand: convert text to paths',
  use: 'clones may grow without bound: unlink them',
  symbol: 'clones may grow without bound: unlink them',
  image: 'pictures are not embedded: take them out',
  filter: 'effects may cost without bound: flatten them',
  mask: 'effects may cost without bound: flatten them',
  pattern: 'effects may cost without bound: flatten them',
});

/** Elements that some prefix may stand before, since a file may give SVG any prefix. */
const KNOWN =
  /^(?:a|altGlyph|animate\w*|cursor|fe[A-Z]\w*|font\w*|foreignObject|glyph\w*|marker|script|set|switch|t(?:ref|ext\w*|span)|view)$/;

/** One pass over the markup, so that the time is linear: comments, character data, instructions, declarations, tags, and text. */
const TOKENS =
  /<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<\?[\s\S]*?\?>|<![^>]*>|<\/([^\s>]+)\s*>|<([^\s/>"'=<!?]+)((?:[^>"']|"[^"]*"|'[^']*')*?)(\/?)>|[^<]+|</g;

/**
 * The text of an SVG that may be drawn.
 * @param bytes UTF-8
 * @throws WatermarkError WATERMARK_SVG_REFUSED with the problem, and the element where it is one
 */
export function toDrawableSvg(bytes: Uint8Array): string {
  if (bytes.length > WATERMARK_LIMITS.svgBytesMax) throw toRefused('it is too large');
  const text = decode(bytes);
  const open: string[] = [];
  let elements = 0;
  for (const match of text.matchAll(TOKENS)) {
    const [token, closed, opened, attributes, end] = match as unknown as (string | undefined)[];
    if (closed !== undefined) {
      if (open.pop() !== closed) throw toRefused('its elements are not nested', closed);
    } else if (opened !== undefined) {
      if (++elements > WATERMARK_LIMITS.svgElementsMax) throw toRefused('it has too many elements');
      assertElement(opened, attributes ?? '', open);
      if (end !== '/') open.push(opened);
      if (open.length > WATERMARK_LIMITS.svgDepthMax) throw toRefused('it is nested too deep', opened);
    } else assertRest(token ?? '', open);
  }
  if (elements === 0 || open.length > 0) throw toRefused('it is not whole');
  return text;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw toRefused('it is not UTF-8');
  }
}

function toRefused(problem: string, element?: string): WatermarkError {
  return new WatermarkError('WATERMARK_SVG_REFUSED', {
    fields: { problem, ...(element !== undefined && { element: element.slice(0, 40) }) },
  });
}

const toLocal = (name: string): string => name.slice(name.indexOf(':') + 1);

function assertElement(name: string, attributes: string, open: readonly string[]): void {
  const local = toLocal(name);
  if (open.length === 0 && local !== 'svg') throw toRefused('it begins with another element', name);
  if (open.some((outer) => SILENT.has(toLocal(outer)))) return;
  const isForeign = name.includes(':') && !(local in ADVICE) && !KNOWN.test(local);
  if (!isForeign && !DRAWN.has(local) && !SILENT.has(local)) {
    throw toRefused(ADVICE[local] ?? 'an element of this kind is not drawn', name);
  }
  // Escapes could spell what is looked for.
  const isInClip = [...open, name].some((outer) => toLocal(outer) === 'clipPath');
  if (isInClip && /clip-path|[&\\]/i.test(attributes)) throw toRefused('a clip in a clip may cost without bound', name);
  assertInside(attributes, name);
}

/** References stay inside of the file. */
function assertInside(text: string, name?: string): void {
  for (const [, target] of text.matchAll(/\bhref\s*=\s*["']\s*([^"']?)/g)) {
    if (target !== '#') throw toRefused('it refers to another file', name);
  }
  for (const [, target] of text.matchAll(/url\(\s*["']?\s*([^"')]?)/gi)) {
    if (target !== '#') throw toRefused('it refers to another file', name);
  }
}

/** Declarations of entities grow text, and may name files; style sheets follow the rules of attributes. */
function assertRest(token: string, open: readonly string[]): void {
  if (token === '<') throw toRefused('its markup is damaged');
  if (token.startsWith('<!') && !token.startsWith('<!--') && !token.startsWith('<![CDATA[')) {
    if (!/^<!DOCTYPE\s+[^[]*>$/i.test(token)) throw toRefused('it declares entities or elements of its own');
  }
  const outer = open.at(-1);
  if (outer === undefined || toLocal(outer) !== 'style') return;
  if (/@import|clip-path|[&\\]/i.test(token)) throw toRefused('its style sheet has imports or clips', 'style');
  assertInside(token, 'style');
}
