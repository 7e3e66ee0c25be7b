/** Marks in outputs: put in, run, read from what was recorded, replaced, and taken out again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import { findRuntime, openWebRuntime } from '../../adapters/runtime/index.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';
import { type GraphEdit, validateGraph } from '../../surgery/index.ts';
import { codeOf } from '../../../test/error-code.ts';
import { openBytes, runPlan } from '../../../test/formats/models.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { optimise } from '../../../test/optimised.ts';
import { imageModel } from '../../../test/fakes/image-model.ts';
import { toTextPayload } from '../payload.ts';
import {
  editOutputMark,
  editOutputMarkRemoval,
  formatOutputMark,
  type ImageType,
  listOutputMarks,
  type OutputMark,
  type OutputMarkSpec,
  parseOutputMark,
  readOutputMark,
  toOutputMark,
} from './index.ts';
import { toNumbers } from './values.ts';

const samples = join(import.meta.dirname, '../../../samples');
const payload = toTextPayload('licence', '© 2026 Acme, licence 7');
const key = new Uint8Array(32).fill(7);
const otherKey = new Uint8Array(32).fill(8);
const open = (bytes: Uint8Array) => openBytes(bytes, 'm.onnx');
const write = (edit: GraphEdit): Uint8Array => runPlan(edit.toRewrite());
const add = (bytes: Uint8Array, mark: OutputMark): Uint8Array => write(editOutputMark(open(bytes), mark));
const remove = (bytes: Uint8Array, mark: OutputMark): Uint8Array => write(editOutputMarkRemoval(open(bytes), mark));

type Answers = ReadonlyMap<string, RuntimeTensor>;

async function run(bytes: Uint8Array, feed: RuntimeTensor): Promise<Answers> {
  const runtime = await findRuntime();
  const session = await runtime.load({ main: bytes, external: [] });
  try {
    return await session.run(new Map([[session.inputs[0].name, feed]]));
  } finally {
    await session.release();
  }
}

function toTensor(shape: readonly number[], at: (index: number) => number): RuntimeTensor {
  const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1)).map((_, i) => at(i));
  return { dtype: 'f32', shape, data: new Uint8Array(values.buffer) };
}

/** Deterministic noise in [0, 1). */
const noise = (i: number): number => {
  const value = Math.sin(i * 12.9898 + 4.1) * 43758.5453;
  return value - Math.floor(value);
};

const mlp = readFileSync(join(samples, 'mlp.onnx'));
const digits = toTensor([200, 1, 12, 12], noise);
const scoresMark = (change: object = {}): OutputMark =>
  toOutputMark({ kind: 'scores', params: { output: 'logits', step: 1e-3 }, payload, key, ...change });

describe('the dither of scores', () => {
  test('is read with its exact evidence; shown scores are what they were', async () => {
    const mark = scoresMark();
    const before = toNumbers((await run(mlp, digits)).get('logits')!);
    const marked = await run(add(mlp, mark), digits);
    const after = toNumbers(marked.get('logits')!);
    before.forEach((value, i) => {
      expect(Math.abs(after[i] - value)).toBeLessThan(0.76e-3);
      expect(after[i].toFixed(3).replace('-0.000', '0.000')).toBe((Math.floor(value * 1e3 + 0.5) / 1e3).toFixed(3));
    });
    const read = readOutputMark(marked, mark, 4);
    if (read.kind !== 'scores') throw new TypeError(read.kind);
    expect(read.agreeing).toBe(read.cells);
    expect(read.cells).toBeGreaterThan(500);
    // All agree: the tail is 2^-cells exactly, less the trials.
    expect(read.evidenceBits).toBeCloseTo(read.cells - 2, 6);
  });

  test('another key, the unmarked model, and rounded scores say nothing', async () => {
    const mark = scoresMark();
    const marked = await run(add(mlp, mark), digits);
    const rounded = toTensor([200, 10], (i) => Math.round(toNumbers(marked.get('logits')!)[i] * 1e3) / 1e3);
    for (const [recording, reader] of [
      [marked, scoresMark({ key: otherKey })],
      [await run(mlp, digits), mark],
      [new Map([['logits', rounded]]), mark],
    ] as const) {
      const read = readOutputMark(recording, reader, 1);
      expect(read).toMatchObject({ kind: 'scores' });
      expect(read.kind === 'scores' ? read.evidenceBits : 0).toBeLessThan(16);
    }
  });

  test('the evidence of keys that marked nothing follows its law: P[b bits] is at most 2^-b', async () => {
    const recording = await run(mlp, digits);
    const bits = Array.from({ length: 400 }, (_, i) => {
      const stranger = new Uint8Array(32).fill(i & 255);
      stranger[1] = i >> 8;
      const read = readOutputMark(recording, scoresMark({ key: stranger }), 1);
      return read.kind === 'scores' ? read.evidenceBits : Number.NaN;
    });
    for (const b of [1, 2, 4]) {
      const hits = bits.filter((value) => value >= b).length;
      // Four standard deviations above the bound.
      expect(hits).toBeLessThan(400 * 2 ** -b + 4 * Math.sqrt(400 * 2 ** -b));
    }
    expect(Math.max(...bits)).toBeLessThan(24);
  });
});

