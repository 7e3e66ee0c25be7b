import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openModelPath } from '../../formats/index.ts';
import type { Model } from '../../model/types.ts';
import {
  type Claim,
  createClaim,
  deriveSeeds,
  detectMark,
  type DetectResult,
  embedMark,
  toOriginalDigest,
} from '../../watermark/index.ts';
import { applyTensorEdits, openNetwork, readWeights } from '../model.ts';
import { createModelSpec, MODEL_NAMES, type ModelName } from '../models.ts';
import { listTensorShapes, restoreNetwork } from '../network.ts';
import type { NetworkSpec, Weights } from '../spec.ts';
import { generateGlyphs } from '../tasks/glyphs.ts';
import { inferLogits, measureAccuracy } from '../train.ts';
import {
  addNoise,
  changeAttention,
  distill,
  extractLabels,
  fineTune,
  overwrite,
  permute,
  prune,
  quantize,
} from './index.ts';

const samples = join(import.meta.dirname, '../../../samples');
const few = generateGlyphs({ task: 'digits', stream: 'attack test', count: 400 });

function readSample(name: ModelName): Weights {
  const model = openModelPath(join(samples, `${name}.safetensors`));
  const stored = readWeights(model);
  model.close();
  return new Map([...listTensorShapes(createModelSpec(name)).keys()].map((tensor) => [tensor, stored.get(tensor)!]));
}

function toLargestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, at) => Math.max(largest, Math.abs(value - b[at])), 0);
}

const training = {
  optimizer: 'sgd',
  batch: 50,
  learningRate: 0.02,
  schedule: 'constant',
  weightDecay: 0,
  seed: 'x',
} as const;

describe('attacks', () => {
  test.each(MODEL_NAMES)('%s permuted and rescaled computes the same from different weights', (name) => {
    const spec = createModelSpec(name);
    const weights = readSample(name);
    const moved = permute(spec, weights, { seed: '1', logScaleMax: 1 });
    const [before, after] = [weights, moved].map((held) => inferLogits(restoreNetwork(spec, held), few));
    expect(toLargestDifference(before, after)).toBeLessThan(1e-4);
    expect(Math.max(...before)).toBeGreaterThan(3);
    for (const [tensor, shape] of listTensorShapes(spec)) {
      if (shape.length < 2) continue;
      const [old, now] = [weights.get(tensor)!, moved.get(tensor)!];
      const change = Math.hypot(...old.map((value, at) => value - now[at])) / Math.hypot(...old);
      expect(change, tensor).toBeGreaterThan(0.5);
    }
  });

  test('attention mixed inside its heads computes the same from different weights', () => {
    const spec = createModelSpec('transformer');
    const weights = readSample('transformer');
    const changed = changeAttention(spec, weights, '1');
    const [before, after] = [weights, changed].map((held) => inferLogits(restoreNetwork(spec, held), few));
    expect(toLargestDifference(before, after)).toBeLessThan(1e-4);
    for (const [name, values] of changed) {
      if (!/(query|key|value|out)\.weight/.test(name)) continue;
      const old = weights.get(name)!;
      expect(Math.hypot(...old.map((value, at) => value - values[at])) / Math.hypot(...old), name).toBeGreaterThan(0.5);
    }
  });

  test('pruning zeroes the smallest share of each matrix and no bias', () => {
    const spec = createModelSpec('mlp');
    const weights = readSample('mlp');
    const pruned = prune(spec, weights, 0.5).get('fc1.weight')!;
    const kept = pruned.filter((value) => value !== 0);
    expect(kept.length).toBe(pruned.length / 2);
    const dropped = weights.get('fc1.weight')!.filter((_, at) => pruned[at] === 0);
    expect(Math.max(...dropped.map(Math.abs))).toBeLessThanOrEqual(Math.min(...kept.map(Math.abs)));
    expect(prune(spec, weights, 0.5).get('fc1.bias')).toEqual(weights.get('fc1.bias'));
  });

  test.each([
    [8, 'tensor', 255],
    [4, 'tensor', 15],
    [4, 'channel', 15],
  ] as const)('int%d per %s leaves at most %d levels per scale', (bits, granularity, levels) => {
    const spec = createModelSpec('mlp');
    const coarse = quantize(spec, readSample('mlp'), { bits, granularity }).get('fc2.weight')!;
    const scope = granularity === 'tensor' ? coarse : coarse.subarray(0, 256);
    expect(new Set(scope).size).toBeLessThanOrEqual(levels);
    expect(new Set(scope).size).toBeGreaterThan(levels / 2);
    expect(new Set(coarse).size > levels).toBe(granularity === 'channel');
  });

  test('channels of [in, out] matrices are their columns', () => {
    const spec = createModelSpec('transformer');
    const coarse = quantize(spec, readSample('transformer'), { bits: 4, granularity: 'channel' });
    const matrix = coarse.get('layer1.ffn.up.weight')!;
    const column = matrix.filter((_, at) => at % 192 === 7);
    expect(new Set(column).size).toBeLessThanOrEqual(15);
  });

  test('noise has the asked size', () => {
    const weights = readSample('mlp');
    const noisy = addNoise(createModelSpec('mlp'), weights, { relativeDeviation: 0.5, seed: '1' }).get('fc1.weight')!;
    const old = weights.get('fc1.weight')!;
    const ratio = Math.hypot(...noisy.map((value, at) => value - old[at])) / Math.hypot(...old);
    expect(Math.abs(ratio - 0.5)).toBeLessThan(0.02);
  });

  test('fine-tuning moves weights and keeps the skill; equal seeds give equal copies', () => {
    const spec = createModelSpec('mlp');
    const weights = readSample('mlp');
    const run = () => fineTune(spec, weights, { ...training, epochs: 1, samples: few });
    expect(run()).toEqual(run());
    expect(run().get('fc1.weight')).not.toEqual(weights.get('fc1.weight'));
    expect(measureAccuracy(restoreNetwork(spec, run()), few)).toBeGreaterThan(0.85);
  });

  test.each([
    ['distillation', (spec: NetworkSpec, teacher: Weights) => distill(spec, teacher, { ...copy, temperature: 3 })],
    ['label extraction', (spec: NetworkSpec, teacher: Weights) => extractLabels(spec, teacher, copy)],
  ])('%s teaches a fresh network without the labels', (_name, run) => {
    const spec = createModelSpec('mlp');
    const student = restoreNetwork(spec, run(spec, readSample('mlp')));
    const fresh = generateGlyphs({ task: 'digits', stream: 'student test', count: 500 });
    expect(measureAccuracy(student, fresh)).toBeGreaterThan(0.6);
  });
});

