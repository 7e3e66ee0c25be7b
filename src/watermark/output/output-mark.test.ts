/** What holds for marks of all kinds: files, removal, engines, optimisation, old operator sets. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openWebRuntime } from '../../adapters/runtime/index.ts';
import { validateGraph } from '../../surgery/index.ts';
import { codeOf } from '../../../test/error-code.ts';
import { imageModel } from '../../../test/fakes/image-model.ts';
import { importable } from '../../../test/importable.ts';
import { optimise } from '../../../test/optimised.ts';
import {
  add,
  type Answers,
  digits,
  key,
  mlp,
  noise,
  open,
  payload,
  remove,
  run,
  toTensor,
} from '../../../test/output-marks.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { type Payload, toTextPayload } from '../payload.ts';
import {
  formatOutputMark,
  type ImageType,
  listOutputMarks,
  type OutputMark,
  type OutputMarkSpec,
  parseOutputMark,
  readOutputMark,
  toOutputMark,
} from './index.ts';

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

  test.each<[string, OutputMarkSpec]>([
    ['a precision above one', { kind: 'scores', params: { output: 'image', step: 2 }, payload, key }],
    ['a precision of nothing', { kind: 'checksum', params: { output: 'image', into: 'sum', step: 0 } }],
    [
      'an opacity above one',
      { kind: 'image', params: { ...image, position: 'center', opacity: 2, size: 1, range: 1 }, payload },
    ],
    ['a broken pixel', { kind: 'hidden', params: { ...image, amplitude: 0.01, cell: 1.5 }, payload, key }],
  ])('%s makes no mark: its file could not be read back', (_, spec) => {
    expect(codeOf(() => toOutputMark(spec))).toBe('WATERMARK_OUTPUT_UNFIT');
  });

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

  const digest = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
  const uuid = '123e4567-e89b-42d3-a456-426614174000';
  const logo = { kind: 'logo', bytes: new Uint8Array(300).map((_, i) => i) } as const;
  const carried: readonly Payload[] = [
    toTextPayload('text', 'Acme – ≤ 7'),
    toTextPayload('licence', '© 2026 Acme'),
    toTextPayload('uuid', uuid),
    toTextPayload('checksum', digest),
  ];

  test('text, licence, UUID and checksum are read from signatures and boxes as they were put in, a logo from signatures', async () => {
    const detector = imageModel({ output: 'out', dtype: 'f32', shape: [1, 50, 4] });
    const axes = { rowAxis: 1, valueAxis: 2 } as const;
    const params = { boxes: 'out', scores: null, format: 'xyxy', width: 1, height: 1, ...axes, score: 0.05 } as const;
    for (const one of [...carried, logo]) {
      const signature = toOutputMark({ kind: 'signature', params: { output: 'signature' }, payload: one });
      const said = await run(add(bytes, signature), toTensor([1, 3, 64, 64], noise));
      expect(readOutputMark(said, signature, 1)).toEqual({ kind: 'signature', isFound: true, payload: one });
      const boxes = toOutputMark({ kind: 'boxes', params, payload: one, key });
      if (one.kind === 'logo') {
        expect(codeOf(() => add(detector, boxes))).toBe('WATERMARK_OUTPUT_TOO_LONG');
        continue;
      }
      const answers = await run(add(detector, boxes), toTensor([1, 50, 4], noise));
      expect(readOutputMark(answers, boxes, 1)).toMatchObject({ isFound: true, payload: one });
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

const hasNode = await importable('onnxruntime-node');

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

  const levels = ['basic', 'extended', 'all'] as const;
  test.runIf(hasNode).each(levels)(
    'they are still read after %s optimisation [needs onnxruntime-node]',
    async (level) => {
      for (const mark of specs.map(toOutputMark)) {
        const optimised = await optimise(add(mlp, mark), level);
        expect([mark.kind, isRead(await run(optimised, digits), mark)]).toEqual([mark.kind, true]);
      }
    },
  );

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