describe('a checksum of predictions', () => {
  const asOutput = toOutputMark({
    kind: 'checksum',
    params: { output: 'logits', into: 'logits_checksum', step: 1e-4 },
  });
  const asColumn = toOutputMark({ kind: 'checksum', params: { output: 'logits', into: null, step: 1e-4 } });

  test.each([
    asOutput,
    asColumn,
  ])('agrees as recorded ($params.into), and names the rows that were changed', async (mark) => {
    const recording = await run(add(mlp, mark), digits);
    expect(recording.get('logits')!.shape).toEqual([200, mark === asColumn ? 11 : 10]);
    expect(readOutputMark(recording, mark, 1)).toEqual({ kind: 'checksum', rows: 200, wrong: [] });
    const { shape, data, dtype } = recording.get('logits')!;
    const values = new Float32Array(data.slice().buffer);
    const width = shape[1];
    values[3 * width + 2] += 0.001;
    // Two classes change places.
    [values[9 * width], values[9 * width + 1]] = [values[9 * width + 1], values[9 * width]];
    values[11 * width] = Number.NaN;
    const changed = new Map([...recording, ['logits', { dtype, shape, data: new Uint8Array(values.buffer) }]] as const);
    expect(readOutputMark(changed, mark, 1)).toEqual({ kind: 'checksum', rows: 200, wrong: [3, 9, 11] });
  });

  test('rows that were cut off or mixed up do not agree', async () => {
    const recording = await run(add(mlp, asOutput), digits);
    const { dtype, data } = recording.get('logits')!;
    const cut = new Map([...recording, ['logits', { dtype, shape: [199, 10], data: data.slice(40) }]] as const);
    expect(codeOf(() => readOutputMark(cut, asOutput, 1))).toBe('WATERMARK_RECORDING_MALFORMED');
    const turned = new Uint8Array([...data.slice(40), ...data.slice(0, 40)]);
    const mixed = new Map([...recording, ['logits', { dtype, shape: [200, 10], data: turned }]] as const);
    const read = readOutputMark(mixed, asOutput, 1);
    expect(read.kind === 'checksum' ? read.wrong.length : 0).toBe(200);
  });

  test('comes last: other marks of its output are refused behind it', () => {
    for (const mark of [asOutput, asColumn]) {
      expect(codeOf(() => add(add(mlp, mark), scoresMark()))).toBe('WATERMARK_OUTPUT_ORDER');
    }
  });
});

describe('a free signature output', () => {
  const mark = toOutputMark({ kind: 'signature', params: { output: 'signature' }, payload });

  test('says the same whatever the input; the other outputs do not change', async () => {
    const before = await run(mlp, digits);
    const recording = await run(add(mlp, mark), digits);
    expect(readOutputMark(recording, mark, 1)).toEqual({ kind: 'signature', isFound: true, payload });
    expect(recording.get('logits')).toEqual(before.get('logits'));
    const damaged = { ...recording.get('signature')!, data: recording.get('signature')!.data.slice() };
    damaged.data[6] ^= 1;
    expect(readOutputMark(new Map([['signature', damaged]]), mark, 1)).toEqual({ kind: 'signature', isFound: false });
  });
});

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
});

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

