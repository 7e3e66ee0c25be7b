import { expect, test } from 'vitest';
import { mutateGguf } from '../../../test/formats/mutate-gguf.ts';
import { assertSound, listReaderCodes, printReport, runMutations } from '../../../test/formats/mutations.ts';

test('24,000 GGUF mutants give a model or a coded error, and reach every code of the reader', () => {
  const mutate = (rng: Parameters<typeof mutateGguf>[0]) => ({ ...mutateGguf(rng, 0.0001), name: 'm.gguf' });
  const report = runMutations({ seed: 14, count: 24_000, mutate });
  printReport('GGUF', report);
  assertSound(report, 24_000);
  expect(listReaderCodes('GGUF_').filter((code) => !report.histogram.has(code))).toEqual([]);
});
