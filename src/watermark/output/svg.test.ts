/** What is refused of an SVG before anything draws it, and what passes. */
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { ModelwardError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { isSvg, toDrawableSvg } from './svg.ts';

const NS = 'xmlns="http://www.w3.org/2000/svg"';
const svg = (content: string, attributes = ''): string =>
  `<svg ${NS} viewBox="0 0 10 10" ${attributes}>${content}</svg>`;
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** The problem and the element that it is refused for; null when it passes. */
function refusal(input: string | Uint8Array): string | null {
  try {
    toDrawableSvg(typeof input === 'string' ? bytesOf(input) : input);
    return null;
  } catch (error) {
    if (!(error instanceof ModelwardError) || error.code !== 'WATERMARK_SVG_REFUSED') throw error;
    const { problem, element } = error.fields as { problem: string; element?: string };
    return element === undefined ? problem : `${problem} [${element}]`;
  }
}

/** As a drawing program writes it. */
const LOGO = `\uFEFF<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<!-- Created with a drawing program: <use> & "quotes" are only talked about -->
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg ${NS} xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:svg="http://www.w3.org/2000/svg"
     xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" width="40mm" height="30mm" viewBox="0 0 40 30">
  <title>Acme &amp; Co</title><metadata><rdf:RDF xmlns:rdf="x"><cc:Work rdf:about="http://example.org"><text>t</text></cc:Work></rdf:RDF></metadata>
  <sodipodi:namedview id="base" pagecolor="#ffffff"/>
  <style type="text/css"><![CDATA[ .a { fill: url(#g); stroke: #123 } ]]></style>
  <defs>
    <linearGradient id="h"><stop offset="0" stop-color="red"/><stop offset="1" style="stop-color:#00f"/></linearGradient>
    <linearGradient id="g" xlink:href="#h" x2="40" gradientUnits="userSpaceOnUse"/>
    <clipPath id="c"><rect width="40" height="30" rx="3"/></clipPath>
  </defs>
  <g clip-path="url(#c)" opacity="0.9"><path class="a" d="M0 0h40v30z"/><svg:circle cx="20" cy="15" r="6"/></g>
</svg>
`;

test('what a drawing program writes passes as it is', () => {
  expect(toDrawableSvg(bytesOf(LOGO))).toBe(LOGO.replace('\uFEFF', ''));
});

test('SVG is told from other pictures by its first bytes', () => {
  for (const text of [LOGO, svg(''), '<!-- x --><svg/>', ' \n<svg:svg xmlns:svg="x"/>', '<!DOCTYPE svg><svg/>']) {
    expect([text.slice(0, 20), isSvg(bytesOf(text))]).toEqual([text.slice(0, 20), true]);
  }
  for (const bytes of [
    bytesOf('\x89PNG\r\n'),
    bytesOf('\xFF\xD8'),
    bytesOf('<html>'),
    bytesOf(''),
    bytesOf('<svgx/>'),
  ]) {
    expect(isSvg(bytes)).toBe(false);
  }
});

describe('refused', () => {
  const wide = '<g>'.repeat(40) + '</g>'.repeat(40);
  test.each([
    [
      'an entity that grows',
      `<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>${svg('<title>&b;</title>')}`,
      'declares',
    ],
    ['an entity of a file', `<!DOCTYPE svg [<!ENTITY f SYSTEM "file:///etc/passwd">]>${svg('')}`, 'declares'],
    ['an entity outside of a declared type', `<!ENTITY a "b">${svg('')}`, 'declares'],
    ['a picture of the disk', svg('<image href="file:///etc/passwd"/>'), 'pictures'],
    ['a picture of the net', svg('<image xlink:href="http://127.0.0.1:9/x.png"/>'), 'pictures'],
    ['a picture inside', svg('<image href="data:image/png;base64,AAAA"/>'), 'pictures'],
    ['a gradient of another file', svg('<linearGradient href="other.svg#a"/>'), 'another file'],
    ['a gradient of another file, spelled out', svg('<linearGradient href="&#x66;ile:///x#a"/>'), 'another file'],
    ['a fill of another file', svg('<rect fill="url(http://127.0.0.1:9/x#a)"/>'), 'another file'],
    ['a fill of another file in quotes', svg(`<rect fill="url( 'x.svg#a' )"/>`), 'another file'],
    ['a style sheet that imports', svg('<style>@import "http://127.0.0.1:9/x.css";</style>'), 'imports'],
    ['a style sheet of another file', svg('<style>.a{fill:url(x.svg#a)}</style>'), 'another file'],
    ['a style sheet that hides a word', svg('<style>.a{clip\\2d path:url(#a)}</style>'), 'imports or clips'],
    ['clones that grow', svg('<g id="a"><use href="#b"/><use href="#b"/></g>'), 'clones'],
    ['clones under another prefix', `<x:svg xmlns:x="http://www.w3.org/2000/svg"><x:use href="#b"/></x:svg>`, 'clones'],
    ['markers under another prefix', `<x:svg xmlns:x="http://www.w3.org/2000/svg"><x:marker/></x:svg>`, 'not drawn'],
    ['a clip in a clip', svg('<clipPath id="a"><rect clip-path="url(#b)"/></clipPath>'), 'clip in a clip'],
    ['a clip of a clip', svg('<clipPath id="a" clip-path="url(#b)"/>'), 'clip in a clip'],
    ['a clip in a clip, spelled out', svg('<clipPath><g style="&#99;lip-path:url(#b)"/></clipPath>'), 'clip in a clip'],
    ['a filter', svg('<filter id="a"><feTurbulence numOctaves="99"/></filter>'), 'effects'],
    ['a mask', svg('<mask id="a"/>'), 'effects'],
    ['a pattern', svg('<pattern id="a" width="0.001" height="0.001"/>'), 'effects'],
    ['text', svg('<text>Acme</text>'), 'no fonts'],
    ['a script', svg('<script>alert(1)</script>'), 'not drawn'],
    ['foreign content', svg('<foreignObject><p>x</p></foreignObject>'), 'not drawn'],
    ['too many elements', svg('<rect/>'.repeat(WATERMARK_LIMITS.svgElementsMax)), 'too many'],
    ['too deep', svg(wide), 'too deep'],
    ['too large', svg(`<path d="${'M0 0'.repeat(100_000)}"/>`), 'too large'],
    ['another root', '<html><svg/></html>', 'another element'],
    ['not nested', svg('<g></rect>'), 'not nested'],
    ['cut off', svg('<g>').slice(0, -8), 'damaged'],
    ['not closed', `<svg ${NS}>`, 'not whole'],
    ['nothing', '', 'not whole'],
    ['an open comment', `${svg('')}<!-- `, 'damaged'],
    ['packed text', Uint8Array.of(0x1f, 0x8b, 8, 0), 'not UTF-8'],
  ])('%s', (_, input, problem) => {
    expect(refusal(input)).toContain(problem);
  });
});

test('markup that is made to be slow is judged: quadratic work on a quarter of a mebibyte would not end in time', () => {
  const size = WATERMARK_LIMITS.svgBytesMax - 200;
  for (const part of ['<a', '<!--', '<![CDATA[', '<?', `<a "`, `<a '`, '</', '<a b="', '<a/', '<g url(', '<g href=']) {
    expect(refusal(svg(part.repeat(Math.floor(size / part.length))))).not.toBeNull();
  }
});

test('whatever the bytes are, it passes or is refused by name', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '/',
    'svg',
    ' ',
    '"',
    "'",
    '=',
    '<!--',
    '-->',
    '<?',
    ']]>',
    '<![CDATA[',
    'g',
    '&',
    'url(',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      refusal(`<svg ${NS}>${pieces.join('')}</svg>`);
    }),
    { numRuns: 300 },
  );
});
