import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quote } from './quote.ts';

test('a text is quoted as JSON.stringify does', () => {
  for (let code = 0; code < 0x300; code++) {
    const text = `a${String.fromCharCode(code)}b`;
    expect(quote(text)).toBe(JSON.stringify(text));
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(quote(text)).toBe(JSON.stringify(text));
    }),
  );
  expect(quote('\ud800"\n')).toBe(JSON.stringify('\ud800"\n'));
});
