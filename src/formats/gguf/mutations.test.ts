import { expect, test } from 'vitest';
import { mutateGguf } from '../../../test/formats/mutate-gguf.ts';
import { assertSound, runMutations } from '../../../test/formats/mutations.ts';

test('1,000 GGUF mutants give a model or a coded error', () => {
  const report = runMutations({ seed: 4, count: 1000, mutate: (rng) => ({ ...mutateGguf(rng), name: 'm.gguf' }) });
  assertSound(report, 1000);
  expect(report.histogram.size).toBeGreaterThan(17);
});
