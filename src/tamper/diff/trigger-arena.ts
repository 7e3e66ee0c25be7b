/** Where triggers are looked for: samples with labels, both models, and what the models say of changed samples. */
import type { RuntimeSession } from '../../model/runtime.ts';
import { applyChange, type Grid, type InputChange } from './input-grid.ts';
import { type ScorePort, scoreRows } from './prototypes.ts';

export interface SampleSet {
  /** [count, elements] */
  readonly rows: Float64Array;
  readonly labels: readonly number[];
  /** [classes]: samples of each */
  readonly perClass: readonly number[];
}

export interface Arena {
  readonly sessions: readonly [before: RuntimeSession, after: RuntimeSession];
  readonly port: ScorePort;
  readonly grid: Grid;
  /** Lowest and highest value of the inputs. */
  readonly range: readonly [number, number];
  /** Samples that are changed in the search. */
  readonly search: SampleSet;
  /** Other samples, on which findings are measured. */
  readonly confirm: SampleSet;
}

/** [classes, classes]: of the samples labelled `row`, the share that the model puts in class `column`. */
export type Shares = Float64Array;

/** Of the earlier and of the later model. */
export type Both<T> = readonly [before: T, after: T];

/** Changed inputs scored at once: 64 MiB of numbers at most for the largest input that is searched. */
const VALUES_AT_ONCE = 2 ** 20;

/** Calls `visit` with the scores of both models, [samples, classes], for each change. @throws RuntimeError RUNTIME_RUN_FAILED */
export async function scoreChanges(
  { sessions, port, grid }: Arena,
  set: SampleSet,
  changes: readonly InputChange[],
  visit: (scores: Both<Float64Array>, index: number) => void,
): Promise<void> {
  const count = set.labels.length;
  const size = set.rows.length / count;
  const most = Math.max(1, Math.floor(VALUES_AT_ONCE / set.rows.length));
  const width = count * port.classes;
  for (let first = 0; first < changes.length; first += most) {
    const part = changes.slice(first, first + most);
    const rows = new Float64Array(part.length * set.rows.length);
    for (const [index, change] of part.entries()) {
      for (let row = 0; row < count; row++) {
        const at = index * set.rows.length + row * size;
        applyChange(grid, change, set.rows.subarray(row * size, (row + 1) * size), rows.subarray(at, at + size));
      }
    }
    const before = await scoreRows(sessions[0], port, rows, part.length * count);
    const after = await scoreRows(sessions[1], port, rows, part.length * count);
    for (const index of part.keys()) {
      const of = (scores: Float64Array): Float64Array => scores.subarray(index * width, (index + 1) * width);
      visit([of(before), of(after)], first + index);
    }
  }
}

/** @param scores [samples, classes] */
export function toShares({ labels, perClass }: SampleSet, scores: Float64Array): Shares {
  const classes = perClass.length;
  const shares = new Float64Array(classes * classes);
  for (const [row, label] of labels.entries()) {
    shares[label * classes + toArgmax(scores, row * classes, classes)] += 1;
  }
  return shares.map((count, pair) => (count === 0 ? 0 : count / perClass[Math.floor(pair / classes)]));
}

/** Mean over the other classes of the share that goes to `target`. */
export function toUniversal(shares: Shares, perClass: readonly number[], target: number): number {
  const classes = perClass.length;
  let [sum, count] = [0, 0];
  for (const [label, samples] of perClass.entries()) {
    if (label === target || samples === 0) continue;
    sum += shares[label * classes + target];
    count += 1;
  }
  return count === 0 ? 0 : sum / count;
}

/** Mean distance of the score of the label to the best other one: the unit in which scores of a model are compared. */
export function toMeanMargin({ labels, perClass }: SampleSet, scores: Float64Array): number {
  const classes = perClass.length;
  let sum = 0;
  for (const [row, label] of labels.entries()) sum += Math.abs(toMargin(scores, row * classes, classes, label));
  return Math.max(sum / labels.length, Number.MIN_VALUE);
}

/** The score of `target` less the best other one, of the `classes` scores from `start`. */
function toMargin(scores: Float64Array, start: number, classes: number, target: number): number {
  let other = -Infinity;
  for (let j = 0; j < classes; j++) if (j !== target && scores[start + j] > other) other = scores[start + j];
  return scores[start + target] - other;
}

function toArgmax(scores: Float64Array, start: number, classes: number): number {
  let best = 0;
  for (let j = 1; j < classes; j++) if (scores[start + j] > scores[start + best]) best = j;
  return best;
}
