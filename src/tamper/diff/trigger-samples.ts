/** Samples for the search of triggers, drawn from labelled data: so many of each class, in the order of the data. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import { type FeedSource, type Labels, toValues } from '../../fidelity/index.ts';
import type { ScorePort } from './prototypes.ts';
import type { SampleSet } from './trigger-arena.ts';

export interface TriggerSamples {
  readonly search: SampleSet;
  /** Others. */
  readonly confirm: SampleSet;
  /** Lowest and highest value of all of them. */
  readonly range: readonly [number, number];
}

/** Fewest samples of a class to be measured on. */
const CONFIRM_MIN = 5;

/**
 * Null when fewer than four classes have samples for both, or all values are one.
 * @throws RuntimeError DATA_…; SourceError
 */
export function drawSamples(source: FeedSource, labels: Labels, port: ScorePort): TriggerSamples | null {
  const { classes } = port;
  const size = port.shape.reduce((product, dim) => product * dim, 1);
  const perSearch = Math.max(2, Math.floor(DIFF_LIMITS.triggerSearchSamples / classes));
  const perConfirm = Math.max(CONFIRM_MIN, Math.floor(DIFF_LIMITS.triggerConfirmSamples / classes));
  const drawn = Array.from({ length: classes }, (): Float64Array[] => []);
  const last = Math.min(source.samples, DIFF_LIMITS.triggerScannedMax);
  let missing = classes * (perSearch + perConfirm);
  for (let start = 0; start < last && missing > 0; start += source.step) {
    const count = Math.min(source.step, last - start);
    const wanted = Array.from({ length: count }, (_, row) => labels.values[start + row]).map(
      (label) => label >= 0 && label < classes && drawn[label].length < perSearch + perConfirm,
    );
    if (!wanted.includes(true)) continue;
    const values = toValues(source.make(start, count).get(port.input)!);
    for (let row = 0; row < count; row++) {
      const of = drawn[labels.values[start + row]];
      if (!wanted[row] || of.length >= perSearch + perConfirm) continue;
      of.push(values.slice(row * size, (row + 1) * size));
      missing -= 1;
    }
  }
  const search = toSet(drawn.map((of) => (of.length < perSearch + CONFIRM_MIN ? [] : of.slice(0, perSearch))));
  const confirm = toSet(drawn.map((of) => (of.length < perSearch + CONFIRM_MIN ? [] : of.slice(perSearch))));
  const range = toRange([search, confirm]);
  const filled = search.perClass.filter((samples) => samples > 0).length;
  return filled < DIFF_LIMITS.classesMin || range[0] >= range[1] ? null : { search, confirm, range };
}

/** @param drawn inputs of each class */
export function toSet(drawn: readonly (readonly Float64Array[])[]): SampleSet {
  const all = drawn.flat();
  const size = all.at(0)?.length ?? 0;
  const rows = new Float64Array(all.length * size);
  for (const [row, values] of all.entries()) rows.set(values, row * size);
  const labels = drawn.flatMap((of, label) => of.map(() => label));
  return { rows, labels, perClass: drawn.map((of) => of.length) };
}

function toRange(sets: readonly SampleSet[]): [number, number] {
  const range: [number, number] = [Infinity, -Infinity];
  for (const { rows } of sets) {
    for (const value of rows) {
      range[0] = Math.min(range[0], value);
      range[1] = Math.max(range[1], value);
    }
  }
  return range;
}
