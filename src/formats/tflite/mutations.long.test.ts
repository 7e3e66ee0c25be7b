import { expect, test } from 'vitest';
import { mutateTflite } from '../../../test/formats/mutate-tflite.ts';
import { assertSound, listReaderCodes, printReport, runMutations } from '../../../test/formats/mutations.ts';

const COUNT = 24_000;

test('TFLite: 24,000 mutants reach every code of the reader', () => {
  const mutate = (rng: Parameters<typeof mutateTflite>[0]) => ({ ...mutateTflite(rng, 0.0002), name: 'm.tflite' });
  const report = runMutations({ seed: 14, count: COUNT, mutate });
  printReport('TFLite', report);
  assertSound(report, COUNT);
  expect(listReaderCodes('TFLITE_').filter((code) => !report.histogram.has(code))).toEqual([]);
});
