import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DTYPES, findPackedByteLength } from './dtype.ts';
import { decodeFloats, encodeFloats, type FloatDType } from './floats.ts';

function decodeOne(dtype: FloatDType, ...bytes: number[]): number {
  const out = new Float64Array(1);
  decodeFloats(dtype, Uint8Array.from(bytes), out);
  return out[0];
}

function encodeOne(dtype: FloatDType, value: number): number {
  const out = new Uint8Array(findPackedByteLength(dtype, 1)!);
  encodeFloats(dtype, [value], out);
  return out.reduceRight((code, byte) => code * 256 + byte, 0);
}

const small: FloatDType[] = [
  'f16',
  'bf16',
  'f8e4m3fn',
  'f8e4m3fnuz',
  'f8e5m2',
  'f8e5m2fnuz',
  'f8e8m0',
  'f6e2m3',
  'f6e3m2',
  'f4e2m1',
];

describe('floats', () => {
  test.each([
    ['f16', 0x3c00, 1],
    ['f16', 0x0001, 2 ** -24],
    ['f16', 0x7bff, 65504],
    ['f16', 0xfc00, -Infinity],
    ['bf16', 0x3f80, 1],
    ['bf16', 0xff7f, -3.3895313892515355e38],
    ['f8e4m3fn', 0x7e, 448],
    ['f8e4m3fn', 0x01, 2 ** -9],
    ['f8e4m3fnuz', 0x7f, 240],
    ['f8e4m3fnuz', 0x01, 2 ** -10],
    ['f8e5m2', 0x7b, 57344],
    ['f8e5m2', 0x7c, Infinity],
    ['f8e5m2fnuz', 0x7f, 57344],
    ['f8e5m2fnuz', 0x01, 2 ** -17],
    ['f8e8m0', 0x7f, 1],
    ['f8e8m0', 0x00, 2 ** -127],
    ['f6e2m3', 0x1f, 7.5],
    ['f6e3m2', 0x1f, 28],
    ['f4e2m1', 0x07, 6],
    ['f4e2m1', 0x0b, -1.5],
  ] as const)('%s code %i is %d', (dtype, code, value) => {
    const bytes = DTYPES[dtype].bits === 16 ? [code & 255, code >> 8] : [code];
    expect(decodeOne(dtype, ...bytes)).toBe(value);
    expect(encodeOne(dtype, value)).toBe(code);
  });

  test.each(small)('%s: every code decodes and encodes back', (dtype) => {
    const { bits } = DTYPES[dtype];
    for (let code = 0; code < 2 ** bits; code++) {
      const value = decodeOne(dtype, ...(bits === 16 ? [code & 255, code >> 8] : [code]));
      if (Number.isNaN(value)) expect(decodeOne(dtype, ...toBytes(bits, encodeOne(dtype, NaN)))).toBeNaN();
      else expect(encodeOne(dtype, value)).toBe(code);
    }
  });

  test.each(small.filter((dtype) => dtype !== 'f8e8m0'))('%s: rounds to the nearest code, ties to even', (dtype) => {
    const { bits } = DTYPES[dtype];
    const codes = Array.from({ length: 2 ** (bits - 1) }, (_, code) => code);
    const values = codes.map((code) => decodeOne(dtype, ...toBytes(bits, code)));
    const last = values.findLastIndex((value) => Number.isFinite(value));
    const step = bits === 16 ? 37 : 1;
    for (let code = 0; code + 1 <= last; code += step) {
      const [low, high] = [values[code], values[code + 1]];
      const middle = (low + high) / 2;
      expect(encodeOne(dtype, middle)).toBe(code % 2 === 0 ? code : code + 1);
      expect(encodeOne(dtype, middle - (high - low) / 1024)).toBe(code);
      expect(encodeOne(dtype, middle + (high - low) / 1024)).toBe(code + 1);
    }
  });

  test('f16 rounds once: a double just above a tie does not fall back to even through f32', () => {
    const tie = 1 + 2 ** -11;
    expect(encodeOne('f16', tie)).toBe(0x3c00);
    expect(encodeOne('f16', tie + 2 ** -40)).toBe(0x3c01);
  });

  test('f16 overflows to infinity, 8-bit fn kinds saturate, fnuz kinds have one zero', () => {
    expect(encodeOne('f16', 65519.99)).toBe(0x7bff);
    expect(encodeOne('f16', 65520)).toBe(0x7c00);
    expect(encodeOne('f8e4m3fn', 1e9)).toBe(0x7e);
    expect(encodeOne('f8e4m3fn', -Infinity)).toBe(0xfe);
    expect(encodeOne('f8e4m3fnuz', -0)).toBe(0);
    expect(encodeOne('f8e8m0', -1)).toBe(0);
  });

  test('f32 and f64 keep every value, at any alignment', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true })), fc.nat(7), (values, shift) => {
        const bytes = new Uint8Array(values.length * 8 + shift).subarray(shift);
        encodeFloats('f64', values, bytes);
        const back = new Float64Array(values.length);
        decodeFloats('f64', bytes, back);
        expect([...back]).toEqual(values);
      }),
    );
  });

  test('six-bit elements are packed without gaps', () => {
    const bytes = new Uint8Array(3);
    encodeFloats('f6e2m3', [0.125, 0.25, 7.5, -7.5], bytes);
    const back = new Float32Array(4);
    decodeFloats('f6e2m3', bytes, back);
    expect([...back]).toEqual([0.125, 0.25, 7.5, -7.5]);
  });

  test('a buffer of another length, and NaN in a type without one, are caller mistakes', () => {
    expect(() => {
      decodeFloats('f32', new Uint8Array(7), new Float32Array(2));
    }).toThrow(TypeError);
    expect(() => encodeOne('f4e2m1', NaN)).toThrow(TypeError);
  });
});

function toBytes(bits: number, code: number): number[] {
  return bits === 16 ? [code & 255, code >> 8] : [code];
}
