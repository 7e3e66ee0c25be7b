/** The statements about null keys, run with few keys in every test run and with ten thousand in the long one. */
import { resolve } from 'node:path';
import { expect } from 'vitest';
import { openModelPath } from '../../src/formats/index.ts';
import type { Model } from '../../src/model/types.ts';
import { memoryModel, memoryTensor, seededNumbers } from './memory-model.ts';
import { sampleNullKeys, toBinomialBounds, toHardRegion } from './null-keys.ts';

const samples = resolve(import.meta.dirname, '../../samples');
const LEVELS = [0.1, 0.01, 0.001] as const;

/** Weights with every symmetry that a careless null would trip over: equal rows, a large mean, heavy tails. */
function oddModel() {
  const random = seededNumbers(31);
  const row = Array.from({ length: 128 }, () => random.normal() ** 3);
  return memoryModel([
    memoryTensor(
      'a',
      [96, 128],
      Array.from({ length: 96 * 128 }, (_, i) => row[i % 128] + 5),
    ),
    memoryTensor(
      'b',
      [64, 128],
      Array.from({ length: 64 * 128 }, (_, i) => (i % 2 ? 1 : -1) * (1 + random.uniform())),
    ),
  ]);
}

/** Suspects on which careless statistics would fail. */
export const NULL_SUSPECTS = [
  ['a trained MLP', () => openModelPath(resolve(samples, 'mlp.onnx'))],
  ['odd weights', oddModel],
] as const;

/** Hard errors follow their binomial law inside 99.9 % bounds; soft and final p-values are not too small too often. */
export function expectNull(suspect: Model, count: number): void {
  const found = sampleNullKeys(suspect, count, new Uint8Array(32).fill(1));
  for (const alpha of LEVELS) {
    const { errorsMax, size } = toHardRegion(found[0].bits, alpha);
    const exact = toBinomialBounds(count, size);
    const hard = found.filter((sample) => sample.bitErrors <= errorsMax).length;
    expect(hard).toBeGreaterThanOrEqual(exact.low);
    expect(hard).toBeLessThanOrEqual(exact.high);
    const { high } = toBinomialBounds(count, alpha);
    expect(found.filter((sample) => 2 ** -sample.softBits <= alpha).length).toBeLessThanOrEqual(high);
    expect(found.filter((sample) => 2 ** -sample.evidenceBits <= alpha).length).toBeLessThanOrEqual(high);
  }
  expect(Math.max(...found.map((sample) => sample.evidenceBits))).toBeLessThan(20);
}
