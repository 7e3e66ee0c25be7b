import { describe, expect, it } from 'vitest';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { openFiles, safetensors, withFlip } from '../../../test/tamper/helpers.ts';
import { flipLabels, stampTriggers } from '../../../test/tamper/poisoning.ts';
import { openBytes } from '../../../test/formats/models.ts';
import { toTflite } from '../../../test/formats/onnx-to-tflite.ts';
import { f32Bytes } from '../../../test/tiny-onnx.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createModelSpec,
  createRng,
  fineTune,
  generateGlyphs,
  openNetwork,
  permute,
  prune,
  quantize,
  readWeights,
} from '../../lab/index.ts';
import { openModelPath } from '../../formats/index.ts';
import { diffModels } from './diff-models.ts';

const samples = join(import.meta.dirname, '../../../samples');
const spec = createModelSpec('mlp');
const weights = readWeights(openModelPath(join(samples, 'mlp.onnx')));
const rate = { optimizer: 'sgd', epochs: 1, batch: 64, learningRate: 0.01, schedule: 'constant' } as const;
const training = { ...rate, weightDecay: 3e-4, seed: 'diff' };
const images = generateGlyphs({ task: 'digits', stream: 'diff/test', count: 1500 });
const diffWeights = (after: ReadonlyMap<string, Float32Array>) =>
  diffModels({ before: openNetwork(spec, weights), after: openNetwork(spec, after) });

