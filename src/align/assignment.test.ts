import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededNumbers } from '../../test/fakes/memory-model.ts';
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { assign, UNMATCHED } from './assignment.ts';

/** Best total by trying every assignment. */
function bruteForce(rows: number, columns: number, values: Float32Array): number {
  const visit = (row: number, used: number): number => {
    if (row === rows) return 0;
    let best = rows > columns ? visit(row + 1, used) : Number.NEGATIVE_INFINITY;
    for (let c = 0; c < columns; c++) {
      if ((used >> c) & 1) continue;
      best = Math.max(best, values[row * columns + c] + visit(row + 1, used | (1 << c)));
    }
    return best;
  };
  return visit(0, 0);
}

describe('assignment', () => {
  test('reaches the best total of all assignments, square and rectangular', () => {
    const size = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(size, size, fc.nat(10_000), (rows, columns, number) => {
        const random = seededNumbers(number);
        // Shifted up, so that leaving a row alone never pays.
        const values = Float32Array.from({ length: rows * columns }, () => 10 + random.normal());
        const found = assign({ rows, columns, values });
        const total = found.reduce((sum, c, r) => sum + (c === UNMATCHED ? 0 : values[r * columns + c]), 0);
        expect(total).toBeCloseTo(bruteForce(rows, columns, values), 3);
        const partners = [...found].filter((c) => c !== UNMATCHED);
        expect(new Set(partners).size).toBe(partners.length);
        expect(partners).toHaveLength(Math.min(rows, columns));
      }),
      { numRuns: process.env.SLOW === '1' ? 500 : 60 },
    );
  });

  test('finds a hidden permutation under noise, exactly and beyond the exact limit', () => {
    for (const n of [300, ALIGN_LIMITS.exactAssignmentMax + 4]) {
      const random = seededNumbers(n);
      const hidden = Array.from({ length: n }, (_, i) => (i * 7 + 3) % n);
      const values = new Float32Array(n * n);
      for (let i = 0; i < values.length; i++) values[i] = random.uniform() * 0.5;
      hidden.forEach((c, r) => (values[r * n + c] += 0.6));
      expect([...assign({ rows: n, columns: n, values })]).toEqual(hidden);
    }
  });

  test('an empty side leaves everything alone', () => {
    expect([...assign({ rows: 2, columns: 0, values: new Float32Array(0) })]).toEqual([UNMATCHED, UNMATCHED]);
  });
});