describe('marks of all kinds', () => {
  const bytes = imageModel({ output: 'image', layout: 'nchw', dtype: 'f32', channels: 3, height: 64, width: 64 });
  const image: ImageType = { output: 'image', layout: 'nchw', dtype: 'f32', channels: 3, height: 64, width: 64 };
  const specs: readonly OutputMarkSpec[] = [
    { kind: 'image', params: { ...image, position: 'top-left', opacity: 0.5, size: 1, range: 1 }, payload },
    { kind: 'hidden', params: { ...image, amplitude: 0.01, cell: 2 }, payload, key },
    { kind: 'scores', params: { output: 'image', step: 1e-3 }, payload, key },
    { kind: 'signature', params: { output: 'signature' }, payload },
    { kind: 'checksum', params: { output: 'image', into: 'sum', step: 1e-3 } },
  ];

  test.each(
    specs,
  )('$kind: its file is read back; it is listed, put in once, and removed without a trace', async (spec) => {
    const mark = toOutputMark(spec);
    expect(parseOutputMark(formatOutputMark(mark))).toEqual(mark);
    const marked = add(bytes, mark);
    expect(listOutputMarks(open(marked))).toEqual([{ kind: mark.kind, id: mark.id }]);
    expect(codeOf(() => add(marked, mark))).toBe('WATERMARK_LABEL_PRESENT');
    const removed = remove(marked, mark);
    expect(listOutputMarks(open(removed))).toEqual([]);
    expect(Buffer.compare(removed, bytes)).toBe(0);
    expect(codeOf(() => remove(bytes, mark))).toBe('WATERMARK_OUTPUT_ABSENT');
    const feed = toTensor([1, 3, 64, 64], noise);
    expect((await run(marked, feed)).get('image')!.shape).toEqual([1, 3, 64, 64]);
  });

  test('several in one output are taken out in any order', async () => {
    const marks = specs.slice(0, 3).map(toOutputMark);
    const all = marks.reduce(add, bytes);
    expect(
      listOutputMarks(open(all))
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(['hidden', 'image', 'scores']);
    const feed = toTensor([1, 3, 64, 64], noise);
    const before = await run(bytes, feed);
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
    ]) {
      const none = order.reduce((model, at) => remove(model, marks[at]), all);
      expect(await run(none, feed)).toEqual(before);
      expect(validateGraph(open(none)).count).toBe(0);
    }
  });

  test('a mark file that was changed is refused', () => {
    const text = Buffer.from(formatOutputMark(toOutputMark(specs[1]))).toString('utf8');
    for (const bad of [
      '',
      '{}',
      text.replace('"cell":2', '"cell":3'),
      text.replace('"cell":2', '"cell":0'),
      `${text}x`,
    ]) {
      expect(codeOf(() => parseOutputMark(Buffer.from(bad)))).toBe('WATERMARK_MARK_FILE_MALFORMED');
    }
  });

  test('outputs of another kind are refused', () => {
    const unfit: readonly OutputMarkSpec[] = [
      { kind: 'scores', params: { output: 'none', step: 1e-3 }, payload, key },
      { kind: 'checksum', params: { output: 'image', into: null, step: 1e-3 } },
    ];
    for (const spec of unfit) expect(codeOf(() => add(bytes, toOutputMark(spec)))).toBe('WATERMARK_OUTPUT_UNFIT');
    const signature = toOutputMark({ kind: 'signature', params: { output: 'image' }, payload });
    expect(codeOf(() => add(bytes, signature))).toBe('SURGERY_NAME_TAKEN');
  });
});

describe('engines and old operator sets', () => {
  const specs: readonly OutputMarkSpec[] = [
    { kind: 'scores', params: { output: 'logits', step: 1e-3 }, payload, key },
    { kind: 'signature', params: { output: 'signature' }, payload },
    { kind: 'checksum', params: { output: 'logits', into: 'sum', step: 1e-3 } },
    { kind: 'checksum', params: { output: 'logits', into: null, step: 1e-3 } },
  ];
  const isRead = (recording: Answers, mark: OutputMark): boolean => {
    const read = readOutputMark(recording, mark, 1);
    if (read.kind === 'scores') return read.evidenceBits > 64;
    return read.kind === 'checksum' ? read.wrong.length === 0 : 'isFound' in read && read.isFound;
  };

  test('the WebAssembly engine computes them as the native one does', async () => {
    const runtime = await openWebRuntime();
    for (const mark of specs.map(toOutputMark)) {
      const session = await runtime.load({ main: add(mlp, mark), external: [] });
      expect([mark.kind, isRead(await session.run(new Map([['input', digits]])), mark)]).toEqual([mark.kind, true]);
      await session.release();
    }
  });

  test.each(['basic', 'extended', 'all'] as const)('they are still read after %s optimisation', async (level) => {
    for (const mark of specs.map(toOutputMark)) {
      const optimised = await optimise(add(mlp, mark), level);
      expect([mark.kind, isRead(await run(optimised, digits), mark)]).toEqual([mark.kind, true]);
    }
  });

  describeWithShared('a model of operator set 8 and IR 3', () => {
    const mnist = readFileSync(sharedData('models/mnist.onnx'));

    test('gets every mark of its scores, and loses it again', async () => {
      const feed = toTensor([1, 1, 28, 28], (i) => 255 * noise(i));
      for (const spec of specs) {
        const params = { ...spec.params, ...(spec.kind !== 'signature' && { output: 'Plus214_Output_0' }) };
        const mark = toOutputMark({ ...spec, params } as OutputMarkSpec);
        const marked = add(mnist, mark);
        const recording = await run(marked, feed);
        const read = readOutputMark(recording, mark, 1);
        // Ten scores of one picture are too few for much evidence, but all signs agree.
        if (read.kind === 'scores') expect(read.agreeing).toBe(read.cells);
        else expect(isRead(recording, mark)).toBe(true);
        expect(Buffer.compare(remove(marked, mark), mnist)).toBe(0);
      }
    });
  });
});
