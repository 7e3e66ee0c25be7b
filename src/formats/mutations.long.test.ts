import { describe, expect, test } from 'vitest';
import { mutateOnnx } from '../../test/formats/mutate-onnx.ts';
import { mutateIndex, mutateSafetensors } from '../../test/formats/mutate-safetensors.ts';
import { assertSound, listReaderCodes, printReport, runMutations } from '../../test/formats/mutations.ts';

const COUNT = 24_000;

describe('many mutated files give a model or a coded error', () => {
  test('ONNX: 24,000 mutants reach every code of the reader', () => {
    const report = runMutations({ seed: 11, count: COUNT, mutate: (rng) => ({ ...mutateOnnx(rng), name: 'm.onnx' }) });
    printReport('ONNX', report);
    assertSound(report, COUNT);
    expect(listReaderCodes('ONNX_').filter((code) => !report.histogram.has(code))).toEqual([]);
  });

  test('safetensors: 24,000 mutants reach every code of the reader', () => {
    const report = runMutations({
      seed: 12,
      count: COUNT,
      mutate: (rng) =>
        rng.int(6) === 0
          ? { ...mutateIndex(rng), name: 'm.safetensors.index.json' }
          : { ...mutateSafetensors(rng, 0.0002), name: 'm.safetensors' },
    });
    printReport('safetensors', report);
    assertSound(report, COUNT);
    expect(listReaderCodes('SAFETENSORS_').filter((code) => !report.histogram.has(code))).toEqual([]);
  });
});
