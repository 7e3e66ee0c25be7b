import { describe, expect, test } from 'vitest';
import { toByteText, toCountText, toDurationText, toPercentText } from './quantities.ts';

describe('quantities', () => {
  test('bytes keep three digits and never print 1024 of a unit', () => {
    expect([0, 1, 1023, 1024, 1536, 12.3 * 2 ** 20, 2 ** 30 - 1, 8 * 2 ** 30, 2 ** 50].map(toByteText)).toEqual([
      '0 B',
      '1 B',
      '1023 B',
      '1.00 KiB',
      '1.50 KiB',
      '12.3 MiB',
      '1.00 GiB',
      '8.00 GiB',
      '1.00 PiB',
    ]);
    for (let bytes = 1; bytes < 2 ** 45; bytes = Math.ceil(bytes * 1.0009)) {
      expect(toByteText(bytes)).not.toMatch(/^1024/);
    }
  });

  test('durations never show 60 seconds or 60 minutes', () => {
    expect([0.84, 340, 1000, 1249, 59_949, 59_951, 185_000, 7_620_000].map(toDurationText)).toEqual([
      '0.8 ms',
      '340 ms',
      '1.0 s',
      '1.2 s',
      '59.9 s',
      '1 min 00 s',
      '3 min 05 s',
      '2 h 07 min',
    ]);
    for (let ms = 1; ms < 9e7; ms = ms * 1.001) expect(toDurationText(ms)).not.toMatch(/(^| )60(\.0)? (s|min)/);
  });

  test('counts and percentages', () => {
    expect([0, 999, 1000, 39_568, 1_234_567].map(toCountText)).toEqual(['0', '999', '1,000', '39,568', '1,234,567']);
    expect(toPercentText(0.11234)).toBe('11.2 %');
    expect(toPercentText(0.9712, 2)).toBe('97.12 %');
  });
});
