/** The loss of accuracy between two models judged on the same samples, with what the samples can and cannot show. */
import { RuntimeError } from '../core/errors.ts';
import { type PairedCounts, toPairedChange } from '../core/stats.ts';
import type { Labels } from './data/types.ts';
import type { OutputTally } from './tally.ts';

/** Percentage points of accuracy; positive is a loss. */
export interface LossPoints {
  readonly estimate: number;
  /** Two-sided 95 % interval. */
  readonly low: number;
  readonly high: number;
}

const confidence = 0.95;

/**
 * Loss of accuracy with Tango's paired score interval.
 * Null hypothesis at `low`: the loss is at most `low`; false-alarm rate 2.5 % (asymptotic).
 * @see core/stats.ts toPairedChange
 */
export function toLossPoints({ samples, lost, gained }: PairedCounts): LossPoints {
  const { low, high } = toPairedChange({ samples, lost, gained }, confidence);
  return { estimate: (100 * (lost - gained)) / samples, low: -100 * high, high: -100 * low };
}

/**
 * The smallest loss in points whose interval lies above `limitPoints` with so many samples, in the best case that no
 * answer was gained; null when even losing every answer would not.
 */
export function findResolvablePoints(samples: number, limitPoints: number): number | null {
  const isShown = (lost: number): boolean => toLossPoints({ samples, lost, gained: 0 }).low > limitPoints;
  if (!isShown(samples)) return null;
  let low = 0;
  let high = samples;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isShown(middle)) high = middle;
    else low = middle;
  }
  return (100 * high) / samples;
}

/**
 * Labels in the numbers of the output that decides: as they are when they lie in 0..K-1; less one when in 1..K;
 * ranked when there are K different ones. Null when no output decides; as they are for an output of class numbers.
 * @throws RuntimeError DATA_SHAPE_MISMATCH when they are more or other than the classes
 */
export function mapLabels(labels: Labels, decider: OutputTally | undefined): Int32Array | null {
  if (decider === undefined) return null;
  if (decider.kind === 'label') return labels.values;
  const distinct = [...new Set(labels.values)].sort((a, b) => a - b);
  const [least = 0] = distinct;
  const most = distinct.at(-1) ?? 0;
  const { classCount } = decider;
  if (least >= 0 && most < classCount) return labels.values;
  if (least === 1 && most === classCount) return labels.values.map((value) => value - 1);
  if (distinct.length === classCount) {
    const rank = new Map(distinct.map((value, index) => [value, index]));
    return labels.values.map((value) => rank.get(value) ?? -1);
  }
  throw new RuntimeError('DATA_SHAPE_MISMATCH', {
    message: 'The labels are not those of the classes of the model.',
    fields: { output: decider.name, classes: classCount, labels: distinct.length, least, most },
  });
}
