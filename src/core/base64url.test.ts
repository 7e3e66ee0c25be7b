/** base64url has one spelling for each byte string, and what is spelled otherwise is nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findBase64Url, findBase64UrlJson, findJson, toBase64Url, toBase64UrlJson } from './base64url.ts';
import { utf8 } from './bytes.ts';

describe('base64url', () => {
  test('any bytes come back, without padding and in the alphabet for addresses', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const text = toBase64Url(bytes);
        expect(text).toMatch(/^[A-Za-z0-9_-]*$/);
        expect(findBase64Url(text)).toEqual(bytes);
      }),
    );
    // RFC 4648 section 10, and the two characters that differ from base64.
    expect(toBase64Url(utf8('foobar'))).toBe('Zm9vYmFy');
    expect(toBase64Url(Uint8Array.of(0xfb, 0xff))).toBe('-_8');
  });

  test.each(['Zg==', 'Zh', '+/8', 'Zm 9v', 'Zm9v\n', 'Z', '\u{1f511}'])('%j is no spelling of anything', (text) => {
    expect(findBase64Url(text)).toBeUndefined();
  });

  test('JSON goes in canonical, and comes out of UTF-8 alone', () => {
    expect(toBase64UrlJson({ b: 1, a: 'x' })).toBe(toBase64Url(utf8('{"a":"x","b":1}')));
    expect(findBase64UrlJson(toBase64UrlJson({ a: [true, null] }))).toEqual({ a: [true, null] });
    expect(findBase64UrlJson(toBase64Url(Uint8Array.of(0x22, 0xff, 0x22)))).toBeUndefined();
    expect(findJson(utf8('{'))).toBeUndefined();
    expect(findJson(utf8('\ufeff1'))).toBeUndefined();
  });
});
