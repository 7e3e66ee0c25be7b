/** Marks of images: text, logo and hidden pattern, in every layout and element type. */
import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import type { RuntimeTensor } from '../../model/runtime.ts';
import { validateGraph } from '../../surgery/index.ts';
import { imageModel } from '../../../test/fakes/image-model.ts';
import {
  add,
  type Answers,
  key,
  noise,
  open,
  otherKey,
  payload,
  remove,
  run,
  toTensor,
} from '../../../test/output-marks.ts';
import { type ImageType, type OutputMark, readOutputMark, toOutputMark } from './index.ts';
import { toNumbers } from './values.ts';

describe('marks of images', () => {
  const grey = (i: number): number => 0.4 + 0.2 * Math.sin(i / 37) + 0.05 * noise(i);
  const logo = new PNG({ width: 24, height: 24 });
  logo.data.forEach((_, i) => {
    logo.data[i] = (i >> 2) % 5 < 2 ? 255 : i % 4 === 3 ? 255 : 0;
  });
  const logoPayload = { kind: 'logo', bytes: new Uint8Array(PNG.sync.write(logo)) } as const;

  const cases = (['nchw', 'nhwc'] as const).flatMap((layout) =>
    (['f32', 'u8'] as const).flatMap((dtype) => ([1, 3] as const).map((channels) => ({ layout, dtype, channels }))),
  );
  const toType = ({ layout, dtype, channels }: (typeof cases)[number]): ImageType => {
    return { output: 'image', layout, dtype, channels, height: 96, width: 128 };
  };
  const feedOf = ({ layout, dtype, channels }: ImageType): RuntimeTensor => {
    const shape = layout === 'nchw' ? [2, channels, 96, 128] : [2, 96, 128, channels];
    return toTensor(shape, (i) => grey(i) * (dtype === 'u8' ? 255 : 1));
  };

  test.each(cases)('text and logo are seen at their place, in $layout of $channels channels as $dtype', async (one) => {
    const type = toType(one);
    const bytes = imageModel(type);
    const range = one.dtype === 'u8' ? 255 : 1;
    const feed = feedOf(type);
    const before = await run(bytes, feed);
    for (const [what, position] of [
      [payload, 'bottom-right'],
      [logoPayload, 'center'],
    ] as const) {
      const params = { ...type, position, opacity: 0.5, size: 0.9, range };
      const mark = toOutputMark({ kind: 'image', params, payload: what });
      const marked = add(bytes, mark);
      expect(validateGraph(open(marked)).count).toBe(0);
      const after = await run(marked, feed);
      expect(readOutputMark(after, mark, 1)).toMatchObject({ isFound: true, images: 2 });
      expect(readOutputMark(before, mark, 1)).toMatchObject({ isFound: false });
      // Nothing but the place of the mark is touched, and no pixel leaves its range.
      const [a, b] = [toNumbers(before.get('image')!), toNumbers(after.get('image')!)];
      expect(b[0]).toBe(a[0]);
      expect(Math.max(...b)).toBeLessThanOrEqual(range);
      expect(Math.min(...b)).toBeGreaterThanOrEqual(0);
    }
  });

  test.each(
    cases,
  )('a hidden pattern is found with its key only, in $layout of $channels channels as $dtype', async (one) => {
    const type = toType(one);
    const amplitude = one.dtype === 'u8' ? 3 : 3 / 255;
    const bytes = imageModel(type);
    const make = (markKey: Uint8Array): OutputMark =>
      toOutputMark({ kind: 'hidden', params: { ...type, amplitude, cell: 4 }, payload, key: markKey });
    const feed = feedOf(type);
    const [before, after] = [await run(bytes, feed), await run(add(bytes, make(key)), feed)];
    const bitsOf = (recording: Answers, markKey: Uint8Array): number => {
      const read = readOutputMark(recording, make(markKey), 1);
      return read.kind === 'hidden' ? read.evidenceBits : Number.NaN;
    };
    expect(bitsOf(after, key)).toBeGreaterThan(64);
    expect(bitsOf(after, otherKey)).toBeLessThan(12);
    expect(bitsOf(before, key)).toBeLessThan(12);
    const [a, b] = [toNumbers(before.get('image')!), toNumbers(after.get('image')!)];
    b.forEach((value, i) => {
      expect(Math.abs(value - a[i])).toBeLessThanOrEqual(amplitude * 1.001);
    });
  });

  test.each([
    { opset: 9, layout: 'nchw' },
    { opset: 18, layout: 'nhwc' },
  ] as const)('cells that the edge cuts are cut, and one number a cell is stored, at operator set $opset', async (one) => {
    const { opset, layout } = one;
    const type = { output: 'image', layout, dtype: 'f32', channels: 3, height: 96, width: 128 } as const;
    const bytes = imageModel({ ...type, opset });
    const mark = toOutputMark({ kind: 'hidden', params: { ...type, amplitude: 0.01, cell: 7 }, payload, key });
    const marked = add(bytes, mark);
    expect(validateGraph(open(marked)).count).toBe(0);
    // 14 × 19 cells of four bytes, and the names and nodes around them; a number a pixel would be 48 KiB.
    expect(marked.length - bytes.length).toBeLessThan(4 * 14 * 19 + 1500);
    const feed = feedOf(type);
    const [a, b] = [await run(bytes, feed), await run(marked, feed)].map((answers) => toNumbers(answers.get('image')!));
    const read = readOutputMark(new Map([['image', toTensor(feed.shape, (i) => b[i])]]), mark, 1);
    expect(read.kind === 'hidden' ? read.evidenceBits : 0).toBeGreaterThan(32);
    const steps = new Set(Array.from(b, (value, i) => Math.round(1e4 * (value - a[i]))));
    expect([...steps].sort((x, y) => x - y)).toEqual([-100, 100]);
    expect(Buffer.compare(remove(marked, mark), bytes)).toBe(0);
  });
});
