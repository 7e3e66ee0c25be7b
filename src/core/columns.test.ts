import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toColumns, toFitting, toPadded, toWrapped } from './columns.ts';

const numRuns = process.env.SLOW === '1' ? 5000 : 100;

test('wide characters take two columns, combining marks and colour codes none', () => {
  expect(toColumns('abc')).toBe(3);
  expect(toColumns('重み')).toBe(4);
  expect(toColumns('e\u0301')).toBe(1);
  expect(toColumns('\u001b[31mred\u001b[39m')).toBe(3);
});

test('fitting never exceeds the columns, and keeps both ends', () => {
  expect(toFitting('encoder/layer/weight', 9)).toBe('enco…ight');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 40 }), (text, columns) => {
      expect(toColumns(toFitting(text, columns))).toBeLessThanOrEqual(columns);
    }),
    { numRuns },
  );
});

test('padding fills up to the columns', () => {
  expect(toPadded('重', 4)).toBe('重  ');
  expect(toPadded('12', 4, 'right')).toBe('  12');
  expect(toPadded('too long', 3)).toBe('too long');
});

test('wrapping keeps every word', () => {
  expect(toWrapped('the quick brown  fox', 9)).toEqual(['the quick', 'brown fox']);
  expect(toWrapped('incomprehensibilities', 5)).toEqual(['incomprehensibilities']);
});
