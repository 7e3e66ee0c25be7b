import { describe, expect, test } from 'vitest';
import { createUuidV7, createUuidV7Maker, UUID_V7 } from './uuid.ts';

const clock = (timeMs: number) => ({ nowMs: () => timeMs });
/** Bytes that count on, over all draws. */
const counting = (from = 0) => {
  let next = from;
  return {
    fill: (into: Uint8Array) => {
      for (let at = 0; at < into.length; at++) into[at] = next++ & 0xff;
    },
  };
};

describe('a UUID of version 7', () => {
  test('holds the time, the version, the variant, and all other bits of chance', () => {
    // RFC 9562 appendix A.6: 2022-02-22T19:22:22.000Z, rand_a 0xcc3, rand_b 0x18c4dc0c0c07398f.
    const bytes = [0xfc, 0xc3, 0xd8, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
    const random = {
      fill: (into: Uint8Array) => {
        into.set(bytes);
      },
    };
    expect(createUuidV7(clock(0x017f22e279b0), random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
  });

  test('sorts by time, down to the beginning of it', () => {
    const at = (timeMs: number) => createUuidV7(clock(timeMs), counting());
    expect([at(2 ** 44), at(0), at(1), at(2 ** 32)].sort()).toEqual([at(0), at(1), at(2 ** 32), at(2 ** 44)]);
    expect(at(0)).toMatch(UUID_V7);
  });

  test('is the same of a maker as one by one; no chance is used twice', () => {
    let timeMs = 1;
    const make = createUuidV7Maker({ nowMs: () => timeMs }, counting());
    const one = counting();
    const made: string[] = [];
    for (let n = 0; n < 600; n++) {
      if (n === 300) timeMs = 2;
      made.push(make());
      expect(made[n]).toBe(createUuidV7(clock(timeMs), one));
      expect(made[n]).toMatch(UUID_V7);
    }
    const strong = createUuidV7Maker(clock(7), {
      fill: (into) => {
        crypto.getRandomValues(into);
      },
    });
    expect(new Set(Array.from({ length: 5000 }, strong)).size).toBe(5000);
  });
});
