/** Numbers of JSON against what the types hold, and the hash against its specification. */
import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex, utf8 } from '../../core/bytes.ts';
import { JsonReader } from '../json/reader.ts';
import type { NamedTensor } from '../ports.ts';
import { type TensorDType, toDatatype } from './datatypes.ts';
import { readElements } from './elements.ts';
import { hashTensors } from './hash.ts';
import { checkBytes } from './signature.ts';
import { toListText, toNestedText, toTokens } from './text.ts';

const read = (text: string, dtype: TensorDType, shape: readonly number[]): Uint8Array => {
  const reader = new JsonReader(utf8(text), { depthMax: 16, code: 'GATEWAY_INPUT_MALFORMED' });
  const { data } = readElements(reader, dtype, shape, 'inputs[0]');
  reader.finish();
  return data;
};

const code = (name: string): unknown => expect.objectContaining({ code: name });

const DTYPES = ['bool', 'u8', 'u16', 'u32', 'u64', 'i8', 'i16', 'i32', 'i64', 'f16', 'bf16', 'f32', 'f64'] as const;

/** A tensor of any type and shape whose values JSON can say. */
const anyTensor: fc.Arbitrary<NamedTensor> = fc
  .tuple(fc.constantFrom(...DTYPES), fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const bytes = shape.reduce<number>((product, dim) => product * dim, toDatatype(dtype).bytes);
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((data) => {
      if (dtype === 'bool') data.forEach((value, i) => (data[i] = value & 1));
      const name = 'x';
      try {
        checkBytes(dtype, shape, data, name);
        return { name, dtype, shape, data };
      } catch {
        return { name, dtype, shape, data: new Uint8Array(bytes) };
      }
    });
  });

