import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toRotaryRows } from './rotary.ts';

/** What the converter does: reshape to (heads, 2, half), swap the last two axes, flatten. */
function convertRows(rows: readonly number[], heads: number): number[] {
  const half = rows.length / heads / 2;
  const out: number[] = [];
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < half; i++) for (let j = 0; j < 2; j++) out.push(rows[(head * 2 + j) * half + i]);
  }
  return out;
}

test('one head of four rows: 0 2 1 3', () => {
  expect(convertRows([0, 1, 2, 3], 1)).toEqual([0, 2, 1, 3]);
  expect([...toRotaryRows(4, 1)]).toEqual([0, 2, 1, 3]);
});

test('every row is found where the converter put it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 17 }), (heads, half) => {
      const rows = Array.from({ length: heads * 2 * half }, (_, i) => i);
      const converted = convertRows(rows, heads);
      expect([...toRotaryRows(rows.length, heads)].map((row) => converted[row])).toEqual(rows);
    }),
  );
});

test.each([
  [6, 4],
  [6, 2],
  [4, 0],
])('%i rows are not %i heads of pairs', (rows, heads) => {
  expect(() => toRotaryRows(rows, heads)).toThrow(TypeError);
});
