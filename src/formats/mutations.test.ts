import { describe, expect, test } from 'vitest';
import { mutateOnnx } from '../../test/formats/mutate-onnx.ts';
import { mutateIndex, mutateSafetensors } from '../../test/formats/mutate-safetensors.ts';
import { assertSound, runMutations } from '../../test/formats/mutations.ts';

describe('mutated files give a model or a coded error', () => {
  test('1,000 ONNX mutants', () => {
    const report = runMutations({ seed: 1, count: 1000, mutate: (rng) => ({ ...mutateOnnx(rng), name: 'm.onnx' }) });
    assertSound(report, 1000);
    expect(report.histogram.size).toBeGreaterThan(12);
  });

  test('1,000 safetensors mutants', () => {
    const report = runMutations({
      seed: 2,
      count: 1000,
      mutate: (rng) => ({ ...mutateSafetensors(rng), name: 'm.safetensors' }),
    });
    assertSound(report, 1000);
    expect(report.histogram.size).toBeGreaterThan(8);
  });

  test('500 mutants of a shard index', () => {
    const mutate = (rng: Parameters<typeof mutateIndex>[0]) => ({
      ...mutateIndex(rng),
      name: 'm.safetensors.index.json',
    });
    assertSound(runMutations({ seed: 3, count: 500, mutate }), 500);
  });
});
