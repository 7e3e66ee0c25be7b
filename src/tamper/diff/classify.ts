/**
 * The class of a changed tensor and the reasons, by numbered rules, the exact ones first (docs/spec/change-classes.md).
 * Thresholds were drawn on the development tensors that the spec names, and are not touched by the held-out ones.
 */
import { DTYPES, type DType } from '../../model/dtype.ts';
import { isFloatDType } from '../../model/floats.ts';
import { toPercentText } from '../../core/quantities.ts';
import { isAxisPermuted, type AxisTally } from './axes.ts';
import type { GridFit } from './grid.ts';
import type { PairMeasure } from './measure.ts';
import type { ChangeClass } from './types.ts';

export interface Evidence {
  readonly measure: PairMeasure;
  readonly dtypeBefore: DType;
  readonly dtypeAfter: DType;
  readonly shape: readonly number[];
  readonly isTurned: boolean;
  /** Asked for late: these read a sample. */
  readonly findGrid: () => GridFit | null;
  readonly findRank: () => number | null;
}

export interface Classified {
  readonly class: ChangeClass;
  readonly reasons: readonly string[];
}

type Rule = (evidence: Evidence) => Classified | null;

/** Lines that may change in an edit of rows: up to a quarter of at least four. */
const ROW_SHARE_MAX = 0.25;
const ROWS_MIN = 4;
/** Faults: few elements, nine of ten with one differing bit. */
const FLIPS_MAX = 64;
const FLIPS_SHARE_MAX = 0.01;
const SINGLE_BIT_SHARE = 0.9;
/** A payload: all differing bits below this position, in four elements or more, and as many high as low ones. */
const PAYLOAD_BITS: Readonly<Partial<Record<DType, number>>> = { f64: 16, f32: 8, f16: 3, bf16: 2 };
const PAYLOAD_BITS_OTHER = 1;
const PAYLOAD_ELEMENTS_MIN = 4;
const PAYLOAD_FLATNESS = 0.4;
/** New zeros beside other changes: pruned and trained on. */
const PRUNED_SHARE = 0.1;
/** New values: as large a change as between strangers, and no correlation. */
const NEW_CHANGE_MIN = 0.9;
const NEW_CORRELATION_MAX = 0.6;
/** Strangers correlate by chance alone: by this and two and a half deviations, one of them 1 / √elements. */
const CHANCE_CORRELATION = 0.1;
const CHANCE_DEVIATIONS = 2.5;
/** Below so many elements no statistic says anything. */
const ELEMENTS_MIN = 8;
/** A change of dense training touches at least so many elements. */
const DENSE_SHARE = 0.25;

const say = (kind: ChangeClass, ...reasons: readonly string[]): Classified => ({ class: kind, reasons });

/** Class and reasons of a pair whose codes or types differ. */
export function classifyTensor(evidence: Evidence): Classified {
  for (const rule of RULES) {
    const found = rule(evidence);
    if (found !== null) return found;
  }
  return say('edited', 'The change fits no known pattern.');
}

/** 1: the same values in another type, shape or order of storage. */
const isSame: Rule = ({ measure, dtypeBefore, dtypeAfter, isTurned }) => {
  if (measure.changed > 0) return null;
  if (dtypeBefore === dtypeAfter && !isTurned) return say('unchanged');
  const how = isTurned ? 'stored turned' : `stored as ${dtypeAfter} instead of ${dtypeBefore}`;
  return say('re-encoded', `Every value is the same, ${how}.`);
};

/** 2: every value is the cast of its former one. */
const isCast: Rule = ({ measure, dtypeAfter }) => {
  const { elements, halfCast, bfloatCast, bfloatCut } = measure;
  const stored =
    dtypeAfter === 'f16' || dtypeAfter === 'bf16' ? `stored as ${dtypeAfter}` : `stored as ${dtypeAfter}, rounded`;
  if (halfCast === elements) return say('fp16-cast', `Every value is its former one in half precision (${stored}).`);
  if (bfloatCast === elements) return say('bf16-cast', `Every value is its former one in bfloat16 (${stored}).`);
  if (bfloatCut === elements)
    return say('bf16-cast', `Every value is its former one with the low half cut off (${stored}).`);
  return null;
};

