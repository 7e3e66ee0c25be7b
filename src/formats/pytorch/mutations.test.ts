import { expect, test } from 'vitest';
import { mutateTorch } from '../../../test/formats/mutate-torch.ts';
import { assertSound, runMutations } from '../../../test/formats/mutations.ts';
import { assertScansSound } from '../../../test/formats/torch.ts';

test('1,500 mutants of a PyTorch archive give a model or a coded error', () => {
  const report = runMutations({ seed: 21, count: 1500, mutate: (rng) => ({ ...mutateTorch(rng), name: 'm.pt' }) });
  assertSound(report, 1500);
  expect(report.histogram.size).toBeGreaterThan(25);
});

test('1,500 scans of mutants end, find the payload in front of any defect, and are never clean by mistake', () => {
  assertScansSound(22, 1500);
});
