/** A mark without calibration, at the strength that follows from the number of weights: the bars of docs/lab.md still hold. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openBytes } from '../../test/formats/models.ts';
import {
  addNoise,
  applyTensorEdits,
  createModelSpec,
  openNetwork,
  overwrite,
  prune,
  quantize,
  readWeights,
  type Weights,
} from '../lab/index.ts';
import { createClaim } from './claim.ts';
import { detectMark, type DetectResult } from './detect.ts';
import { toOriginalDigest } from './digest.ts';
import { deriveSeeds } from './seeds.ts';
import { embedMark, type MarkRecord, TAU_DEFAULT } from './spread/embed.ts';

const spec = createModelSpec('cnn-large');
const seed = new Uint8Array(32).fill(44);
const ownSeed = deriveSeeds(seed).own;
let marked: Weights;
let record: MarkRecord;
let detect: (suspect: Weights) => DetectResult;

beforeAll(() => {
  const file = new Uint8Array(readFileSync(join(import.meta.dirname, '../../samples/cnn-large.safetensors')));
  const original = readWeights(openBytes(file, 'cnn-large.safetensors'));
  const model = openNetwork(spec, original);
  const originalDigest = toOriginalDigest(model);
  const mark = embedMark({ model, ownSeed, ownerId: 'alice', originalDigest });
  record = mark.record;
  marked = applyTensorEdits(original, mark.edits);
  const seedBox = { sealSeed: () => null, openSeed: () => seed };
  const named = { ownerKey: 'k', ownerId: 'alice', originalDigest, markedDigest: originalDigest };
  const claim = createClaim({ seed, seedBox, ...named, mark });
  detect = (suspect) => detectMark({ suspect: openNetwork(spec, suspect), claim, ownSeed });
});

test('the strength is a third below the default: 2.25 / √(199,680 weights / 256 bits)', () => {
  expect(record).toMatchObject({ weights: 199_680, tau: 0.0806, calibration: null });
  expect(record.tau).toBeLessThan(TAU_DEFAULT);
});

test.each<[string, (weights: Weights) => Weights]>([
  ['nothing', (weights) => weights],
  ['pruning of half the weights', (weights) => prune(spec, weights, 0.5)],
  ['8 bits', (weights) => quantize(spec, weights, { bits: 8, granularity: 'tensor' })],
  ['4 bits', (weights) => quantize(spec, weights, { bits: 4, granularity: 'tensor' })],
  ['three double-strength overwrites', (weights) => overwrite(spec, weights, { tau: 0.25, times: 3, seed: 'blind' })],
])('after %s no bit is wrong', (_, attack) => {
  const result = detect(attack(marked));
  expect(result.verdict).toBe('claim');
  expect(result.schemes[0].bitErrors).toBe(0);
});

test.each<[string, (weights: Weights) => Weights]>([
  ['pruning of three quarters', (weights) => prune(spec, weights, 0.75)],
  ['noise as large as the weights', (weights) => addNoise(spec, weights, { relativeDeviation: 1, seed: 'blind' })],
])('after %s it is a claim', (_, attack) => {
  expect(detect(attack(marked)).verdict).toBe('claim');
});