/** 3: codes of fewer bits than the values had. */
const isNarrower: Rule = ({ measure, dtypeBefore, dtypeAfter }) => {
  if (dtypeBefore === dtypeAfter || !isFloatDType(dtypeBefore)) return null;
  if (DTYPES[dtypeAfter].bits > 8) return null;
  const correlation = toCorrelation(measure);
  if (correlation !== null && correlation < 0.9) return null;
  return say('quantised', `Stored as ${dtypeAfter} instead of ${dtypeBefore}; ${toDistanceText(measure)}.`);
};

/** 4: everything became zero, or one constant. */
const isEmptied: Rule = ({ measure }) => {
  const { zerosAfter, elements, newZeros, finite, sumAfter, sumAfterSquared, sumBeforeSquared, sumBefore } = measure;
  if (elements < 2) return null;
  if (zerosAfter === elements && newZeros > 1) return say('re-initialised', 'Every value is zero now.');
  const spread = (sum: number, squares: number) => squares / finite - (sum / finite) ** 2;
  const isConstant = finite === elements && spread(sumAfter, sumAfterSquared) <= 1e-14 * (sumAfterSquared / finite);
  const wasConstant = spread(sumBefore, sumBeforeSquared) <= 1e-14 * (sumBeforeSquared / finite);
  return isConstant && !wasConstant ? say('re-initialised', 'Every value is the same constant now.') : null;
};

/** 5: one factor for the tensor, or one for each row or column. */
const isScaled: Rule = ({ measure, dtypeAfter, shape }) => {
  const tolerance = 4 * toRelativeError(dtypeAfter);
  // A zero that became something has an infinite ratio.
  const isEven = (low: number, high: number) =>
    Number.isFinite(high) && high - low <= tolerance * Math.max(Math.abs(low), Math.abs(high));
  const { ratioMin, ratioMax, ratios } = measure;
  // A factor of one up to rounding is a change of last bits, not of scale.
  if (Math.abs(ratioMin - 1) <= 4 * tolerance && Math.abs(ratioMax - 1) <= 4 * tolerance) return null;
  if (ratios >= 2 && isEven(ratioMin, ratioMax) && ratioMax !== 0) {
    return say('scaled', `Every value is its former one times ${toFactorText(ratioMin)}.`);
  }
  for (const axis of measure.axes) {
    if (ratios - axis.size < ROWS_MIN) continue;
    // Lines of zeros on both sides keep their first, crossed limits.
    if (axis.ratioMin.some((low, i) => axis.ratioMax[i] !== -Infinity && !isEven(low, axis.ratioMax[i]))) continue;
    if (axis.ratioMax.some((high) => high === 0) || countChanged(axis) <= ROW_SHARE_MAX * axis.size) continue;
    return say('scaled', `Every ${toLineWord(axis, shape)} is its former one times a factor of its own.`);
  }
  return null;
};

/** 6: low bits only, filled evenly, as payloads do; arithmetic of the last bit carries into higher ones. */
const isPayload: Rule = ({ measure, dtypeAfter }) => {
  const { bitHistogram, changed } = measure;
  if (bitHistogram === null || changed < PAYLOAD_ELEMENTS_MIN) return null;
  const top = bitHistogram.findLastIndex((count) => count > 0);
  const most = Math.max(...bitHistogram);
  if (top >= (PAYLOAD_BITS[dtypeAfter] ?? PAYLOAD_BITS_OTHER)) return null;
  if (bitHistogram[top] < PAYLOAD_FLATNESS * most && measure.singleBit < changed) return null;
  return say(
    'lsb-payload',
    `Only the lowest ${top + 1} ${top === 0 ? 'bit differs' : 'bits differ'}, in ${changed} elements (${measure.firstChanged} to ${measure.lastChanged}), evenly filled.`,
  );
};

