import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findPackedByteLength } from './dtype.ts';
import { decodeBigInts, decodeInts, encodeInts, type IntDType, toIntRange } from './ints.ts';

const types: IntDType[] = ['i64', 'i32', 'i16', 'i8', 'i4', 'i2', 'u64', 'u32', 'u16', 'u8', 'u4', 'u2', 'bool'];

describe('ints', () => {
  test.each(types)('%s: what is encoded is decoded, borders included', (dtype) => {
    const { min, max } = toIntRange(dtype);
    const safe = fc.integer({ min: Math.max(min, -(2 ** 53 - 1)), max: Math.min(max, 2 ** 53 - 1) });
    fc.assert(
      fc.property(fc.array(safe), (values) => {
        const bytes = new Uint8Array(findPackedByteLength(dtype, values.length)!);
        encodeInts(dtype, values, bytes);
        const back = new Float64Array(values.length);
        decodeInts(dtype, bytes, back);
        expect([...back].map((value) => value + 0)).toEqual(values.map((value) => value + 0));
      }),
    );
  });

  test('i4 lies low bits first, sign in the fourth bit', () => {
    const bytes = new Uint8Array(2);
    encodeInts('i4', [-8, 7, -1], bytes);
    expect([...bytes]).toEqual([0x78, 0x0f]);
  });

  test('64-bit values beyond 2^53 survive as bigints', () => {
    const bytes = Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0x80]);
    expect(decodeBigInts('u64', bytes)).toEqual([2n ** 63n + 1n]);
    expect(decodeBigInts('i64', bytes)).toEqual([-(2n ** 63n) + 1n]);
  });

  test('fractions and values out of range are caller mistakes', () => {
    for (const value of [0.5, 128, -129, NaN]) {
      expect(() => {
        encodeInts('i8', [value], new Uint8Array(1));
      }).toThrow(TypeError);
    }
  });
});
