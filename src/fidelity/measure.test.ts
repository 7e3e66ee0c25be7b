import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { importable } from '../../test/importable.ts';
import { memoryFolder } from '../../test/memory-folder.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { f32Bytes, type TinyDim, tinyModel, tinyNode, tinyTensor, tinyValue } from '../../test/tiny-onnx.ts';
import { findRuntime } from '../adapters/runtime/index.ts';
import { openModel, openModelPath } from '../formats/index.ts';
import type { Runtime, RuntimeModel, RuntimeSession } from '../model/runtime.ts';
import type { Model, TensorEdit } from '../model/types.ts';
import { openBufferSource } from '../source/buffer.ts';
import { openFolder } from '../source/folder.ts';
import { decodeFloats, encodeFloats } from '../model/floats.ts';
import { assertFidelity } from './assert.ts';
import { openData } from './data/load.ts';
import type { LabelledData } from './data/types.ts';
import { type FidelityOutcome, type MeasureOptions, measureFidelity } from './measure.ts';
import type { FidelityRecord } from './record.ts';
import { readRuntimeModel } from './runtime-model.ts';

const runtimes: Runtime[] = [await findRuntime({ prefer: 'web' })];
if (await importable('onnxruntime-node')) runtimes.push(await findRuntime({ prefer: 'node' }));
else test.skip('onnxruntime-node [needs onnxruntime-node]');

const [runtime] = runtimes;

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

/** Multiplies every larger float tensor by 1 ± `amount`, in turn. */
function disturb(model: Model, amount: number): TensorEdit[] {
  return model.tensors
    .filter((tensor) => tensor.dtype === 'f32' && tensor.elementCount > 500)
    .map((tensor) => ({
      kind: 'tensor',
      tensor: tensor.name,
      apply: (byteOffset, chunk) => {
        const values = new Float64Array(chunk.length / 4);
        decodeFloats('f32', chunk, values);
        encodeFloats(
          'f32',
          values.map((value, i) => value * (1 + amount * ((byteOffset / 4 + i) % 2 === 0 ? 1 : -1))),
          chunk,
        );
      },
    }));
}

describe('the bundled models', () => {
  const samples = join(import.meta.dirname, '../../samples');
  const folder = openFolder(samples);
  const names = readdirSync(samples);
  /** Accuracies of samples/README.md, written by the trainer's own arithmetic. */
  const accuracies = new Map(
    [...readFileSync(join(samples, 'README.md'), 'utf8').matchAll(/^\| ([a-z-]+) \|.*\| ([\d.]+) % \|$/gm)].map(
      ([, name, percent]) => [name, Number(percent) / 100],
    ),
  );
  const run = async (name: string, data: LabelledData, on: Runtime): Promise<FidelityRecord> => {
    const model = openModelPath(join(samples, `${name}.onnx`));
    const original = readRuntimeModel(model);
    return measure({ runtime: on, original, marked: original, graph: model.graph, data });
  };

  const pairs = runtimes.flatMap((on) => [...accuracies.keys()].map((name) => [name, on.id, on] as const));
  // Convolutions take seconds in WebAssembly.
  const isQuick = ([name, id]: (typeof pairs)[number]): boolean => id === 'onnxruntime-node' || !name.startsWith('cnn');

  test.each(pairs.filter(isQuick))('%s is as accurate in %s as its trainer says', async (name, _id, on) => {
    const record = await run(name, openData({ folder, names, file: 'eval.npz' }), on);
    expect(record).toMatchObject({ samples: 4000, argmaxAgreement: 1, relativeL2: 0, inputs: 'npz data' });
    expect(record.accuracyOriginal).toBeCloseTo(accuracies.get(name)!, 4);
  });

  test('bytes are divided by 255, because the original is most accurate so', async () => {
    const record = await run('mlp', openData({ folder, names, file: 'eval-images.npy' }), runtime);
    expect(record.inputs).toBe('npy data, values / 255');
    expect(record.accuracyOriginal).toBeCloseTo(accuracies.get('mlp')!, 2);
  });

  test('a folder of PNG files gives the answers of the array that it was made from', async () => {
    const array = openData({ folder, names, file: 'eval-images.npy' });
    const files: Record<string, Uint8Array> = {};
    const count = 200;
    for (let index = 0; index < count; index++) {
      const png = new PNG({ width: 12, height: 12 });
      array
        .read(index)
        .forEach((value, at) => png.data.fill(value, 4 * at, 4 * at + 3).fill(255, 4 * at + 3, 4 * at + 4));
      files[`digits/${array.labels.values[index]}/${index}.png`] = PNG.sync.write(png);
    }
    const images = memoryFolder(files);
    const fromImages = await run('mlp', openData({ folder: images, names: images.names, file: null }), runtime);
    const fromArray = await run('mlp', { ...array, count }, runtime);
    expect(fromImages).toMatchObject({ samples: count, inputs: 'images data, values / 255' });
    expect(fromImages.accuracyOriginal).toBe(fromArray.accuracyOriginal);
    expect(fromImages.accuracyOriginal).toBeGreaterThan(0.85);
  });
});

