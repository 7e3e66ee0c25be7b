import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryModel, memoryTensor } from '../../../test/fakes/memory-model.ts';
import type { ElementOrder } from '../../align/index.ts';
import { createSuspectView } from './suspect-view.ts';

const turned = (rows: number, columns: number): ElementOrder => [
  { size: rows, stride: 1 },
  { size: columns, stride: rows },
];

test('a turned tensor gives exactly what the runs ask for, whatever shape and runs', () => {
  const cases = fc
    .record({ rows: fc.integer({ min: 2, max: 700 }), columns: fc.integer({ min: 2, max: 700 }) })
    .chain(({ rows, columns }) =>
      fc.record({
        rows: fc.constant(rows),
        columns: fc.constant(columns),
        cuts: fc.uniqueArray(fc.integer({ min: 0, max: rows * columns - 1 }), { minLength: 2, maxLength: 12 }),
      }),
    );
  fc.assert(
    fc.property(cases, ({ rows, columns, cuts }) => {
      const sorted = cuts.toSorted((a, b) => a - b);
      const runs = sorted.slice(1).flatMap((end, i) => (i % 2 ? [] : [{ first: sorted[i], count: end - sorted[i] }]));
      // Element (r, c) of the original has the value r · columns + c, exact in f32.
      const stored = Array.from({ length: rows * columns }, (_, k) => (k % rows) * columns + Math.floor(k / rows));
      const [tensor] = memoryModel([memoryTensor('t', [columns, rows], stored)]).tensors;
      const view = createSuspectView(tensor, turned(rows, columns), runs);
      for (const { first, count } of runs) {
        const into = new Float64Array(count);
        view.read(first, into);
        expect(into.every((value, i) => value === first + i)).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});

test('reading outside the runs is an error of ours, not silence', () => {
  const [tensor] = memoryModel([memoryTensor('t', [8, 4], new Float32Array(32))]).tensors;
  const view = createSuspectView(tensor, turned(4, 8), [{ first: 0, count: 8 }]);
  expect(() => {
    view.read(8, new Float64Array(8));
  }).toThrow('internal error');
});
