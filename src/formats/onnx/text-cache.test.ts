import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toText } from '../text.ts';
import { TextCache } from './text-cache.ts';

const part = fc.oneof(
  fc.string({ maxLength: 12 }).map((text) => Buffer.from(text)),
  fc.string({ minLength: 120, maxLength: 140 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
);

test('texts are those of the bytes, whatever was read before and however full the cache is', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 400 }), fc.nat(4096), (parts, fileBytes) => {
      const cache = new TextCache(fileBytes);
      const buffer = Buffer.concat(parts);
      for (let turn = 0; turn < 2; turn++) {
        let at = 0;
        for (const { length } of parts) {
          expect(cache.read(buffer, at, at + length)).toBe(toText(buffer, at, at + length));
          at += length;
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('a text that is read again is not taken from bytes that changed since', () => {
  const cache = new TextCache(0);
  const buffer = Buffer.from('weight');
  expect(cache.read(buffer, 0, 6)).toBe('weight');
  buffer.write('height');
  expect(cache.read(buffer, 0, 6)).toBe('height');
});