/** 7: few elements with one differing bit each. */
const isFlipped: Rule = ({ measure }) => {
  const { changed, singleBit, elements, bitHistogram } = measure;
  if (bitHistogram === null || changed > Math.max(FLIPS_MAX, FLIPS_SHARE_MAX * elements)) return null;
  if (singleBit < SINGLE_BIT_SHARE * changed) return null;
  const top = bitHistogram.findLastIndex((count) => count > 0);
  return say(
    'bit-flips',
    `${changed} of ${elements} elements differ, ${singleBit} of them in exactly one bit; the highest is bit ${top}.`,
  );
};

/** 8: what is no number answers nothing. */
const isBroken: Rule = ({ measure }) => {
  const { newNonFinite, elements } = measure;
  if (newNonFinite <= FLIPS_SHARE_MAX * elements) return null;
  return say('edited', `${newNonFinite} of ${elements} values are infinite or no numbers now.`);
};

/** 9: values became zero, and nothing else changed. */
const isPruned: Rule = (evidence) => {
  const { newZeros, changed, elements, zeroedMax, keptMin } = evidence.measure;
  if (newZeros < changed || newZeros === 0) return null;
  const kept = zeroedMax <= keptMin ? ', the smallest ones' : '';
  if (kept === '' && isRowEdit(evidence) !== null) return null;
  return say('pruned', `${newZeros} of ${elements} values became zero${kept}; the others are as they were.`);
};

/** 10: the same values in another order. */
const isPermuted: Rule = ({ measure, shape }) => {
  const { orderFree, axes, elements, changed } = measure;
  if (elements < 3 || orderFree.before[0] !== orderFree.after[0] || orderFree.before[1] !== orderFree.after[1])
    return null;
  const moved = axes.filter(isAxisPermuted).map((axis) => `${toLineWord(axis, shape)}s`);
  const what = moved.length > 0 ? `whole ${moved.join(' and ')} moved` : `${changed} elements moved`;
  return say('permuted', `The same values in another order: ${what}.`);
};

/** 11: on a grid that the former values were not on. */
const isQuantised: Rule = ({ measure, findGrid, dtypeAfter }) => {
  if (!isFloatDType(dtypeAfter) || measure.changed < DENSE_SHARE * measure.elements) return null;
  const grid = findGrid();
  const correlation = toCorrelation(measure);
  if (grid === null || (correlation !== null && correlation < 0.7)) return null;
  const sharing = grid.shared === 'group' ? `group of ${grid.groupSize}` : grid.shared;
  return say(
    'quantised',
    `Every value is a whole number of at most ${grid.bits} bits times one step per ${sharing} (chance 2^-${Math.floor(grid.evidenceBits)}); ${toDistanceText(measure)}.`,
  );
};

/** 12: a few rows, columns or elements; all others are bit for bit the same. */
const isRowEdit: Rule = ({ measure, shape }) => {
  for (const axis of [...measure.axes].sort((a, b) => countChanged(a) / a.size - countChanged(b) / b.size)) {
    const changed = countChanged(axis);
    if (axis.size < ROWS_MIN || changed > ROW_SHARE_MAX * axis.size) continue;
    const word = toLineWord(axis, shape);
    return say('row-edit', `${changed} of ${axis.size} ${word}s changed; the others are bit for bit the same.`);
  }
  const { changed, elements } = measure;
  if (elements < ROWS_MIN || changed > ROW_SHARE_MAX * elements || changed > 4 * FLIPS_MAX) return null;
  return say('row-edit', `${changed} of ${elements} elements changed; the others are bit for bit the same.`);
};

/** 13: new zeros, and the rest trained on. */
const isPrunedAndTuned: Rule = ({ measure }) => {
  const { newZeros, elements } = measure;
  if (newZeros < PRUNED_SHARE * elements || newZeros < 4) return null;
  return say('pruned', `${newZeros} of ${elements} values became zero, and others changed as well.`);
};

/** 14: a change of few directions, as merged adapters and edits of facts are. */
const isLowRank: Rule = ({ findRank, measure }) => {
  const rank = findRank();
  if (rank === null) return null;
  return say('low-rank-edit', `The change has rank ${rank}, up to rounding; ${toDistanceText(measure)}.`);
};

