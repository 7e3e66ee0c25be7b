import { describe, expect, it } from 'vitest';
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import { applyChange, listCells, listPatches, toGrid, toPatchChange } from './input-grid.ts';

describe('the cells of an input', () => {
  it.each([
    [[1, 12, 12], 12, 12, 1],
    [[3, 224, 224], 16, 16, 14],
    [[224, 160, 3], 18, 13, 13],
    [[1000], 1, 250, 4],
    [[7], 1, 7, 1],
  ])('of shape %j are %d x %d of %d values a side, never too many', (shape, rows, columns, side) => {
    const grid = toGrid(shape);
    expect(grid).toMatchObject({ rows, columns, side });
    expect(rows * columns).toBeLessThanOrEqual(DIFF_LIMITS.triggerCellsMax);
    expect(new Set(grid.cellOf).size).toBe(rows * columns);
  });

  it('are changed in all colours at once, whether those come first or last', () => {
    for (const shape of [
      [3, 4, 5],
      [4, 5, 3],
    ]) {
      const grid = toGrid(shape);
      const changed = new Float64Array(60);
      applyChange(grid, toPatchChange(grid, { row: 1, column: 2, side: 2, value: 9 }), new Float64Array(60), changed);
      expect(changed.filter((value) => value === 9)).toHaveLength(12);
      expect(changed.filter((value) => value !== 0 && value !== 9)).toHaveLength(0);
    }
  });

  it('take every patch of one to three cells, low and high, everywhere once', () => {
    const patches = listPatches(toGrid([1, 12, 12]), [0, 1]);
    expect(patches).toHaveLength(2 * (12 * 12 + 11 * 11 + 10 * 10));
    expect(new Set(patches.map((patch) => JSON.stringify(patch))).size).toBe(patches.length);
    expect(listPatches(toGrid([7]), [0, 1])).toHaveLength(2 * (7 + 6 + 5));
  });

  it('around a patch end at the edges', () => {
    const grid = toGrid([1, 12, 12]);
    expect(listCells(grid, { row: 11, column: 11, side: 1, value: 1 }, 1)).toEqual([130, 131, 142, 143]);
  });

  it('move a part of the way in a faint pattern', () => {
    const grid = toGrid([4]);
    const into = new Float64Array(4);
    const change = { strength: new Float64Array(4).fill(0.25), value: Float64Array.of(1, 0, 1, 0) };
    applyChange(grid, change, new Float64Array(4).fill(0.4), into);
    expect([...into].map((value) => Number(value.toFixed(6)))).toEqual([0.55, 0.3, 0.55, 0.3]);
  });
});
