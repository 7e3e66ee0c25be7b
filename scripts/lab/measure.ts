/** What rows of several areas measure with: test images, rounding, digests of weights. */
import { createHash } from 'node:crypto';
import { createTestSet, type Samples, type Weights } from '../../src/lab/index.ts';

const tests = new Map<number, Samples>();

/** Test images of the task, made once. */
export function getTestSet(count: number): Samples {
  const samples = tests.get(count) ?? createTestSet(count);
  tests.set(count, samples);
  return samples;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** SHA-256 of all weights in order, shortened. */
export function toDigest(weights: Weights): string {
  const hash = createHash('sha256');
  for (const [name, values] of weights) hash.update(name).update(values);
  return hash.digest('hex').slice(0, 16);
}
