import { describe, expect, test } from 'vitest';
import { GLYPH_CLASSES, generateGlyphs } from './glyphs.ts';

describe('generateGlyphs', () => {
  test('equal options give equal bytes; streams and tasks are independent', () => {
    const make = (stream: string, task: 'digits' | 'letters' = 'digits') => generateGlyphs({ task, stream, count: 50 });
    expect(make('a')).toEqual(make('a'));
    expect(make('a').pixels).not.toEqual(make('b').pixels);
    expect(make('a').pixels).not.toEqual(make('a', 'letters').pixels);
  });

  test('a longer set begins with the shorter one, so any number of samples can be had', () => {
    const long = generateGlyphs({ task: 'digits', stream: 'a', count: 60 });
    const short = generateGlyphs({ task: 'digits', stream: 'a', count: 20 });
    expect(long.pixels.subarray(0, short.pixels.length)).toEqual(short.pixels);
  });

  test('classes come about equally often', () => {
    const { labels } = generateGlyphs({ task: 'letters', stream: 'balance', count: 5000 });
    for (let label = 0; label < GLYPH_CLASSES; label += 1) {
      const share = labels.reduce((count, value) => count + Number(value === label), 0) / labels.length;
      expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
    }
  });
});
