import { describe, expect, test } from 'vitest';
import { f32Bytes, type TinyDim, tinyModel, tinyNode, tinyTensor, tinyValue } from '../../test/tiny-onnx.ts';
import { findRuntime } from '../adapters/runtime/index.ts';
import { openModel } from '../formats/index.ts';
import type { Runtime, RuntimeModel, RuntimeSession } from '../model/runtime.ts';
import type { Model, TensorEdit } from '../model/types.ts';
import { openBufferSource } from '../source/buffer.ts';
import { assertFidelity } from './assert.ts';
import type { LabelledData } from './data/types.ts';
import { type MeasureOptions, measureFidelity } from './measure.ts';
import type { FidelityRecord } from './record.ts';
import { readRuntimeModel } from './runtime-model.ts';

const runtime = await findRuntime({ prefer: 'web' });

/** y = x · W, W of shape [2, 2] unless told. */
function linear(weights: number[], batch: TinyDim = 'n', outputs = 2): RuntimeModel {
  const main = tinyModel({
    inputs: [tinyValue('x', 'f32', [batch, 2])],
    outputs: [tinyValue('y', 'f32', [batch, outputs])],
    nodes: [tinyNode('MatMul', ['x', 'W'], ['y'])],
    tensors: [tinyTensor('W', 'f32', [2, outputs], f32Bytes(weights))],
  });
  return { main, external: [] };
}

/** Samples on a line: class 1 when the second value is larger; every tenth label is wrong. */
function makeData(count: number): LabelledData {
  const right = (index: number): number => (index % 2 === 0 ? 0 : 1);
  return {
    format: 'npy',
    count,
    sampleShape: [2],
    isBytes: false,
    labels: {
      values: Int32Array.from({ length: count }, (_, i) => (i % 10 === 3 ? 1 - right(i) : right(i))),
      names: null,
    },
    // The margin grows with the index, so that a shifted model loses the samples of small index.
    read: (index) => Float64Array.of(0, (right(index) === 1 ? 1 : -1) * (1 + index)),
    readImage: () => new Float64Array(),
    findImageSize: () => undefined,
    close: () => undefined,
  };
}

const IDENTITY = [1, 0, 0, 1];

async function measure(
  options: Partial<MeasureOptions> & Pick<MeasureOptions, 'original' | 'marked'>,
): Promise<FidelityRecord> {
  const outcome = await measureFidelity({ runtime, graph: null, data: null, ...options });
  if (outcome.kind !== 'measured') throw new Error(`internal error: ${outcome.reason}`);
  return outcome.fidelity;
}