describe('values', () => {
  test.each([
    ['i8', '127', '128'],
    ['i8', '-128', '-129'],
    ['u8', '255', '256'],
    ['u8', '0', '-1'],
    ['i16', '-32768', '32768'],
    ['u16', '65535', '65536'],
    ['i32', '2147483647', '2147483648'],
    ['u32', '4294967295', '4294967296'],
    ['i64', '9223372036854775807', '9223372036854775808'],
    ['i64', '-9223372036854775808', '-9223372036854775809'],
    ['u64', '18446744073709551615', '18446744073709551616'],
    ['u64', '9007199254740993', '-1'],
    ['i32', '0', '1.0'],
    ['i32', '100', '1e2'],
    ['i64', '1', '1.00000000000000000001'],
    ['i64', '-0', '123456789012345678901234567890'],
    ['f32', '3.4028234e38', '3.5e38'],
    ['f64', '1e308', '1e309'],
    ['f16', '65504', '65520'],
    ['bf16', '3.3e38', '3.4e38'],
    ['bool', 'true', '1'],
    ['f32', '1', 'true'],
    ['f32', '1', '"1"'],
    ['f32', '1', 'null'],
  ] as const)('of %s: %s is one, %s is refused', (dtype, good, bad) => {
    expect(() => read(`[${good}]`, dtype, [1])).not.toThrow();
    expect(() => read(`[${bad}]`, dtype, [1])).toThrow(code('GATEWAY_INPUT_VALUE'));
  });

  test('of 64 bits are exact beyond 2^53', () => {
    const { buffer, byteOffset } = read('[9007199254740993, -9007199254740993]', 'i64', [2]);
    const view = new DataView(buffer, byteOffset);
    expect([view.getBigInt64(0, true), view.getBigInt64(8, true)]).toEqual([9007199254740993n, -9007199254740993n]);
  });

  test.each([
    ['[1,2,3]', [2, 2]],
    ['[1,2,3,4,5]', [2, 2]],
    ['[[1,2],[3]]', [2, 2]],
    ['[[1,2],[3,4],[5,6]]', [2, 2]],
    ['[[1,2,3,4]]', [2, 2]],
    ['[[1,2],3,4]', [2, 2]],
    ['[[[1],[2]],[[3],[4]]]', [2, 2]],
    ['[]', [1]],
    ['[1]', [1_000_000_000]],
  ])('%s is not of the shape %j', (text, shape) => {
    expect(() => read(text, 'f32', shape)).toThrow(code('GATEWAY_INPUT_SHAPE'));
  });

  test('flat and nested arrays, and text of them, are the same bytes', () => {
    fc.assert(
      fc.property(anyTensor, (tensor) => {
        const { dtype, shape, data } = tensor;
        const tokens = toTokens(tensor);
        expect(toHex(read(`[${tokens.join(',')}]`, dtype as TensorDType, shape))).toBe(toHex(data));
        expect(toHex(read(toNestedText(tokens, shape), dtype as TensorDType, shape))).toBe(toHex(data));
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['f32', '0000c07f'],
    ['f32', '000080ff'],
    ['f64', '000000000000f87f'],
    ['f16', '007c'],
    ['bf16', '807f'],
    ['bool', '02'],
  ] as const)('of %s in bytes: %s is refused', (dtype, hex) => {
    const data = Buffer.from(hex, 'hex');
    expect(() => checkBytes(dtype, [1], data, 'x')).toThrow(code('GATEWAY_INPUT_VALUE'));
    expect(() => checkBytes(dtype, [2], data, 'x')).toThrow(code('GATEWAY_INPUT_SHAPE'));
  });

  test('in a list are their tokens with commas between them, few and many', () => {
    for (const count of [0, 1, 2, 256, 257]) {
      const values = Float32Array.from({ length: count }, (_, at) => (at === 1 ? -0 : Math.sin(at) * 10 ** (at % 30)));
      const tensor: NamedTensor = { name: 'y', dtype: 'f32', shape: [count], data: new Uint8Array(values.buffer) };
      for (const decimals of [null, 3]) expect(toListText(tensor, decimals)).toBe(toTokens(tensor, decimals).join(','));
    }
  });

  test('lie in memory that nobody else writes', () => {
    const one = read('[1,2,3]', 'u8', [3]);
    const others = Array.from({ length: 2000 }, (_, at) => read('[255,255,255,255,255]', 'u8', [5]).fill(at));
    expect([...one]).toEqual([1, 2, 3]);
    expect(others.every((other, at) => other.every((value) => value === at % 256))).toBe(true);
  });

  test('that JSON has no number for are not written', () => {
    const tensor: NamedTensor = { name: 'y', dtype: 'f32', shape: [1], data: Buffer.from('0000c07f', 'hex') };
    expect(() => toTokens(tensor)).toThrow(code('GATEWAY_ANSWER_VALUE'));
  });
});

/** docs/spec/tensor-hash.md word by word, for tensors in order and without negative zeros. */
function toPreimage(tensors: readonly NamedTensor[]): Buffer {
  const u32 = (value: number): Buffer => Buffer.from(value.toString(16).padStart(8, '0'), 'hex');
  const u64 = (value: number): Buffer => Buffer.from(value.toString(16).padStart(16, '0'), 'hex');
  const text = (value: string): Buffer => Buffer.concat([u32(Buffer.from(value).length), Buffer.from(value)]);
  const parts = tensors.flatMap(({ name, dtype, shape, data }) => [
    ...[text(name), text(dtype), u32(shape.length), ...shape.map(u64), u64(data.length), Buffer.from(data)],
  ]);
  return Buffer.concat([Buffer.from('mw/tensors/v1\0'), u32(tensors.length), ...parts]);
}

describe('the hash of tensors', () => {
  const a: NamedTensor = {
    name: 'a',
    dtype: 'f32',
    shape: [1, 2],
    data: new Uint8Array(new Float32Array([1, -2]).buffer),
  };
  const b: NamedTensor = { name: 'b', dtype: 'i64', shape: [1], data: new Uint8Array([7, 0, 0, 0, 0, 0, 0, 0]) };
  /** As docs/spec/tensor-hash.md writes it. */
  const preimage = Buffer.from(
    `${toHex(utf8('mw/tensors/v1'))}00` +
      '00000002' +
      '0000000161' +
      '00000003663332' +
      '00000002' +
      '0000000000000001' +
      '0000000000000002' +
      '0000000000000008' +
      '0000803f000000c0' +
      '0000000162' +
      '00000003693634' +
      '00000001' +
      '0000000000000001' +
      '0000000000000008' +
      '0700000000000000',
    'hex',
  );

  test('is SHA-256 of what the specification writes, inputs in the order of their names', () => {
    const expected = createHash('sha256').update(preimage).digest('hex');
    expect(expected).toBe('7c0041b3a8b124b1b7466fc157978b4d28b92a842e87c9669a292629a20c9de6');
    expect(toHex(hashTensors([a, b]))).toBe(expected);
    expect(toHex(hashTensors([b, a]))).toBe(expected);
    expect(toHex(hashTensors([b, a], { hasNegativeZero: false }))).toBe(expected);
  });

  test('is HMAC-SHA-256 of the same with a key', () => {
    const key = new Uint8Array(32).fill(1);
    const expected = createHmac('sha256', key).update(preimage).digest('hex');
    expect(expected).toBe('49cec0cefa50fff048532d28008aacfae724f8007aa646b82048a5e9e6e81329');
    expect(toHex(hashTensors([a, b], { key }))).toBe(expected);
  });

  test('differs by name, type, shape and every bit', () => {
    const hashes = [
      a,
      { ...a, name: 'c' },
      { ...a, dtype: 'i32' as const },
      { ...a, shape: [2, 1] },
      { ...a, shape: [2] },
      { ...a, data: new Uint8Array(new Float32Array([1, -2.0000002]).buffer) },
    ].map((tensor) => toHex(hashTensors([tensor])));
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test.each(['f32', 'f64', 'f16', 'bf16'] as const)('is that of 0 for -0 in %s, behind a NaN, too', (dtype) => {
    const { bytes } = toDatatype(dtype);
    const zero = (sign: number, first: number): Uint8Array => {
      const data = new Uint8Array(2 * bytes).fill(first, 0, bytes);
      data[2 * bytes - 1] = sign;
      return data;
    };
    for (const first of [0, 0xff]) {
      const plus = hashTensors([{ name: 'x', dtype, shape: [2], data: zero(0, first) }]);
      const minusData = zero(0x80, first);
      const minus = hashTensors([{ name: 'x', dtype, shape: [2], data: minusData }]);
      expect(toHex(minus)).toBe(toHex(plus));
      expect(minusData[2 * bytes - 1]).toBe(0x80);
    }
  });

  test('is that of the specification for names of any alphabet, many axes, and both sides of what is hashed in one call', () => {
    const sizes = fc.constantFrom(0, 1, 77, 16_200, 16_300, 16_384, 20_000);
    const tensor = fc.tuple(fc.string({ unit: 'binary', maxLength: 20 }), sizes, fc.array(fc.nat(), { maxLength: 3 }));
    const key = new Uint8Array(32).fill(2);
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 3 }), (drawn) => {
        const tensors = drawn.map(([name, size, dims], at): NamedTensor => {
          return {
            name: `${at}${name}`,
            dtype: 'u8',
            shape: [2 ** 33 + 5, ...dims],
            data: new Uint8Array(size).fill(at),
          };
        });
        const whole = toPreimage(tensors);
        expect(toHex(hashTensors(tensors))).toBe(createHash('sha256').update(whole).digest('hex'));
        expect(toHex(hashTensors(tensors, { key }))).toBe(createHmac('sha256', key).update(whole).digest('hex'));
      }),
      { numRuns: 300 },
    );
  });

  test('of large tensors is the same as of their parts put together', () => {
    const data = new Uint8Array(64 * 1024).fill(3);
    const whole = hashTensors([{ name: 'x', dtype: 'u8', shape: [65536], data }]);
    const head =
      `${toHex(utf8('mw/tensors/v1'))}00000000010000000178000000027538000000010000000000010000` + '0000000000010000';
    expect(toHex(whole)).toBe(createHash('sha256').update(Buffer.from(head, 'hex')).update(data).digest('hex'));
  });
});
