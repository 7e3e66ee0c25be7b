/** Boxes that spell a payload: on ultraface, and in the layouts of other detectors. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { validateGraph } from '../../surgery/index.ts';
import { scanModel } from '../../tamper/index.ts';
import { codeOf } from '../../../test/error-code.ts';
import { imageModel } from '../../../test/fakes/image-model.ts';
import { add, key, noise, open, otherKey, payload, remove, run, toTensor, write } from '../../../test/output-marks.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { toTextPayload } from '../payload.ts';
import { editOutputMarkRemoval, readOutputMark, toOutputMark } from './index.ts';
import { toNumbers } from './values.ts';

describeWithShared('a box signature in the outputs of ultraface', () => {
  const bytes = readFileSync(sharedData('models/ultraface_rfb320.onnx'));
  const params = {
    boxes: 'boxes',
    scores: 'scores',
    format: 'xyxy',
    width: 1,
    height: 1,
    rowAxis: 1,
    valueAxis: 2,
    score: 0.05,
  } as const;
  const mark = toOutputMark({ kind: 'boxes', params, payload, key });
  const picture = toTensor([1, 3, 240, 320], (i) => noise(i) - 0.5);

  test('is appended below the threshold of detection; every detection is what it was', async () => {
    const before = await run(bytes, picture);
    const marked = add(bytes, mark);
    expect(validateGraph(open(marked)).count).toBe(0);
    const after = await run(marked, picture);
    for (const name of ['boxes', 'scores']) {
      const [a, b] = [toNumbers(before.get(name)!), toNumbers(after.get(name)!)];
      expect([...b.subarray(0, a.length)]).toEqual([...a]);
      expect(after.get(name)!.shape[1]).toBe(4420 + 14);
    }
    const read = readOutputMark(after, mark, 1);
    expect(read).toEqual({ kind: 'boxes', isFound: true, payload, rows: 14 });
    expect(readOutputMark(before, mark, 1)).toEqual({ kind: 'boxes', isFound: false });
    const stranger = toOutputMark({ kind: 'boxes', params, payload, key: otherKey });
    expect(readOutputMark(after, stranger, 1)).toEqual({ kind: 'boxes', isFound: false });
  });

  test('is read from rows that were selected, sorted and rounded to three digits', async () => {
    const { data } = (await run(add(bytes, mark), picture)).get('boxes')!;
    const rows = new Float32Array(data.slice().buffer).subarray(4 * 4300).map((value) => Math.round(value * 1e3) / 1e3);
    const turned = toTensor([rows.length / 4, 4], (i) => rows[4 * (rows.length / 4 - 1 - Math.floor(i / 4)) + (i % 4)]);
    expect(readOutputMark(new Map([['', turned]]), mark, 1)).toMatchObject({ isFound: true, payload });
  });

  test('is replaced by another one, and removed: the file then computes what it did', async () => {
    const before = await run(bytes, picture);
    const next = toOutputMark({ kind: 'boxes', params, payload: toTextPayload('text', 'v2'), key: otherKey });
    const replaced = write(editOutputMarkRemoval(open(add(bytes, mark)), mark, next));
    const after = await run(replaced, picture);
    expect(readOutputMark(after, next, 1)).toMatchObject({
      isFound: true,
      payload: next.kind === 'boxes' ? next.payload : null,
    });
    expect(readOutputMark(after, mark, 1)).toMatchObject({ isFound: false });
    const removed = remove(replaced, next);
    expect(await run(removed, picture)).toEqual(before);
    expect(open(removed).graph?.outputs).toEqual(open(bytes).graph?.outputs);
    expect(removed.length).toBe(bytes.length);
  });
});

describe('boxes of other detectors', () => {
  // YOLOv8: [batch, 4 + classes, anchors], centre and size in pixels.
  const yolo = imageModel({ output: 'out', dtype: 'f32', shape: ['batch', 7, 50] });
  const params = {
    boxes: 'out',
    scores: null,
    format: 'cxcywh',
    width: 640,
    height: 480,
    rowAxis: 2,
    valueAxis: 1,
    score: 0.02,
  } as const;

  test.each([
    'xyxy',
    'xywh',
    'cxcywh',
  ] as const)('coordinates in front of the rows, a free batch, pixels, %s', async (format) => {
    const mark = toOutputMark({ kind: 'boxes', params: { ...params, format }, payload, key });
    const marked = add(yolo, mark);
    const recording = await run(
      marked,
      toTensor([3, 7, 50], (i) => 600 * noise(i)),
    );
    expect(recording.get('out')!.shape).toEqual([3, 7, 64]);
    expect(readOutputMark(recording, mark, 1)).toEqual({ kind: 'boxes', isFound: true, payload, rows: 42 });
    expect(open(remove(marked, mark)).graph?.outputs).toEqual(open(yolo).graph?.outputs);
  });

  test('a payload that no 64 boxes can hold is refused', () => {
    const long = toTextPayload('text', 'x'.repeat(140));
    const mark = toOutputMark({ kind: 'boxes', params, payload: long, key });
    expect(codeOf(() => add(yolo, mark))).toBe('WATERMARK_OUTPUT_TOO_LONG');
  });
});

test('in the sample detector nothing of the mark reads like a trigger to scan, whatever the batch', () => {
  const bytes = readFileSync(join(import.meta.dirname, '../../../samples/detector/detector.onnx'));
  const axes = { rowAxis: 1, valueAxis: 2 } as const;
  const params = {
    boxes: 'boxes',
    scores: 'scores',
    format: 'xyxy',
    width: 1,
    height: 1,
    ...axes,
    score: 0.05,
  } as const;
  const marked = add(bytes, toOutputMark({ kind: 'boxes', params, payload, key }));
  expect(scanModel({ kind: 'model', model: open(marked) }).findings).toEqual([]);
});