const unlabelled = {
  ...generateGlyphs({ task: 'digits', stream: 'student', count: 1500 }),
  labels: new Uint8Array(1500),
};
const copy = { ...training, epochs: 6, learningRate: 0.05, samples: unlabelled };

describe('the mark under attack', () => {
  const spec = createModelSpec('mlp');
  const secret = new Uint8Array(32).fill(5);
  const ownSeed = deriveSeeds(secret).own;
  let marked: Weights;
  let original: Model;
  let claim: Claim;

  beforeAll(() => {
    const weights = readSample('mlp');
    original = openNetwork(spec, weights);
    const originalDigest = toOriginalDigest(original);
    const mark = embedMark({ model: original, ownSeed, ownerId: 'owner', originalDigest });
    marked = applyTensorEdits(weights, mark.edits);
    claim = createClaim({
      seed: secret,
      seedBox: { sealSeed: () => 'test', openSeed: () => secret },
      ...{ ownerKey: 'key', ownerId: 'owner', originalDigest, mark },
      markedDigest: toOriginalDigest(openNetwork(spec, marked)),
    });
  });

  const read = (weights: Weights): DetectResult =>
    detectMark({ suspect: openNetwork(spec, weights), claim, ownSeed, original });
  const countErrors = ({ schemes }: DetectResult): number =>
    Math.min(...schemes.filter(({ name }) => name.endsWith('/hard')).map(({ bitErrors }) => bitErrors));

  test.each<[string, (weights: Weights) => Weights]>([
    ['nothing', (weights) => weights],
    ['50 % pruning', (weights) => prune(spec, weights, 0.5)],
    ['int8', (weights) => quantize(spec, weights, { bits: 8, granularity: 'tensor' })],
    ['int4', (weights) => quantize(spec, weights, { bits: 4, granularity: 'channel' })],
    ['three double-strength overwrites', (weights) => overwrite(spec, weights, { tau: 0.2, times: 3, seed: '1' })],
    ['permutation and scaling', (weights) => permute(spec, weights, { seed: '1', logScaleMax: 1 })],
    ['an epoch of fine-tuning', (weights) => fineTune(spec, weights, { ...training, epochs: 1, samples: few })],
  ])('after %s no bit of 256 is wrong', (_name, attack) => {
    const result = read(attack(marked));
    expect(countErrors(result)).toBe(0);
    expect(result.verdict).toBe('claim');
  });

  test('75 % pruning leaves at least 64 bits of evidence', () => {
    expect(read(prune(spec, marked, 0.75)).evidenceBits).toBeGreaterThanOrEqual(64);
  });

  test('a distilled copy reads "none": nothing was copied but behaviour', () => {
    const result = read(distill(spec, marked, { ...copy, temperature: 3 }));
    expect(result.verdict).toBe('none');
    expect(result.evidenceBits).toBeLessThan(20);
  });
});
