import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import type { DType } from '../../model/dtype.ts';
import { toValues } from '../values.ts';
import { fitData, SCALES, type Scale } from './fit.ts';
import type { LabelledData } from './types.ts';

type Dim = number | string | null;

/** Samples 0, 1, … whose values count up from 100 times their number. */
function samples(sampleShape: readonly number[], options: { isBytes?: boolean; count?: number } = {}): LabelledData {
  const { isBytes = false, count = 3 } = options;
  const size = sampleShape.reduce((product, dim) => product * dim, 1);
  return {
    format: 'npy',
    count,
    sampleShape,
    isBytes,
    labels: { values: new Int32Array(count), names: null },
    read: (index) => Float64Array.from({ length: size }, (_, at) => 100 * index + at),
    readImage: () => new Float64Array(),
    findImageSize: () => undefined,
    close: () => undefined,
  };
}

const fit = (data: LabelledData, shape: readonly Dim[], dtype: DType = 'f32'): ReturnType<typeof fitData> =>
  fitData(data, [{ name: 'x', dtype, shape }]);
const values = (data: LabelledData, shape: readonly Dim[], scale: Scale = 'none'): [readonly number[], number[]] => {
  const tensor = fit(data, shape).encode(0, 1, scale);
  return [tensor.shape, [...toValues(tensor)]];
};

describe('the shape of samples', () => {
  test('rule 1: equal dimensions, ones and unknown ones aside', () => {
    expect(values(samples([2, 2]), ['n', 2, 2])).toEqual([
      [1, 2, 2],
      [0, 1, 2, 3],
    ]);
    expect(values(samples([2, 2]), [1, 1, 2, 2])).toEqual([
      [1, 1, 2, 2],
      [0, 1, 2, 3],
    ]);
    expect(values(samples([2, 2, 1]), [null, 1, 2, 2])).toEqual([
      [1, 1, 2, 2],
      [0, 1, 2, 3],
    ]);
    expect(values(samples([3]), ['n', 'features'])).toEqual([
      [1, 3],
      [0, 1, 2],
    ]);
    expect(values(samples([3]), ['features'])).toEqual([[3], [0, 1, 2]]);
  });

  test.each([2 ** 24, 2 ** 52])('a fixed batch of %i rows is refused before anything is allocated', (rows) => {
    expect(codeOf(() => fit(samples([2, 2]), [rows, 2, 2]))).toBe('RUNTIME_RUN_FAILED');
  });

  test('rule 2: channels move from last to first, and back', () => {
    expect(values(samples([1, 2, 3]), ['n', 3, 1, 2])).toEqual([
      [1, 3, 1, 2],
      [0, 3, 1, 4, 2, 5],
    ]);
    expect(values(samples([3, 1, 2]), ['n', 1, 2, 3])).toEqual([
      [1, 1, 2, 3],
      [0, 2, 4, 1, 3, 5],
    ]);
    expect(values(samples([4, 5, 3]), ['n', 3, 'h', 'w'])[0]).toEqual([1, 3, 4, 5]);
  });

  test('rule 3: equal numbers of values, row by row', () => {
    expect(values(samples([2, 2]), ['n', 4])).toEqual([
      [1, 4],
      [0, 1, 2, 3],
    ]);
    expect(values(samples([4]), ['n', 1, 2, 2])).toEqual([
      [1, 1, 2, 2],
      [0, 1, 2, 3],
    ]);
  });

  test('a free batch takes all, a fixed one is filled with its last sample, none takes one', () => {
    const data = samples([2]);
    expect([...toValues(fit(data, ['n', 2]).encode(1, 2, 'none'))]).toEqual([100, 101, 200, 201]);
    const fixed = fit(data, [2, 2]);
    expect(fixed.batch).toEqual({ kind: 'fixed', size: 2 });
    expect([...toValues(fixed.encode(2, 1, 'none'))]).toEqual([200, 201, 200, 201]);
    expect(fit(data, [2]).batch).toEqual({ kind: 'none' });
  });

  test('the first input that fits is fed', () => {
    const inputs = [
      { name: 'sr', dtype: 'i64' as const, shape: [] },
      { name: 'odd', dtype: null, shape: null },
      { name: 'x', dtype: 'f16' as const, shape: ['n', 2] },
    ];
    expect(fitData(samples([2]), inputs)).toMatchObject({ input: 'x', batch: { kind: 'free' } });
  });

  test('DATA_SHAPE_MISMATCH names both shapes', () => {
    expect(() => fit(samples([5]), ['n', 3])).toThrow(
      expect.objectContaining({ code: 'DATA_SHAPE_MISMATCH', fields: { sample: '[5]', inputs: ['x [n, 3]'] } }),
    );
  });

  test('images are resized to the height and width of the input, or keep their own where those are free', () => {
    const sizes: unknown[] = [];
    const images: LabelledData = {
      ...samples([]),
      sampleShape: null,
      isBytes: true,
      readImage: (_, size) => {
        sizes.push(size);
        return Float64Array.from({ length: size.height * size.width * size.channels }, (__, at) => at);
      },
      findImageSize: () => ({ height: 4, width: 6 }),
    };
    expect(values(images, ['n', 3, 1, 2])).toEqual([
      [1, 3, 1, 2],
      [0, 3, 1, 4, 2, 5],
    ]);
    expect(values(images, ['n', 2, 1, 3])).toEqual([
      [1, 2, 1, 3],
      [0, 1, 2, 3, 4, 5],
    ]);
    expect(values(images, ['n', 1, 'h', 'w'])[0]).toEqual([1, 1, 4, 6]);
    expect(values(images, [3, 2, 2])[0]).toEqual([3, 2, 2]);
    expect(sizes).toEqual([
      { height: 1, width: 2, channels: 3 },
      { height: 2, width: 1, channels: 3 },
      { height: 4, width: 6, channels: 1 },
      { height: 2, width: 2, channels: 3 },
    ]);
    expect(() => fit(images, ['n', 10])).toThrow(expect.objectContaining({ code: 'DATA_SHAPE_MISMATCH' }));
  });
});

describe('the scale of bytes', () => {
  test('is a choice only for bytes in a floating-point input', () => {
    expect(fit(samples([2], { isBytes: true }), ['n', 2]).scales).toEqual(['unit', 'none', 'signed']);
    expect(fit(samples([2, 2, 3], { isBytes: true }), ['n', 3, 2, 2]).scales).toContain('imagenet');
    expect(fit(samples([2], { isBytes: true }), ['n', 2], 'u8').scales).toEqual(['none']);
    expect(fit(samples([2]), ['n', 2]).scales).toEqual(['none']);
  });

  test('values are what people do before a model', () => {
    expect([SCALES.unit(255), SCALES.none(7), SCALES.signed(0), SCALES.signed(255)]).toEqual([1, 7, -1, 1]);
    expect(SCALES.imagenet(255, 0)).toBeCloseTo((1 - 0.485) / 0.229, 12);
    const [, scaled] = values(samples([1, 1, 3], { isBytes: true }), ['n', 3, 1, 1], 'imagenet');
    [0, 1, 2].forEach((channel) => {
      expect(scaled[channel]).toBeCloseTo(SCALES.imagenet(channel, channel), 6);
    });
  });
});