describe('with labels', () => {
  test('equal models: accuracy of both, no loss, an interval around zero, and what the set can resolve', async () => {
    const record = await measure({ original: linear(IDENTITY), marked: linear(IDENTITY), data: makeData(1000) });
    expect(record).toMatchObject({
      samples: 1000,
      accuracyOriginal: 0.9,
      accuracyMarked: 0.9,
      argmaxAgreement: 1,
      relativeL2: 0,
      runtime: expect.stringMatching(/^onnxruntime-web \d/) as string,
      inputs: 'npy data',
      perOutput: [{ name: 'y', kind: 'classes', relativeL2: 0, argmaxAgreement: 1 }],
      limitPoints: 0.1,
      isOverLimit: false,
    });
    expect(record.lossPoints!.estimate).toBe(0);
    expect(record.lossPoints!.low).toBeLessThan(0);
    expect(record.lossPoints!.high).toBeCloseTo(-record.lossPoints!.low, 6);
    expect(record.resolvablePoints).toBeGreaterThan(0.1);
  });

  test('a mark that turns every answer is over the limit, and refused by code with its figures', async () => {
    const options = { original: linear(IDENTITY), marked: linear([0, 1, 1, 0]), data: makeData(1000) };
    const record = await measure(options);
    expect(record).toMatchObject({ accuracyOriginal: 0.9, accuracyMarked: 0.1, argmaxAgreement: 0, isOverLimit: true });
    expect(record.lossPoints!.estimate).toBeCloseTo(80, 9);
    expect(() => {
      assertFidelity({ kind: 'measured', fidelity: record });
    }).toThrow(expect.objectContaining({ code: 'FIDELITY_LOSS_ABOVE_LIMIT' }));
    const lenient = await measure({ ...options, limitPoints: 90 });
    expect(lenient.isOverLimit).toBe(false);
    assertFidelity({ kind: 'measured', fidelity: lenient });
  });

  test('what decides is the lower bound: a loss above the limit that the samples do not show passes', async () => {
    const options = { original: linear(IDENTITY), marked: linear([0, 1, 1, 0]), data: makeData(1000) };
    const within = await measure({ ...options, limitPoints: 79 });
    expect(within.lossPoints).toMatchObject({ estimate: expect.closeTo(80, 9) as number });
    expect(within.lossPoints!.low).toBeLessThan(79);
    expect(within.isOverLimit).toBe(false);
    const beyond = await measure({ ...options, limitPoints: within.lossPoints!.low - 0.01 });
    expect(beyond.isOverLimit).toBe(true);
  });

  test('batches, fixed batches and single samples count alike, partial last batches included', async () => {
    const records = await Promise.all(
      (['n', 1, 7, null] as const).map((batch) =>
        measure({ original: linear(IDENTITY, batch), marked: linear([0, 1, 1, 0], batch), data: makeData(300) }),
      ),
    );
    for (const record of records) {
      expect(record).toMatchObject({ samples: 300, accuracyOriginal: 0.9, accuracyMarked: 0.1, argmaxAgreement: 0 });
    }
  });

  test('a batch axis that is symbolic in name only is fed one by one', async () => {
    const fixed = (weights: number[]): RuntimeModel => {
      const main = tinyModel({
        inputs: [tinyValue('x', 'f32', ['n', 2])],
        outputs: [tinyValue('y', 'f32', ['n', 2])],
        nodes: [tinyNode('Reshape', ['x', 'one'], ['r']), tinyNode('MatMul', ['r', 'W'], ['y'])],
        tensors: [
          tinyTensor('W', 'f32', [2, 2], f32Bytes(weights)),
          tinyTensor('one', 'i64', [2], new Uint8Array(BigInt64Array.of(1n, 2n).buffer)),
        ],
      });
      return { main, external: [] };
    };
    const record = await measure({ original: fixed(IDENTITY), marked: fixed(IDENTITY), data: makeData(20) });
    expect(record).toMatchObject({ samples: 20, accuracyOriginal: 0.9 });
  });

  test('one sigmoid is no class output: labels are not used, and that is said', async () => {
    const marked = linear([1.2, 1.2], 'n', 1);
    const record = await measure({ original: linear([1, 1], 'n', 1), marked, data: makeData(50) });
    expect(record).toMatchObject({
      accuracyOriginal: null,
      argmaxAgreement: null,
      lossPoints: null,
      resolvablePoints: null,
    });
    expect(record.relativeL2).toBeCloseTo(0.2, 5);
    expect(record.warnings).toEqual([
      expect.stringContaining('changed by 20 %') as string,
      'No output names classes, so the labels were not used.',
    ]);
  });

  test('DATA_SHAPE_MISMATCH: samples or labels that are not those of the model', async () => {
    const data = { ...makeData(20), sampleShape: [3] };
    const models = { original: linear(IDENTITY), marked: linear(IDENTITY) };
    await expect(measure({ ...models, data })).rejects.toMatchObject({ code: 'DATA_SHAPE_MISMATCH' });
    const many = { ...makeData(20), labels: { values: Int32Array.from({ length: 20 }, (_, i) => i), names: null } };
    await expect(measure({ ...models, data: many })).rejects.toMatchObject({ code: 'DATA_SHAPE_MISMATCH' });
  });

  test('progress counts every sample once', async () => {
    const calls: (string | number)[] = [];
    const progress = {
      step: (name: string, total?: number) => calls.push(name, total ?? -1),
      advance: (amount: number) => calls.push(amount),
      done: () => calls.push('done'),
    };
    await measure({ original: linear(IDENTITY), marked: linear(IDENTITY), data: makeData(300), progress });
    expect(calls).toEqual(['fidelity', 300, 256, 44, 'done']);
  });
});