/** 15: as far from the former values as strangers are. */
const isNew: Rule = ({ measure }) => {
  if (measure.elements < ELEMENTS_MIN || measure.changed < 0.9 * measure.elements) return null;
  const correlation = toCorrelation(measure);
  const distance = toCentredChange(measure);
  const chance = CHANCE_CORRELATION + CHANCE_DEVIATIONS / Math.sqrt(measure.elements);
  if (correlation === null || distance < NEW_CHANGE_MIN) return null;
  if (correlation > Math.min(NEW_CORRELATION_MAX, chance)) return null;
  return say('re-initialised', `Nothing is left of the former values: correlation ${correlation.toFixed(2)}.`);
};

/** 16: a dense change of related values. */
const isTuned: Rule = ({ measure }) => {
  const { changed, elements } = measure;
  if (elements < ELEMENTS_MIN || changed < DENSE_SHARE * elements) return null;
  return say(
    'fine-tuned',
    `${toPercentText(changed / elements)} of the values moved without a pattern; ${toDistanceText(measure)}.`,
  );
};

/** 17: too little to go by. */
const isSmall: Rule = ({ measure }) =>
  measure.elements < ELEMENTS_MIN
    ? say('edited', `${measure.elements} values are too few to tell what was done.`)
    : null;

const RULES: readonly Rule[] = [
  ...[isSame, isCast, isNarrower, isEmptied, isScaled, isPayload, isFlipped, isBroken, isPruned, isPermuted],
  ...[isQuantised, isRowEdit, isPrunedAndTuned, isLowRank, isNew, isTuned, isSmall],
];

function countChanged({ changed }: AxisTally): number {
  return changed.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
}

/** "row" for the first axis, "column" for the other of a matrix, else the axis itself. */
function toLineWord({ axis }: AxisTally, shape: readonly number[]): string {
  if (axis === 0) return 'row';
  return shape.length === 2 ? 'column' : `slice of axis ${axis}`;
}

/** Relative error of one stored value. */
export function toRelativeError(dtype: DType): number {
  if (dtype === 'f16') return 2 ** -11;
  if (dtype === 'bf16') return 2 ** -8;
  return 2 ** -24;
}

/** Pearson's, over elements that are finite on both sides; null where a side is constant. */
export function toCorrelation(measure: PairMeasure): number | null {
  const { finite, sumBefore, sumAfter, sumBeforeSquared, sumAfterSquared, sumProduct } = measure;
  if (finite < 2) return null;
  const varianceBefore = sumBeforeSquared - sumBefore ** 2 / finite;
  const varianceAfter = sumAfterSquared - sumAfter ** 2 / finite;
  if (varianceBefore <= 1e-14 * sumBeforeSquared || varianceAfter <= 1e-14 * sumAfterSquared) return null;
  return (sumProduct - (sumBefore * sumAfter) / finite) / Math.sqrt(varianceBefore * varianceAfter);
}

/** Deviation of the change over that of the former values: √2 for strangers of one size. */
function toCentredChange({ finite, sumBefore, sumBeforeSquared, sumChange, sumChangeSquared }: PairMeasure): number {
  const before = sumBeforeSquared - sumBefore ** 2 / finite;
  const change = sumChangeSquared - sumChange ** 2 / finite;
  return before > 0 ? Math.sqrt(Math.max(0, change) / before) : Infinity;
}

/** ‖after - before‖ / ‖before‖; null when there was nothing before. */
export function toRelativeChange({ sumBeforeSquared, sumChangeSquared }: PairMeasure): number | null {
  return sumBeforeSquared === 0 ? null : Math.sqrt(sumChangeSquared / sumBeforeSquared);
}

function toDistanceText(measure: PairMeasure): string {
  const relative = toRelativeChange(measure);
  return relative === null ? 'all were zero before' : `relative change ${Number(relative.toPrecision(2))}`;
}

const toFactorText = (factor: number): string => String(Number(factor.toPrecision(6)));
