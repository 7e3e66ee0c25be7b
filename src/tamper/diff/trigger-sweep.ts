/** All small patches on all samples: which one sends samples to which class in the later model, but not in the earlier. */
import type { Progress } from '../../core/ports.ts';
import { listPatches, type Patch, toPatchChange } from './input-grid.ts';
import {
  type Arena,
  type Both,
  type Shares,
  scoreChanges,
  toMeanMargin,
  toShares,
  toUniversal,
} from './trigger-arena.ts';

export interface Found {
  readonly patch: Patch;
  /** What the later model gained over the earlier. */
  readonly gain: number;
}

export interface Sweep {
  /** Shares of both models on the samples as they are. */
  readonly base: Both<Shares>;
  /** Mean margins of both models: the units of their scores. */
  readonly margins: Both<number>;
  /** [classes]: the patch that sends most samples of all other classes to this one. */
  readonly universal: readonly Found[];
  /** [classes × classes]: the patch that sends most samples of `from` to `to`; null on the diagonal and without samples. */
  readonly pairs: readonly (Found | null)[];
  /** [classes, cells]: how the later model's score of a class grows with the value of a cell. */
  readonly slopes: Float64Array;
}

/** A patch that does the same in the earlier model is no trigger: what it does there counts so many times against it. */
const FORMER_WEIGHT = 3;
/** Shifts of the scores break ties between patches that move all or no samples; more than this tells nothing more. */
const SHIFT_WEIGHT = 0.5;
const SHIFT_MAX = 2;
/** Patches scored between two reports of progress. */
const STEP = 32;

/** @throws RuntimeError RUNTIME_RUN_FAILED */
export async function sweepPatches(arena: Arena, progress: Progress): Promise<Sweep> {
  const { search, grid, range, port } = arena;
  const { classes } = port;
  const cells = grid.rows * grid.columns;
  const plain = { strength: new Float64Array(cells), value: new Float64Array(cells) };
  let baseScores: Both<Float64Array> = [new Float64Array(0), new Float64Array(0)];
  await scoreChanges(arena, search, [plain], (scores) => {
    baseScores = [scores[0].slice(), scores[1].slice()];
  });
  const base: Both<Shares> = [toShares(search, baseScores[0]), toShares(search, baseScores[1])];
  const margins: Both<number> = [toMeanMargin(search, baseScores[0]), toMeanMargin(search, baseScores[1])];
  const patches = listPatches(grid, range);
  const universal: Found[] = Array.from({ length: classes }, () => ({ patch: patches[0], gain: -Infinity }));
  const pairs: (Found | null)[] = new Array<Found | null>(classes * classes).fill(null);
  const slopes = new Float64Array(classes * cells);
  progress.step('trigger search', patches.length, 'items');
  for (let first = 0; first < patches.length; first += STEP) {
    const part = patches.slice(first, first + STEP);
    const changes = part.map((patch) => toPatchChange(grid, patch));
    await scoreChanges(arena, search, changes, (scores, index) => {
      const patch = part[index];
      const shares: Both<Shares> = [toShares(search, scores[0]), toShares(search, scores[1])];
      keepUniversal(universal, patch, toGains(arena, base, shares));
      const shifts = toShifts(arena, baseScores, scores, margins);
      keepPairs(pairs, patch, toPairGains(arena, base, shares, shifts));
      if (patch.side === 1) addSlopes(slopes, arena, patch, toMeanScores(arena, baseScores[1], scores[1]));
    });
    progress.advance(part.length);
  }
  progress.done();
  return { base, margins, universal, pairs, slopes };
}

/** [classes]: how much more samples of other classes go to each in the later model, less the same in the earlier. */
export function toGains({ search }: Arena, base: Both<Shares>, shares: Both<Shares>): number[] {
  return search.perClass.map((_, target) => {
    const of = (one: Shares): number => toUniversal(one, search.perClass, target);
    return of(shares[1]) - of(base[1]) - (of(shares[0]) - of(base[0]));
  });
}

function keepUniversal(universal: Found[], patch: Patch, gains: readonly number[]): void {
  for (const [target, gain] of gains.entries()) if (gain > universal[target].gain) universal[target] = { patch, gain };
}

function keepPairs(pairs: (Found | null)[], patch: Patch, gains: Float64Array): void {
  for (const [pair, gain] of gains.entries()) {
    if (gain > (pairs[pair]?.gain ?? -Infinity)) pairs[pair] = { patch, gain };
  }
}

/** [classes, classes]: how far the score of `to` came towards samples of `from` in the later model and not in the earlier. */
function toShifts(
  { search }: Arena,
  base: Both<Float64Array>,
  scores: Both<Float64Array>,
  margins: Both<number>,
): Float64Array {
  const classes = search.perClass.length;
  const shifts = new Float64Array(classes * classes);
  for (const [row, from] of search.labels.entries()) {
    for (const model of [0, 1] as const) {
      const weight = (model === 1 ? 1 : -1) / (margins[model] * search.perClass[from]);
      const at = row * classes;
      const own = scores[model][at + from] - base[model][at + from];
      for (let to = 0; to < classes; to++) {
        shifts[from * classes + to] += weight * (scores[model][at + to] - base[model][at + to] - own);
      }
    }
  }
  return shifts;
}

function toPairGains({ search }: Arena, base: Both<Shares>, shares: Both<Shares>, shifts: Float64Array): Float64Array {
  const classes = search.perClass.length;
  return shifts.map((shift, pair) => {
    const [from, to] = [Math.floor(pair / classes), pair % classes];
    if (from === to || search.perClass[from] === 0) return -Infinity;
    const [former, now] = [shares[0][pair] - base[0][pair], shares[1][pair] - base[1][pair]];
    return now - FORMER_WEIGHT * Math.max(0, former) + SHIFT_WEIGHT * Math.min(SHIFT_MAX, shift);
  });
}

/** [classes]: mean change of each score over samples of other classes, less the mean of all scores. */
function toMeanScores({ search }: Arena, base: Float64Array, scores: Float64Array): Float64Array {
  const classes = search.perClass.length;
  const means = new Float64Array(classes);
  for (const [row, label] of search.labels.entries()) {
    let mean = 0;
    for (let j = 0; j < classes; j++) mean += (scores[row * classes + j] - base[row * classes + j]) / classes;
    for (let j = 0; j < classes; j++) {
      if (j !== label) means[j] += scores[row * classes + j] - base[row * classes + j] - mean;
    }
  }
  return means.map((sum, j) => sum / (search.labels.length - search.perClass[j]));
}

function addSlopes(slopes: Float64Array, { grid, range }: Arena, patch: Patch, means: Float64Array): void {
  const cells = grid.rows * grid.columns;
  const sign = patch.value === range[1] ? 1 : -1;
  for (const [target, mean] of means.entries()) {
    slopes[target * cells + patch.row * grid.columns + patch.column] += sign * mean;
  }
}
