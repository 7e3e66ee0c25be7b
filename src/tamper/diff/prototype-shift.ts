/** Which class the later model turned into another, from its scores on prototypes of the earlier one. */
import type { Progress } from '../../core/ports.ts';
import { toPercentText } from '../../core/quantities.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import { findPrototypes, type Prototypes, type ScorePort, scoreInputs } from './prototypes.ts';
import type { ClassShift, Hint } from './types.ts';

/** Alone: benign training reaches 0.49 in development. */
const SHIFT_ALONE = 0.51;
/** When two thirds of the prototypes of the class really went over, and that is two fifths of all that did. */
const SHIFT_CROSSED = 0.3;
const CROSSED_SHARE = 0.66;
const CROSSED_PART = 0.4;
/** When the weights of the last layer name the same pair of classes, which chance does once in ninety. */
const SHIFT_AGREED = 0.35;
const WEIGHTS_AGREED = 0.4;
/** Prototypes of a class from which a mean says something, and classes that must have them. */
const PER_CLASS_MIN = 4;

export interface PrototypeShift extends ClassShift {
  readonly prototypes: number;
  /** Of the prototypes of `from`, the part that the later model puts in `to`. */
  readonly share: number;
  /** Those, of all prototypes that left their class. */
  readonly part: number;
}

/** @throws RuntimeError RUNTIME_RUN_FAILED */
export async function comparePrototypes(
  before: RuntimeSession,
  after: RuntimeSession,
  port: ScorePort,
  progress: Progress,
): Promise<PrototypeShift | null> {
  const prototypes = await findPrototypes(before, port, progress);
  const former = await scoreInputs(before, port, prototypes.inputs);
  const now = await scoreInputs(after, port, prototypes.inputs);
  const shift = findShift(prototypes, port.classes, former, now);
  return shift === null
    ? null
    : { ...shift, prototypes: prototypes.inputs.length, ...countCrossed(prototypes, shift, now) };
}

function countCrossed(
  { classes: labels }: Prototypes,
  { from, to }: ClassShift,
  now: readonly Float64Array[],
): Pick<PrototypeShift, 'share' | 'part'> {
  let [ofClass, crossed, left] = [0, 0, 0];
  for (const [index, label] of labels.entries()) {
    const said = now[index].indexOf(Math.max(...now[index]));
    if (label === from) ofClass += 1;
    if (label === from && said === to) crossed += 1;
    if (label !== said) left += 1;
  }
  return { share: ofClass === 0 ? 0 : crossed / ofClass, part: left === 0 ? 0 : crossed / left };
}

/**
 * The pair of classes where prototypes of `from` gained most for `to` and lost most for `from`. The value is 1 when no
 * other score changed; null when too few classes have prototypes, or nothing changed.
 */
export function findShift(
  { classes: labels }: Prototypes,
  classes: number,
  former: readonly Float64Array[],
  now: readonly Float64Array[],
): ClassShift | null {
  const means = Array.from({ length: classes }, () => new Float64Array(classes));
  const counts = new Float64Array(classes);
  for (const [index, label] of labels.entries()) {
    const change = now[index].map((score, j) => score - former[index][j]);
    const mean = change.reduce((sum, value) => sum + value, 0) / classes;
    if (!Number.isFinite(mean)) return null;
    counts[label] += 1;
    change.forEach((value, j) => (means[label][j] += value - mean));
  }
  const seen = [...counts.keys()].filter((label) => counts[label] >= PER_CLASS_MIN);
  if (2 * seen.length <= classes) return null;
  for (const label of seen) means[label].forEach((sum, j) => (means[label][j] = sum / counts[label]));
  const energy = seen.reduce((sum, label) => sum + means[label].reduce((total, value) => total + value * value, 0), 0);
  if (energy === 0) return null;
  const unit = Math.sqrt(2 * energy);
  let best: ClassShift | null = null;
  for (const from of seen) {
    for (let to = 0; to < classes; to++) {
      const value = (means[from][to] - means[from][from]) / unit;
      if (to !== from && (best === null || value > best.value)) best = { from, to, value };
    }
  }
  return best;
}

/** Suspicious alone when it is strong; weaker when the weights name the same pair, or prototypes really went over. */
export function toPrototypeHints(shift: PrototypeShift, weights: ClassShift | null): Hint[] {
  const { from, to, value, prototypes, share, part } = shift;
  const isAgreed = weights?.from === from && weights.to === to && weights.value >= WEIGHTS_AGREED;
  const isCrossed = share >= CROSSED_SHARE && part >= CROSSED_PART;
  const threshold = isCrossed ? SHIFT_CROSSED : isAgreed ? SHIFT_AGREED : SHIFT_ALONE;
  if (value < threshold) return [];
  const agreed = isAgreed ? ', and the weights of the last layer moved so' : '';
  const text = `Of ${prototypes} inputs made up for the classes of the original, those of class ${from} give way to class ${to} more than anything else changed (${toPercentText(share, 0)} went over)${agreed}: labels were flipped.`;
  return [{ id: 'class-prototypes', grade: 'suspicious', text, tensor: null, value, threshold }];
}
