import { expect, test } from 'vitest';
import { mutateTorch } from '../../../test/formats/mutate-torch.ts';
import { assertSound, listReaderCodes, printReport, runMutations } from '../../../test/formats/mutations.ts';
import { assertScansSound } from '../../../test/formats/torch.ts';

const COUNT = 24_000;

test('PyTorch: 24,000 mutants reach every code of the reader', () => {
  const report = runMutations({ seed: 23, count: COUNT, mutate: (rng) => ({ ...mutateTorch(rng), name: 'm.pt' }) });
  printReport('PyTorch', report);
  assertSound(report, COUNT);
  expect(listReaderCodes('PYTORCH_').filter((code) => !report.histogram.has(code))).toEqual([]);
});

test('PyTorch: 24,000 scans of mutants end, find the payload in front of any defect, and are never clean by mistake', () => {
  assertScansSound(24, COUNT);
});