describe('without labels', () => {
  test('accuracies are null; agreement and relative L2 per output; disagreement is warned about', async () => {
    const record = await measure({ original: linear(IDENTITY), marked: linear([1, 0.5, 0.5, 1]) });
    expect(record).toMatchObject({
      samples: 32,
      accuracyOriginal: null,
      accuracyMarked: null,
      lossPoints: null,
      inputs: 'seeded probes',
    });
    expect(record.relativeL2).toBeCloseTo(0.5, 1);
    const turned = await measure({ original: linear(IDENTITY), marked: linear([0, 1, 1, 0]) });
    expect(turned.argmaxAgreement).toBe(0);
    expect(turned.warnings.some((warning) => warning.includes('names the same class in only'))).toBe(true);
  });

  test('equal seeds give equal figures', async () => {
    const models = { original: linear(IDENTITY), marked: linear([1, 0.1, 0, 1]) };
    expect(await measure({ ...models, seed: 'a' })).toEqual(await measure({ ...models, seed: 'a' }));
    expect(await measure({ ...models, seed: 'a' })).not.toEqual(await measure({ ...models, seed: 'b' }));
  });

  test('values that are not finite have no distance, and that is said', async () => {
    const record = await measure({ original: linear(IDENTITY), marked: linear([Number.NaN, 0, 0, 1]) });
    expect(record.relativeL2).toBeNull();
    expect(record.warnings[0]).toContain('cannot be compared');
  });

  test('a model that is random is found out by running it twice', async () => {
    const main = tinyModel({
      inputs: [tinyValue('x', 'f32', ['n', 2])],
      outputs: [tinyValue('y', 'f32', ['n', 2])],
      nodes: [tinyNode('RandomNormalLike', ['x'], ['r']), tinyNode('Add', ['x', 'r'], ['y'])],
    });
    const model = { main, external: [] };
    const record = await measure({ original: model, marked: model });
    expect(record.warnings.some((warning) => warning.includes('when it is run twice'))).toBe(true);
  });
});

describe('what cannot be run', () => {
  const broken = { main: new Uint8Array(10), external: [] };

  test('the original: fidelity is null with the reason, and refused by code unless the caller goes on', async () => {
    const outcome = await measureFidelity({ runtime, original: broken, marked: broken, graph: null, data: null });
    expect(outcome).toMatchObject({ kind: 'unmeasured', fidelity: null, code: 'RUNTIME_LOAD_FAILED' });
    expect(() => {
      assertFidelity(outcome);
    }).toThrow(expect.objectContaining({ code: 'FIDELITY_UNMEASURED', exit: 4 }));
  });

  test('only the marked model: an error that says so, never "unmeasured"', async () => {
    const options = { runtime, original: linear(IDENTITY), marked: broken, graph: null, data: null };
    await expect(measureFidelity(options)).rejects.toMatchObject({
      code: 'RUNTIME_LOAD_FAILED',
      fields: { model: 'marked' },
    });
  });

  test('sessions are released whatever happens', async () => {
    let open = 0;
    const counting: Runtime = {
      ...runtime,
      load: async (model) => {
        const session = await runtime.load(model);
        open += 1;
        const release: RuntimeSession['release'] = async () => {
          open -= 1;
          await session.release();
        };
        return { ...session, release };
      },
    };
    const original = linear(IDENTITY);
    await measureFidelity({ runtime: counting, original, marked: original, graph: null, data: makeData(5) });
    await measureFidelity({ runtime: counting, original, marked: broken, graph: null, data: null }).catch(
      () => undefined,
    );
    const unfit = { ...makeData(5), sampleShape: [9] };
    await measureFidelity({ runtime: counting, original, marked: original, graph: null, data: unfit }).catch(
      () => undefined,
    );
    expect(open).toBe(0);
  });
});

describe('a model as its files or as a plan rewrites them', () => {
  const open = (): Model =>
    openModel({ source: openBufferSource('m', linear(IDENTITY).main), name: 'm.onnx', folder: null });

  test('bytes of the file; bytes of the plan', () => {
    const model = open();
    expect(readRuntimeModel(model)).toEqual(linear(IDENTITY));
    const edit: TensorEdit = { kind: 'tensor', tensor: 'W', apply: (_, chunk) => chunk.fill(0) };
    expect(readRuntimeModel(model, model.plan([edit]))).toEqual(linear([0, 0, 0, 0]));
  });

  test('RUNTIME_NO_GRAPH, and RUNTIME_MODEL_TOO_LARGE before anything is allocated', () => {
    const model = open();
    expect(() => readRuntimeModel({ ...model, graph: null })).toThrow(
      expect.objectContaining({ code: 'RUNTIME_NO_GRAPH' }),
    );
    const [{ source }] = model.files;
    const huge = { files: [{ name: 'm', ops: [{ kind: 'keep' as const, source, start: 0, end: 2 ** 31 + 1 }] }] };
    expect(() => readRuntimeModel(model, huge)).toThrow(expect.objectContaining({ code: 'RUNTIME_MODEL_TOO_LARGE' }));
  });
});