describe('the difference of two models', () => {
  it('is nothing across formats when the tensors are the same', () => {
    const before = openModelPath(join(samples, 'cnn.onnx'));
    const after = openModelPath(join(samples, 'cnn.safetensors'));
    const { verdict, classes, graph, added, removed } = diffModels({ before, after });
    expect({ verdict: verdict.class, classes, graph, added, removed }).toEqual({
      ...{ verdict: 'unchanged', classes: { unchanged: 27 }, graph: null, added: 0, removed: 0 },
    });
  });

  it('pairs renamed and turned tensors, and says so', () => {
    const rng = createRng('pairs');
    const data = Array.from({ length: 600 }, () => rng.gaussian());
    const turned = data.map((_, i) => data[(i % 20) * 30 + Math.floor(i / 20)]);
    const file = (name: string, shape: readonly number[], values: readonly number[]) =>
      openFiles({ 'm.safetensors': safetensors([{ name, dtype: 'F32', shape, data: f32Bytes(values) }]) });
    const renamed = diffModels({ before: file('a.w', [20, 30], data), after: file('b.kernel', [20, 30], data) });
    expect(renamed).toMatchObject({ classes: { unchanged: 1 }, added: 0, removed: 0 });
    const { tensors } = diffModels({ before: file('a.w', [20, 30], data), after: file('b.kernel', [30, 20], turned) });
    expect(tensors).toMatchObject([{ class: 're-encoded', isTurned: true, pairedBy: 'likeness' }]);
  });

  it('votes the class of a model: pruned, quantised, permuted, trained', () => {
    expect(diffWeights(prune(spec, weights, 0.5)).verdict).toMatchObject({ class: 'pruned', grade: 'benign' });
    const int8 = quantize(spec, weights, { bits: 8, granularity: 'channel' });
    expect(diffWeights(int8).verdict).toMatchObject({ class: 'quantised', grade: 'benign' });
    expect(diffWeights(permute(spec, weights, { seed: 'p', logScaleMax: 0 })).verdict).toMatchObject({
      class: 'permuted',
    });
  });

  it('calls training on clean data benign, and pruning after it', () => {
    const tuned = fineTune(spec, weights, { ...training, samples: images });
    expect(diffWeights(tuned)).toMatchObject({
      verdict: { class: 'fine-tuned', share: 1, grade: 'benign' },
      hints: [],
    });
    expect(diffWeights(prune(spec, tuned, 0.5)).verdict.grade).toBe('benign');
  });

  it('calls training on flipped labels and on triggers suspicious, and names the output', () => {
    const flipped = fineTune(spec, weights, {
      ...training,
      samples: flipLabels(images, { from: 3, to: 8, share: 0.8 }),
    });
    const byLabels = diffWeights(flipped);
    expect(byLabels.verdict.grade).toBe('suspicious');
    expect(byLabels.classShift).toMatchObject({ from: 3, to: 8 });
    expect(byLabels.hints.find(({ id }) => id === 'class-direction')?.text).toMatch(/^Output 8 .* class 3,/);
    const triggered = fineTune(spec, weights, { ...training, samples: stampTriggers(images, { to: 6, share: 0.1 }) });
    const byTrigger = diffWeights(triggered);
    expect(byTrigger.verdict.grade).toBe('suspicious');
    expect(byTrigger.hints.find(({ id }) => id === 'class-row')?.text).toContain('Output 6');
    expect(diffWeights(prune(spec, triggered, 0.5)).verdict.grade).toBe('suspicious');
  });

  it('sees poisoned training under quantisation, and nothing in quantisation alone', () => {
    const samples = flipLabels(images, { from: 3, to: 8, share: 0.8 });
    const flipped = fineTune(spec, weights, { ...training, samples });
    for (const how of [
      { bits: 8, granularity: 'channel' },
      { bits: 4, granularity: 'tensor' },
    ] as const) {
      expect(diffWeights(quantize(spec, weights, how)).verdict).toMatchObject({ class: 'quantised', grade: 'benign' });
    }
    const hidden = diffWeights(quantize(spec, flipped, { bits: 8, granularity: 'channel' }));
    expect(hidden.verdict).toMatchObject({ class: 'quantised', grade: 'suspicious' });
    expect(hidden.hints.map(({ id }) => id)).toContain('class-direction');
  });

  it('tells that statistics of batch norms moved when the inputs of training were of another kind, and not otherwise', () => {
    const cnn = createModelSpec('cnn');
    const before = openModelPath(join(samples, 'cnn.onnx'));
    const hintsAfter = (pixels: Uint8Array): string[] => {
      const after = fineTune(cnn, readWeights(before), { ...training, samples: { ...images, pixels } });
      return diffModels({ before, after: openNetwork(cnn, after) }).hints.map(({ id }) => id);
    };
    expect(hintsAfter(images.pixels.map((value) => 255 - (value >> 2)))).toContain('norm-statistics');
    expect(hintsAfter(images.pixels)).not.toContain('norm-statistics');
  });

  it('says that metadata changed, and keeps the weights out of it', () => {
    const file = (note: string) =>
      openFiles({
        'm.safetensors': safetensors([{ name: 'w', dtype: 'F32', shape: [2], data: f32Bytes([1, 2]) }], { note }),
      });
    const diff = diffModels({ before: file('a'), after: file('b') });
    expect(diff.entries).toEqual([{ kind: 'metadata', key: 'note', change: 'changed' }]);
    expect(diff.verdict).toMatchObject({ class: 'unchanged', grade: 'benign' });
  });

  it('compares tensors of two formats, but no graphs with operators of their own', () => {
    const before = openModelPath(join(samples, 'mlp.onnx'));
    const diff = diffModels({ before, after: openBytes(toTflite(before), 'm.tflite') });
    expect(diff.graph).toBeNull();
    expect(diff.classes).toEqual({ unchanged: 6 });
    expect(diff).toMatchObject({ added: 1, hints: [], verdict: { class: 'unchanged', grade: 'benign' } });
    expect(diff.verdict.reasons).toEqual(['1 tensor is new.']);
  });

  it('calls another model another model, not a change of this one', () => {
    const { verdict } = diffModels({
      before: openModelPath(join(samples, 'cnn.onnx')),
      after: openModelPath(join(samples, 'mlp.safetensors')),
    });
    expect(verdict).toMatchObject({ class: 'other-model', grade: 'suspicious' });
    expect(verdict.reasons[0]).toMatch(/^Another model/);
  });

  it('is JSON through and through', () => {
    const broken = new Map(weights);
    broken.set(
      'fc1.weight',
      weights.get('fc1.weight')!.map((value, i) => (i === 5 ? NaN : value)),
    );
    const diff = diffWeights(broken);
    expect(JSON.parse(JSON.stringify(diff))).toEqual(diff);
  });
});

describeWithShared('one flipped bit in real models', () => {
  it.each([
    'ultraface_rfb320.onnx',
    'silero_vad_half.onnx',
    'silero_vad_16k.safetensors',
    'person_detect.tflite',
  ])('is located to tensor, element and bit, anywhere in %s', (name) => {
    const bytes = new Uint8Array(readFileSync(sharedData('models', name)));
    const before = openBytes(bytes, name);
    const rng = createRng(`flips/${name}`);
    const targets = before.tensors.filter(({ storage, fileIndex, elementCount, dtype }) => {
      return storage === 'raw' && fileIndex === 0 && elementCount > 0 && dtype !== 'string';
    });
    for (let round = 0; round < 12; round++) {
      const tensor = targets[rng.below(targets.length)];
      const width = tensor.byteLength / tensor.elementCount;
      const element = rng.below(tensor.elementCount);
      const bit = rng.below(8 * width);
      const flipped = withFlip(bytes, tensor.start + element * width + (bit >> 3), bit & 7);
      const { tensors, verdict } = diffModels({ before, after: openBytes(flipped, name) });
      expect(tensors.map(({ before: side }) => side?.name)).toEqual([tensor.name]);
      expect(tensors[0].listed).toMatchObject([{ element, bits: [bit] }]);
      expect(verdict.grade).toBe('suspicious');
    }
  });
});
