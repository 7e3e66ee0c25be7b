import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { beforeAll, describe, expect, test } from 'vitest';
import { openModelPath } from '../../formats/index.ts';
import type { Samples } from '../data.ts';
import { openNetwork, readWeights } from '../model.ts';
import { createModelSpec, MODEL_NAMES } from '../models.ts';
import { buildNetwork, exportWeights, restoreNetwork } from '../network.ts';
import { generateGlyphs } from '../tasks/glyphs.ts';
import { inferLogits, measureAccuracy, train } from '../train.ts';
import { toOnnx } from './onnx.ts';

const samplesFolder = join(import.meta.dirname, '../../../samples');
const samples = generateGlyphs({ task: 'digits', stream: 'export test', count: 256 });

async function runOnnx(bytes: Uint8Array, { pixels, count, side }: Samples): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(bytes);
  const input = Float32Array.from(pixels.subarray(0, count * side * side), (level) => level / 255);
  const outputs = await session.run({ input: new ort.Tensor('float32', input, [count, 1, side, side]) });
  return outputs.logits.data as Float32Array;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, at) => Math.max(largest, Math.abs(value - b[at])), 0);
}

beforeAll(() => {
  ort.env.wasm.numThreads = 1;
});

/** Trained weights: fewest and most. */
const SIZES = {
  mlp: [40_000, 100_000],
  cnn: [40_000, 50_000],
  'cnn-large': [200_000, 300_000],
  transformer: [40_000, 100_000],
} as const;

describe('export', () => {
  test.each(MODEL_NAMES)('%s: onnxruntime gives our logits within 1e-4, trained statistics included', async (name) => {
    const network = buildNetwork(createModelSpec(name), name);
    train(network, samples, {
      ...{
        optimizer: 'sgd',
        epochs: 2,
        batch: 64,
        learningRate: 0.02,
        schedule: 'constant',
        weightDecay: 0,
        seed: name,
      },
    });
    const logits = inferLogits(network, samples);
    expect(
      largestDifference(await runOnnx(toOnnx(network.spec, exportWeights(network)), samples), logits),
    ).toBeLessThan(1e-4);
    expect(Math.max(...logits)).toBeGreaterThan(0.1);
  });

  test.each(MODEL_NAMES)('%s: ONNX and safetensors hold the same tensors, which come back unchanged', (name) => {
    const spec = createModelSpec(name);
    const weights = exportWeights(buildNetwork(spec, name));
    const [onnx, safetensors] = (['onnx', 'safetensors'] as const).map((format) => openNetwork(spec, weights, format));
    const list = (model: typeof onnx) =>
      model.tensors.map(({ name: tensor, shape, dtype }) => `${tensor} ${dtype} ${shape.join('x')}`).sort();
    expect(list(onnx)).toEqual(list(safetensors));
    expect(onnx.graph?.inputs[0].shape).toEqual(['N', 1, 12, 12]);
    for (const model of [onnx, safetensors]) {
      const back = readWeights(model);
      for (const [tensor, values] of weights) expect(back.get(tensor)).toEqual(values);
    }
  });
});

describe('samples', () => {
  const evaluation = generateGlyphs({ task: 'digits', stream: 'evaluation', count: 4000 });

  test('the evaluation files hold the generated images and labels', () => {
    const images = readFileSync(join(samplesFolder, 'eval-images.npy'));
    expect(new Uint8Array(images.subarray(images.length - evaluation.pixels.length))).toEqual(evaluation.pixels);
    const labels = readFileSync(join(samplesFolder, 'eval-labels.npy'));
    const stored = labels.subarray(labels.length - 8 * evaluation.count);
    expect([...evaluation.labels].every((label, item) => Number(stored.readBigInt64LE(8 * item)) === label)).toBe(true);
  });

  test.each(MODEL_NAMES)('%s is neither saturated nor weak, and both its files agree', (name) => {
    const [onnx, safetensors] = ['onnx', 'safetensors'].map((format) =>
      openModelPath(join(samplesFolder, `${name}.${format}`)),
    );
    const spec = createModelSpec(name);
    const weights = readWeights(onnx);
    for (const [tensor, values] of readWeights(safetensors)) expect(weights.get(tensor)).toEqual(values);
    const network = restoreNetwork(spec, weights);
    const accuracy = measureAccuracy(network, evaluation);
    expect(accuracy).toBeGreaterThan(0.9);
    expect(accuracy).toBeLessThan(0.97);
    const count = network.parameters.reduce((sum, { values }) => sum + values.length, 0);
    const [least, most] = SIZES[name];
    expect(count).toBeGreaterThanOrEqual(least);
    expect(count).toBeLessThanOrEqual(most);
    onnx.close();
    safetensors.close();
  });
});
