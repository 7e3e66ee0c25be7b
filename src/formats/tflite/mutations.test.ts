import { expect, test } from 'vitest';
import { mutateTflite } from '../../../test/formats/mutate-tflite.ts';
import { assertSound, runMutations } from '../../../test/formats/mutations.ts';

test('1,000 TFLite mutants give a model or a coded error', () => {
  const report = runMutations({ seed: 4, count: 1000, mutate: (rng) => ({ ...mutateTflite(rng), name: 'm.tflite' }) });
  assertSound(report, 1000);
  expect(report.histogram.size).toBeGreaterThan(14);
});