describeWithShared('real models', () => {
  const run = async (
    name: string,
    options: { amount: number; on?: Runtime; data?: LabelledData | null; probes?: number },
  ): Promise<FidelityOutcome> => {
    const model = openModelPath(sharedData('models', name));
    const marked = readRuntimeModel(model, model.plan(disturb(model, options.amount)));
    const { on = runtime, data = null, probes = 4 } = options;
    return measureFidelity({
      runtime: on,
      original: readRuntimeModel(model),
      marked,
      graph: model.graph,
      data,
      probes,
    });
  };
  let mnist: LabelledData;

  beforeAll(() => {
    const names = ['mnist-t10k-images-idx3-ubyte.gz', 'mnist-t10k-labels-idx1-ubyte.gz'];
    const folder = memoryFolder(
      Object.fromEntries(names.map((name) => [name, readFileSync(sharedData('datasets', name))])),
    );
    mnist = openData({ folder, names, file: names[0] });
  });

  test.each(runtimes)(
    'mnist.onnx on the MNIST test set: accurate, and a small change within the limit ($id)',
    async (on) => {
      const isNative = on.id === 'onnxruntime-node';
      const count = isNative ? 10_000 : 1500;
      const outcome = await run('mnist.onnx', { amount: 0.001, on, data: { ...mnist, count } });
      const { fidelity } = outcome as { fidelity: FidelityRecord };
      expect(fidelity).toMatchObject({ samples: count, isOverLimit: false });
      if (isNative) expect(fidelity.accuracyOriginal).toBe(0.9891);
      else expect(fidelity.accuracyOriginal).toBeGreaterThan(0.97);
      expect(fidelity.argmaxAgreement).toBeGreaterThan(0.998);
      assertFidelity(outcome);
    },
  );

  test('mnist.onnx ruined: refused', async () => {
    const outcome = await run('mnist.onnx', { amount: 3, data: { ...mnist, count: 1000 } });
    expect(() => {
      assertFidelity(outcome);
    }).toThrow(expect.objectContaining({ code: 'FIDELITY_LOSS_ABOVE_LIMIT' }));
  });

  test('ultraface: boxes are compared by relative L2', async () => {
    const outcome = await run('ultraface_rfb320.onnx', { amount: 0.2 });
    const { fidelity } = outcome as { fidelity: FidelityRecord };
    expect(fidelity.perOutput.map(({ name, kind }) => [name, kind])).toEqual([
      ['scores', 'values'],
      ['boxes', 'values'],
    ]);
    expect(fidelity.relativeL2).toBeGreaterThan(0.05);
    expect(fidelity.warnings.some((warning) => warning.includes('"boxes" changed by'))).toBe(true);
  });

  test.each(['silero_vad_op18_ifless.onnx', 'silero_vad_half.onnx'])(
    '%s: state, sample rate and length are found',
    async (name) => {
      const outcome = await run(name, { amount: 0.001 });
      expect(outcome).toMatchObject({ kind: 'measured', fidelity: { argmaxAgreement: null } });
      const { fidelity } = outcome as { fidelity: FidelityRecord };
      expect(fidelity.perOutput.map((output) => output.name)).toEqual(['output', 'stateN']);
      expect(fidelity.relativeL2).toBeLessThan(0.05);
    },
  );

  test.each(runtimes)('a custom operator cannot be run: unmeasured, with its name ($id)', async (on) => {
    const outcome = await run('superres_prepost_op18.onnx', { amount: 0, on });
    expect(outcome).toMatchObject({ kind: 'unmeasured', fidelity: null, code: 'RUNTIME_LOAD_FAILED' });
    expect((outcome as { reason: string }).reason).toContain('com.microsoft.extensions:DecodeImage');
  });
});
