/** What a policy leaves of an answer, and what no answer may be. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import type { ModelSignature, NamedTensor, OutputPolicy } from '../ports.ts';
import { checkOutputs } from './caps.ts';
import { applyPolicy, toVisible } from './policy.ts';
import { roundDecimals } from './round.ts';

const OPEN: OutputPolicy = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };

const floats = (name: string, shape: readonly number[], values: readonly number[]): NamedTensor => ({
  name,
  dtype: 'f32',
  shape,
  data: new Uint8Array(new Float32Array(values).buffer),
});
const numbers = ({ data }: NamedTensor): number[] => Array.from(new Float32Array(Uint8Array.from(data).buffer));

const SCORES = floats('scores', [2, 3], [0.25, 0.5, 0.25, 0.125, 0.125, 0.75]);
const LABELS: NamedTensor = { name: 'label', dtype: 'i64', shape: [2], data: new Uint8Array(16) };
const RISK = floats('risk', [2], [0.123, 0.456]);

describe('a policy', () => {
  test('that restricts nothing gives the same tensors', () => {
    const outputs = [SCORES, LABELS];
    expect(applyPolicy(outputs, OPEN, null)).toBe(outputs);
  });

  test('hides outputs', () => {
    expect(applyPolicy([SCORES, LABELS], { ...OPEN, hidden: ['scores'] }, null)).toEqual([LABELS]);
  });

  test('of labels alone gives the first largest of each row, and no score by any other way', () => {
    const given = applyPolicy([SCORES, LABELS, RISK], { ...OPEN, isLabelOnly: true }, null);
    expect(given.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['scores', 'i64', [2]],
      ['label', 'i64', [2]],
    ]);
    expect(Array.from(new BigInt64Array(Uint8Array.from(given[0].data).buffer))).toEqual([1n, 2n]);
  });

  test('of labels takes a single row of a declared length as one, and never a NaN for the largest', () => {
    const signature: ModelSignature = { inputs: [], outputs: [{ name: 'y', dtype: 'f32', shape: [3] }] };
    const [label] = applyPolicy([floats('y', [3], [NaN, -5, -7])], { ...OPEN, isLabelOnly: true }, signature);
    expect([label.shape, label.data[0]]).toEqual([[], 1]);
  });

  test('of the top k keeps the first of equal scores, and sets the others to 0', () => {
    const [kept] = applyPolicy([SCORES], { ...OPEN, topK: 2 }, null);
    expect(numbers(kept)).toEqual([0.25, 0.5, 0, 0.125, 0, 0.75]);
    expect(numbers(SCORES)).toEqual([0.25, 0.5, 0.25, 0.125, 0.125, 0.75]);
    expect(applyPolicy([SCORES], { ...OPEN, topK: 3 }, null)[0]).toBe(SCORES);
  });

  test('of decimals rounds every float, whatever its axes, and no integer', () => {
    const given = applyPolicy([RISK, LABELS], { ...OPEN, decimals: 1 }, null);
    expect(numbers(given[0])).toEqual([Math.fround(0.1), 0.5]);
    expect(given[1]).toBe(LABELS);
  });

  test('tells in the signature what there is to see', () => {
    const signature: ModelSignature = {
      inputs: [],
      outputs: [
        { name: 'scores', dtype: 'f32', shape: [null, 3] },
        { name: 'logits', dtype: 'f32', shape: [null, 3] },
        { name: 'risk', dtype: 'f32', shape: [null] },
        { name: 'label', dtype: 'i64', shape: [null] },
      ],
    };
    expect(toVisible(signature, OPEN)).toBe(signature);
    expect(toVisible(signature, { ...OPEN, isLabelOnly: true, hidden: ['logits'] }).outputs).toEqual([
      { name: 'scores', dtype: 'i64', shape: [null] },
      { name: 'label', dtype: 'i64', shape: [null] },
    ]);
  });
});

/** round(|value| · 10^decimals) by the exact value of the double, ties away from zero, as a number. */
function roundByIntegers(value: number, decimals: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const mantissa = (bits & 0xfffffffffffffn) | (exponent === 0 ? 0n : 1n << 52n);
  const shift = Math.max(exponent, 1) - 1075;
  const scaled = mantissa * 10n ** BigInt(decimals);
  const whole = shift >= 0 ? scaled << BigInt(shift) : (scaled + (1n << BigInt(-shift - 1))) >> BigInt(-shift);
  const rounded = Number(`${whole}e-${decimals}`);
  return rounded === 0 ? 0 : value < 0 ? -rounded : rounded;
}

describe('rounding', () => {
  test('is exact: of the binary value, ties away from zero', () => {
    const values = fc.oneof(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 }),
      // Next to a tie of decimals.
      fc
        .tuple(fc.integer({ min: -100_000, max: 100_000 }), fc.integer({ min: 0, max: 6 }))
        .map(([n, d]) => Number(`${n}5e-${d + 1}`)),
      // Ties that a double holds.
      fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 64),
    );
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 12 }), (value, decimals) => {
        expect(Object.is(roundDecimals(value, decimals), roundByIntegers(value, decimals))).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    [0.5, 0, 1],
    [2.5, 0, 3],
    [-0.5, 0, -1],
    [1.005, 2, 1],
    [0.125, 2, 0.13],
    [-0.001, 2, 0],
    [1e300, 3, 1e300],
    [Infinity, 2, Infinity],
  ])('%d to %i places is %d', (value, decimals, expected) => {
    expect(roundDecimals(value, decimals)).toBe(expected);
  });
});

describe('an answer', () => {
  const signature: ModelSignature = { inputs: [], outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }] };
  const y = floats('y', [2, 2], [1, 2, 3, 4]);

  test('as it was declared is taken, with as many rows as the request', () => {
    expect(
      codeOf(() => {
        checkOutputs([y], signature, 2, 16);
      }),
    ).toBe('no error');
    expect(
      codeOf(() => {
        checkOutputs([], signature, 2, 16);
      }),
    ).toBe('no error');
  });

  test.each([
    ['rows that were not asked for', [y], 1, 16, 'GATEWAY_ANSWER_SHAPE'],
    ['more bytes than the cap', [y], 2, 15, 'GATEWAY_ANSWER_TOO_LARGE'],
    ['an output that was not declared', [{ ...y, name: 'w' }], 2, 16, 'GATEWAY_ANSWER_SHAPE'],
    ['an output twice', [y, y], 2, 64, 'GATEWAY_ANSWER_SHAPE'],
    ['another type', [{ ...y, dtype: 'i32' as const }], 2, 16, 'GATEWAY_ANSWER_SHAPE'],
    ['another shape', [{ ...y, shape: [2, 1, 2] }], 2, 16, 'GATEWAY_ANSWER_SHAPE'],
    ['bytes beyond its shape', [{ ...y, data: new Uint8Array(17) }], 2, 64, 'GATEWAY_ANSWER_SHAPE'],
  ])('with %s is not', (_, outputs, items, bytesMax, expected) => {
    expect(
      codeOf(() => {
        checkOutputs(outputs, signature, items, bytesMax);
      }),
    ).toBe(expected);
  });
});
