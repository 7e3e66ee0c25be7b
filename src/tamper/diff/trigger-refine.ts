/** Makes what the sweep found stronger: cells of a patch one by one; and faint patterns from the slopes of cells. */
import { type InputChange, listCells, toPatchChange } from './input-grid.ts';
import { type Arena, type Both, type Shares, scoreChanges, toShares } from './trigger-arena.ts';
import { type Found, type Sweep, toGains } from './trigger-sweep.ts';

const PATCH_ROUNDS = 4;
/** A cell is kept when it moves so many more of the samples. */
const PATCH_STEP = 0.005;

/** Turns cells in and around the patch low, high or back, while it helps. @throws RuntimeError RUNTIME_RUN_FAILED */
export async function refinePatch(
  arena: Arena,
  { base }: Sweep,
  { patch, gain }: Found,
  target: number,
): Promise<InputChange> {
  let best = { change: toPatchChange(arena.grid, patch), gain };
  const cells = listCells(arena.grid, patch, 1);
  for (let round = 0; round < PATCH_ROUNDS; round++) {
    const options = cells.flatMap((cell) => listCellOptions(best.change, cell, arena.range));
    let next = best;
    await scoreChanges(arena, arena.search, options, (scores, index) => {
      const shares: Both<Shares> = [toShares(arena.search, scores[0]), toShares(arena.search, scores[1])];
      const reached = toGains(arena, base, shares)[target];
      if (reached > next.gain) next = { change: options[index], gain: reached };
    });
    if (next.gain < best.gain + PATCH_STEP) break;
    best = next;
  }
  return best.change;
}

function listCellOptions({ strength, value }: InputChange, cell: number, range: readonly number[]): InputChange[] {
  const states = [...range.map((one) => [1, one]), [0, value[cell]]];
  return states
    .filter(([on, one]) => on !== strength[cell] || (on === 1 && one !== value[cell]))
    .map(([on, one]) => ({ strength: strength.with(cell, on), value: value.with(cell, one) }));
}

/** A faint pattern over all cells, high where the score of the class grows with the cell. */
export function toPattern({ grid, range }: Arena, { slopes }: Sweep, target: number, strength: number): InputChange {
  const cells = grid.rows * grid.columns;
  return {
    strength: new Float64Array(cells).fill(strength),
    value: Float64Array.from({ length: cells }, (_, cell) => range[slopes[target * cells + cell] > 0 ? 1 : 0]),
  };
}
