/** Runs two models on the same inputs and counts. */
import { RuntimeError } from '../core/errors.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { RuntimeSession, RuntimeTensor } from '../model/runtime.ts';
import type { Labels } from './data/types.ts';
import type { FeedSource } from './feeds.ts';
import { mapLabels } from './loss.ts';
import { addRun, createTally, type Decisions, type OutputTally, toRelativeL2 } from './tally.ts';

/** Right answers of both models, and the discordant pairs. */
export interface Counts {
  rightOriginal: number;
  rightMarked: number;
  lost: number;
  gained: number;
}

export interface Compared {
  readonly samples: number;
  readonly tallies: readonly OutputTally[];
  readonly counts: Counts | null;
  /** Largest relative L2 of the original against itself on the first inputs. */
  readonly noise: number;
}

/** Marks an error of the marked model's, which no other input excuses. */
export function refuseMarked(error: unknown): never {
  if (!(error instanceof RuntimeError)) throw error;
  throw new RuntimeError(error.code, { fields: { ...error.fields, model: 'marked' } });
}

export interface CompareOptions {
  readonly original: RuntimeSession;
  /** The original itself, when only its accuracy is wanted. */
  readonly marked: RuntimeSession;
  readonly source: FeedSource;
  readonly labels: Labels | null;
  readonly progress?: Progress;
}

/**
 * Runs both sessions over all samples; sums stay, outputs do not.
 * @throws RuntimeError RUNTIME_RUN_FAILED, with field `model` = "marked" when only the marked model fails;
 *   DATA_SHAPE_MISMATCH when the labels are not those of the model's classes
 */
export async function compareRuns({
  original,
  marked,
  source,
  progress = silentProgress,
  ...options
}: CompareOptions): Promise<Compared> {
  const tallies = new Map<string, OutputTally>();
  let labels: Int32Array | null = null;
  let noise = 0;
  const counts: Counts = { rightOriginal: 0, rightMarked: 0, lost: 0, gained: 0 };
  progress.step('fidelity', source.samples, 'items');
  for (let start = 0; start < source.samples; start += source.step) {
    const count = Math.min(source.step, source.samples - start);
    const rows = { total: source.toRows(count), count };
    const feeds = source.make(start, count);
    const before = await original.run(feeds);
    const after = marked === original ? before : await marked.run(feeds).catch(refuseMarked);
    if (start === 0) {
      for (const [name, output] of before)
        tallies.set(name, createTally(name, output, rows.total, source.hasBatchAxis));
      labels = options.labels === null ? null : mapLabels(options.labels, findDecider([...tallies.values()]));
      noise = marked === original ? 0 : toNoise(before, await original.run(feeds), rows, source.hasBatchAxis);
    }
    const decider = findDecider([...tallies.values()]);
    for (const tally of tallies.values()) {
      const decisions = addRun(tally, before.get(tally.name)!, after.get(tally.name)!, rows);
      if (labels !== null && decisions !== null && tally === decider)
        addCounts(counts, decisions, labels.subarray(start));
    }
    progress.advance(count);
  }
  progress.done();
  return { samples: source.samples, tallies: [...tallies.values()], counts: labels === null ? null : counts, noise };
}

/** The output that answers the classification: the first with class scores, else the first with class numbers. */
export function findDecider(tallies: readonly OutputTally[]): OutputTally | undefined {
  return tallies.find((tally) => tally.kind === 'classes') ?? tallies.find((tally) => tally.kind === 'label');
}

function addCounts(counts: Counts, decisions: Decisions, labels: Int32Array): void {
  decisions.original.forEach((answer, row) => {
    const wasRight = answer === labels[row];
    const isRight = decisions.marked[row] === labels[row];
    if (wasRight) counts.rightOriginal += 1;
    if (isRight) counts.rightMarked += 1;
    if (wasRight && !isRight) counts.lost += 1;
    if (isRight && !wasRight) counts.gained += 1;
  });
}

function toNoise(
  first: ReadonlyMap<string, RuntimeTensor>,
  second: ReadonlyMap<string, RuntimeTensor>,
  rows: { readonly total: number; readonly count: number },
  hasBatchAxis: boolean,
): number {
  return [...first].reduce((worst, [name, output]) => {
    const tally = createTally(name, output, rows.total, hasBatchAxis);
    addRun(tally, output, second.get(name)!, rows);
    return Math.max(worst, toRelativeL2(tally) ?? 0);
  }, 0);
}
