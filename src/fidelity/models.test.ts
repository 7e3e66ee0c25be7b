import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { importable } from '../../test/importable.ts';
import { memoryFolder } from '../../test/memory-folder.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { findRuntime } from '../adapters/runtime/index.ts';
import { openModelPath } from '../formats/index.ts';
import { decodeFloats, encodeFloats } from '../model/floats.ts';
import type { Runtime } from '../model/runtime.ts';
import type { Model, TensorEdit } from '../model/types.ts';
import { openFolder } from '../source/folder.ts';
import { assertFidelity } from './assert.ts';
import { openData } from './data/load.ts';
import type { LabelledData } from './data/types.ts';
import { type FidelityOutcome, measureFidelity } from './measure.ts';
import type { FidelityRecord } from './record.ts';
import { readRuntimeModel } from './runtime-model.ts';

const runtimes: Runtime[] = [await findRuntime({ prefer: 'web' })];
if (await importable('onnxruntime-node')) runtimes.push(await findRuntime({ prefer: 'node' }));
else test.skip('onnxruntime-node [needs onnxruntime-node]');

const [runtime] = runtimes;

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
    const outcome = await measureFidelity({ runtime: on, original, marked: original, graph: model.graph, data });
    if (outcome.kind !== 'measured') throw new Error(`internal error: ${outcome.reason}`);
    return outcome.fidelity;
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

  test.each(
    runtimes,
  )('mnist.onnx on the MNIST test set: accurate, and a small change within the limit ($id)', async (on) => {
    const isNative = on.id === 'onnxruntime-node';
    const count = isNative ? 10_000 : 1500;
    const outcome = await run('mnist.onnx', { amount: 0.001, on, data: { ...mnist, count } });
    const { fidelity } = outcome as { fidelity: FidelityRecord };
    expect(fidelity).toMatchObject({ samples: count, isOverLimit: false });
    if (isNative) expect(fidelity.accuracyOriginal).toBe(0.9891);
    else expect(fidelity.accuracyOriginal).toBeGreaterThan(0.97);
    expect(fidelity.argmaxAgreement).toBeGreaterThan(0.998);
    assertFidelity(outcome);
  });

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

  test.each([
    'silero_vad_op18_ifless.onnx',
    'silero_vad_half.onnx',
  ])('%s: state, sample rate and length are found', async (name) => {
    const outcome = await run(name, { amount: 0.001 });
    expect(outcome).toMatchObject({ kind: 'measured', fidelity: { argmaxAgreement: null } });
    const { fidelity } = outcome as { fidelity: FidelityRecord };
    expect(fidelity.perOutput.map((output) => output.name)).toEqual(['output', 'stateN']);
    expect(fidelity.relativeL2).toBeLessThan(0.05);
  });

  test.each(runtimes)('a custom operator cannot be run: unmeasured, with its name ($id)', async (on) => {
    const outcome = await run('superres_prepost_op18.onnx', { amount: 0, on });
    expect(outcome).toMatchObject({ kind: 'unmeasured', fidelity: null, code: 'RUNTIME_LOAD_FAILED' });
    expect((outcome as { reason: string }).reason).toContain('com.microsoft.extensions:DecodeImage');
  });
});
