/** Signs of poisoning in the last layer: one class, one class turned into another, or the last layer alone. */
import { toPercentText } from '../../core/quantities.ts';
import type { OutputMove } from './layer-move.ts';
import { type Layer, TRAINED, toMedian } from './layers.ts';
import type { ClassShift, Hint } from './types.ts';

/** One class row of the last layer holds more of its change than benign training leaves there (0.44 in development). */
const ROW_SHARE = 0.47;
/** Rounding moves a row by its size: in a quantised layer, a row must hold so many times its part of the weights. */
const ROUNDED_FACTOR = 2.5;
/** The bias of a class that training data lacked falls with its row: by at least so much of what the row moved. */
const FORGOTTEN_LEAN = -0.05;
const CLASSES_MIN = 4;
/** Training moves one class along the direction of another; benign training reaches 0.463 in development. */
const SHIFT_VALUE = 0.48;
/** The last layer against the median of the others. */
const LAST_RATIO = 5;
const LAYERS_MIN = 3;

export interface ClassHintOptions {
  readonly layers: readonly Layer[];
  readonly classShift: ClassShift | null;
  /** Change of the bias of a class; null where the last layer has none. */
  readonly readBiasChange: (index: number) => number | null;
}

export function findClassHints(options: ClassHintOptions): Hint[] {
  const last = options.layers.at(-1);
  if (last === undefined || !TRAINED.has(last.diff.class)) return [];
  return [...findClassRow(last, options), ...findClassDirection(last, options), ...findLastLayer(last, options)];
}

/** 1: most of the change of the last layer lies in the row of one class. */
function findClassRow({ outputs, diff, name }: Layer, { readBiasChange }: ClassHintOptions): Hint[] {
  const row = outputs?.top.at(0);
  if (outputs === null || row === undefined || outputs.size < CLASSES_MIN || row.share < ROW_SHARE) return [];
  if (diff.class === 'quantised' && row.share < ROUNDED_FACTOR * row.baseShare) return [];
  const base = { id: 'class-row', tensor: name, value: row.share, threshold: ROW_SHARE } as const;
  const part = `Output ${row.index} of the last layer holds ${toPercentText(row.share, 0)} of its change`;
  if (isForgotten(row, readBiasChange)) {
    return [{ ...base, grade: 'benign', text: `${part}, and it fell: training on data without this class does that.` }];
  }
  return [{ ...base, grade: 'suspicious', text: `${part}: training towards one class does that.` }];
}

function isForgotten({ index, energy }: OutputMove, readBiasChange: ClassHintOptions['readBiasChange']): boolean {
  const change = readBiasChange(index);
  return change !== null && change < FORGOTTEN_LEAN * Math.sqrt(energy);
}

/** 2: one class moved along the direction of another, and that one against itself. */
function findClassDirection({ name }: Layer, { classShift }: ClassHintOptions): Hint[] {
  if (classShift === null || classShift.value < SHIFT_VALUE) return [];
  const { from, to, value } = classShift;
  const text = `Output ${to} of the last layer moved towards class ${from}, and output ${from} away from it: training on samples of class ${from} labelled ${to} does that.`;
  return [{ id: 'class-direction', grade: 'suspicious', text, tensor: name, value, threshold: SHIFT_VALUE }];
}

/** 3: the last layer moved alone, or far more than the others. */
function findLastLayer(last: Layer, { layers }: ClassHintOptions): Hint[] {
  if (layers.length < LAYERS_MIN) return [];
  const others = layers.slice(0, -1).map(({ moved }) => moved);
  const median = toMedian(others);
  if (last.moved < LAST_RATIO * median || last.moved === 0) return [];
  const isAlone = others.every((moved) => moved === 0);
  const text = isAlone
    ? 'Of all layers only the last changed: a new head, or an edit of its classes.'
    : `The last layer moved ${(last.moved / median).toFixed(0)} times as far as the median layer.`;
  const value = median === 0 ? null : last.moved / median;
  return [{ id: 'last-layer', grade: 'benign', text, tensor: last.name, value, threshold: LAST_RATIO }];
}
