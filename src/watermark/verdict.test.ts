/** Where "none", "flag" and "claim" begin: the numbers that README, reports and SECURITY.md promise. */
import { expect, test } from 'vitest';
import { toMarkedModel } from '../../test/fakes/marked-model.ts';
import { type MemoryModel, memoryModel, memoryTensor, seededNumbers } from '../../test/fakes/memory-model.ts';
import { detectMark, type DetectResult } from './detect.ts';

const random = seededNumbers(31);
const SHAPE = [160, 160];
const original = memoryModel([
  memoryTensor(
    'w',
    SHAPE,
    Array.from({ length: 160 * 160 }, () => random.normal()),
  ),
]);
const { model: marked, claim, ownSeed } = toMarkedModel(original);

const valuesOf = ({ data: [first] }: MemoryModel): Float32Array => new Float32Array(first.data.slice().buffer);

/** What is read when `share` of the mark's change is left. */
function readWith(share: number): DetectResult {
  const [from, to] = [valuesOf(original), valuesOf(marked)];
  const values = Array.from(from, (value, at) => value + share * (to[at] - value));
  return detectMark({ suspect: memoryModel([memoryTensor('w', SHAPE, values)]), claim, ownSeed });
}

test('64 bits of evidence flag and 128 claim, whatever of the mark is left', () => {
  const readings = Array.from({ length: 41 }, (_, step) => readWith(step / 40));
  for (const { verdict, evidenceBits } of readings) {
    expect(verdict, `${evidenceBits} bits`).toBe(evidenceBits >= 128 ? 'claim' : evidenceBits >= 64 ? 'flag' : 'none');
  }
  // All three were seen, close to the borders from both sides.
  const bits = readings.map(({ evidenceBits }) => evidenceBits).sort((a, b) => a - b);
  for (const border of [64, 128]) {
    expect(bits.some((each) => each < border && each > border - 30)).toBe(true);
    expect(bits.some((each) => each >= border && each < border + 30)).toBe(true);
  }
});
