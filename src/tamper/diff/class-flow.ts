/** Which samples changed class between two models, and whether they were drawn there or only driven away. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import { toPercentText } from '../../core/quantities.ts';
import type { Decisions } from '../../fidelity/index.ts';
import { toLogits } from './prototypes.ts';
import type { Hint } from './types.ts';

/** Samples that the earlier model put in one class and the later one in another. */
export interface ClassFlow {
  readonly from: number;
  readonly to: number;
  readonly samples: number;
  /** Of the samples that the earlier model put in `from`. */
  readonly share: number;
  /**
   * How far the score of `to` rose on the samples of `from` above the scores of the other classes, in mean margins of
   * the earlier model; null for outputs without scores. Near 0 where `from` was only forgotten.
   */
  readonly pull: number | null;
}

export interface FlowTally {
  readonly counts: Map<string, number>;
  /** By class of the earlier model: its samples, and how each score changed on them. */
  readonly moves: Map<number, { samples: number; readonly change: Float64Array }>;
  samples: number;
  margins: number;
}

export function createFlowTally(): FlowTally {
  return { counts: new Map(), moves: new Map(), samples: 0, margins: 0 };
}

export interface FlowRun {
  readonly decisions: Decisions;
  /** [rows, classes] of both models; null for outputs that are classes without scores. */
  readonly scores: { readonly before: Float64Array; readonly after: Float64Array; readonly classes: number } | null;
}

export function addFlows(tally: FlowTally, { decisions, scores }: FlowRun): void {
  decisions.original.forEach((from, row) => {
    const key = `${from} ${decisions.marked[row]}`;
    tally.counts.set(key, (tally.counts.get(key) ?? 0) + 1);
    if (scores === null || from < 0 || scores.classes > DIFF_LIMITS.flowClassesMax) return;
    const of = (all: Float64Array): Float64Array => {
      const one = all.slice(row * scores.classes, (row + 1) * scores.classes);
      toLogits(one);
      return one;
    };
    addMove(tally, from, of(scores.before), of(scores.after));
  });
}

function addMove(tally: FlowTally, from: number, before: Float64Array, after: Float64Array): void {
  const change = after.map((score, j) => score - before[j]);
  const other = before.reduce((most, score, j) => (j !== from && score > most ? score : most), -Infinity);
  if (!change.every(Number.isFinite) || !Number.isFinite(other)) return;
  const move = tally.moves.get(from) ?? { samples: 0, change: new Float64Array(before.length) };
  tally.moves.set(from, move);
  move.samples += 1;
  for (const [j, value] of change.entries()) move.change[j] += value;
  tally.samples += 1;
  tally.margins += before[from] - other;
}

/** The largest first. */
export function toFlows(tally: FlowTally): ClassFlow[] {
  const totals = new Map<number, number>();
  const cells = [...tally.counts].map(([key, samples]) => {
    const [from, to] = key.split(' ').map(Number);
    totals.set(from, (totals.get(from) ?? 0) + samples);
    return { from, to, samples };
  });
  return cells
    .filter(({ from, to }) => from !== to)
    .map((cell) => ({ ...cell, share: cell.samples / totals.get(cell.from)!, pull: toPull(tally, cell.from, cell.to) }))
    .sort((a, b) => b.samples - a.samples || a.from - b.from || a.to - b.to);
}

function toPull({ moves, samples, margins }: FlowTally, from: number, to: number): number | null {
  const move = moves.get(from);
  if (move === undefined || to < 0 || margins === 0 || move.change.length < DIFF_LIMITS.classesMin) return null;
  const others = move.change.reduce((sum, value, j) => (j === from || j === to ? sum : sum + value), 0);
  const rise = move.change[to] - others / (move.change.length - 2);
  return rise / move.samples / (margins / samples);
}

/** One class turned into another: a quarter of its samples, and half of all that changed. Only real samples count. */
const SHARE = 0.25;
const PART = 0.5;
const SAMPLES_MIN = 10;
/** Flipped labels pull 0.45 and more in development; a class that training data lacked goes to its second choice: 0.22. */
const PULL = 0.35;

export function findFlowHints(flows: readonly ClassFlow[]): Hint[] {
  const all = flows.reduce((sum, { samples }) => sum + samples, 0);
  if (flows.length === 0) return [];
  const [{ from, to, samples, share, pull }] = flows;
  if (samples < SAMPLES_MIN || share < SHARE || samples < PART * all) return [];
  const moved = `${toPercentText(share, 0)} of the samples of class ${from} are now class ${to}, and that is most of what changed`;
  const base = { id: 'class-flow', tensor: null, value: share, threshold: SHARE } as const;
  if (pull !== null && pull < PULL) {
    const text = `${moved}; but class ${to} does not draw them, class ${from} lost them: training on data without this class does that.`;
    return [{ ...base, grade: 'benign', text }];
  }
  return [{ ...base, grade: 'suspicious', text: `${moved}: labels were flipped.` }];
}
