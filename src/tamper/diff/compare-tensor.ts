/** Compares one pair of tensors: the bytes first, then figures, class and reasons for those that differ. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { Progress } from '../../core/ports.ts';
import { findCodeBit, isDecodableBlock } from '../../model/blocks.ts';
import { toBlockSize } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import type { AxisTally } from './axes.ts';
import { classifyTensor, toCorrelation, toRelativeChange, toRelativeError } from './classify.ts';
import { findGrid, type GridFit } from './grid.ts';
import { findRank, type Spectrum, toSpectrum } from './low-rank.ts';
import { type ElementChange, measurePair, type PairMeasure } from './measure.ts';
import { type SampleMatrix, samplePair } from './sample.ts';
import { toTurned } from './turned.ts';
import type { LineChange, TensorDiff, TensorFigures } from './types.ts';
import { isNumeric, openElements } from './values.ts';

export interface CompareTensorOptions {
  readonly before: TensorRef;
  readonly after: TensorRef;
  readonly isTurned: boolean;
  /** How many changed elements may still be listed. */
  readonly listMax: number;
  readonly progress: Progress;
}

export type Compared = Pick<TensorDiff, 'class' | 'reasons' | 'figures' | 'bitHistogram' | 'lines' | 'listed'> & {
  readonly axes: readonly AxisTally[];
};

const NOTHING = { figures: null, bitHistogram: null, lines: [], listed: [], axes: [] } as const;

/** True when both have the same logical bytes of the same type. @throws FormatError | SourceError */
function hasSameBytes(before: TensorRef, after: TensorRef, progress: Progress): boolean {
  if (before.dtype !== after.dtype || before.byteLength !== after.byteLength) return false;
  const size = Math.min(before.byteLength, 1024 * 1024);
  const [a, b] = [Buffer.alloc(size), Buffer.alloc(size)];
  for (let offset = 0; offset < before.byteLength; offset += size) {
    const length = Math.min(size, before.byteLength - offset);
    before.read(offset, a.subarray(0, length));
    after.read(offset, b.subarray(0, length));
    if (!a.subarray(0, length).equals(b.subarray(0, length))) return false;
    progress.advance(length);
  }
  return true;
}

/** @throws FormatError | SourceError */
export function compareTensor(options: CompareTensorOptions): Compared {
  const { before, after, isTurned, progress } = options;
  if (!isTurned && hasSameBytes(before, after, progress)) return { ...NOTHING, class: 'unchanged', reasons: [] };
  if (!isNumeric(before) || !isNumeric(after)) {
    return { ...NOTHING, class: null, reasons: [`Elements of ${before.dtype} and ${after.dtype} cannot be compared.`] };
  }
  const now = isTurned ? toTurned(after) : after;
  const readers = { before: openElements(before), after: openElements(now) };
  const measure = measurePair({ before, after: now, readers, listMax: options.listMax, progress });
  let sample: SampleMatrix | undefined;
  const toSample = () => (sample ??= samplePair({ shape: now.shape, readers }));
  const late: { grid: GridFit | null; rank: number | null; spectrum: Spectrum | null } = {
    ...{ grid: null, rank: null, spectrum: null },
  };
  const relativeError = toRelativeError(after.dtype);
  const classified = classifyTensor({
    ...{ measure, dtypeBefore: before.dtype, dtypeAfter: after.dtype, shape: now.shape, isTurned },
    findGrid: () => (late.grid = findNewGrid(toSample(), toRelativeError(before.dtype), relativeError)),
    findRank: () => {
      const found = findChangeRank(toSample(), relativeError);
      late.spectrum = found.spectrum;
      return (late.rank = found.rank);
    },
  });
  // Training on pruned weights leaves the same directions as training on all of them.
  if (classified.class === 'pruned' && measure.newZeros < measure.changed) {
    late.spectrum = findChangeRank(toKept(toSample()), relativeError).spectrum;
  }
  if (classified.class === 'quantised' && late.grid !== null) {
    const { spectrum } = findChangeRank(toSample(), relativeError);
    late.spectrum = toUnrounded(spectrum, toSample().after.length, late.grid.step);
  }
  return {
    class: classified.class,
    reasons: [...classified.reasons, ...toPlaces(classified.class, measure.listed)],
    figures: { ...toFigures(measure), ...toLateFigures(late, 1 - measure.newZeros / measure.elements) },
    bitHistogram: measure.bitHistogram === null ? null : [...measure.bitHistogram],
    lines: toLines(measure),
    listed: isDecodableBlock(before.dtype)
      ? listBlocks(before, after, measure.listed, options.listMax)
      : measure.listed,
    axes: measure.axes,
  };
}

/** A grid that was there before is no news. */
function findNewGrid(sample: SampleMatrix, errorBefore: number, errorAfter: number): GridFit | null {
  const grid = findGrid(sample, sample.after, errorAfter);
  if (grid === null) return null;
  const former = findGrid(sample, sample.before, errorBefore);
  return former !== null && former.bits <= grid.bits ? null : grid;
}

function findChangeRank(
  { rows, columns, before, after }: SampleMatrix,
  relativeError: number,
): { readonly rank: number | null; readonly spectrum: Spectrum | null } {
  if (rows < 3 || columns < 3) return { rank: null, spectrum: null };
  let noise = 0;
  const data = after.map((value, i) => {
    // A value is off by at most half a step; its square is a third of that on average.
    noise += (value * relativeError) ** 2;
    const change = value - before[i];
    return Number.isFinite(change) ? change : 0;
  });
  const spectrum = toSpectrum({ rows, columns, data });
  return { rank: findRank(spectrum, Math.min(rows, columns), noise), spectrum };
}

/** Above this part of the change, rounding hides what training did. */
const ROUNDING_PART_MAX = 0.25;

/** Without what rounding to a grid adds: a twelfth of a squared step for each value, in all directions alike. */
function toUnrounded(spectrum: Spectrum | null, values: number, step: number): Spectrum | null {
  const rounding = (values * step ** 2) / 12;
  if (spectrum === null || rounding > ROUNDING_PART_MAX * spectrum.total) return null;
  return { ...spectrum, total: spectrum.total - rounding };
}

/** Where flipped bits are: a sentence, so that every form of the report has it. */
function toPlaces(kind: string, listed: readonly ElementChange[]): string[] {
  if (kind !== 'bit-flips') return [];
  const places = listed
    .slice(0, DIFF_LIMITS.linesListedMax)
    .map(({ element, bits }) => `element ${element} bit ${(bits ?? []).join(' and ')}`);
  return [`At ${places.join(', ')}${listed.length > places.length ? ', …' : ''}.`];
}

/** The sample with what became zero as it was. */
function toKept(sample: SampleMatrix): SampleMatrix {
  return { ...sample, after: sample.after.map((value, i) => (value === 0 ? sample.before[i] : value)) };
}

function toFigures(measure: PairMeasure): Omit<TensorFigures, 'deltaRank' | 'leadingShare' | 'grid'> {
  const { elements, changed, singleBit, newZeros, newNonFinite, maxChange, finite, orderFree } = measure;
  const first = measure.axes.find(({ axis }) => axis === 0);
  return {
    ...{ elements, changed, singleBit, newZeros, newNonFinite, maxChange },
    changedShare: elements === 0 ? 0 : changed / elements,
    bitsChanged: measure.bitHistogram === null ? null : measure.bitHistogram.reduce((sum, count) => sum + count, 0),
    relativeChange: toRelativeChange(measure),
    correlation: toCorrelation(measure),
    meanChange: finite === 0 ? 0 : measure.sumChange / finite,
    ratios: Number.isFinite(measure.ratioMax) && measure.ratios > 0 ? [measure.ratioMin, measure.ratioMax] : null,
    hasSameValues: orderFree.before.every((sum, i) => sum === orderFree.after[i]),
    halfExactShare: measure.halfExact / elements,
    bfloatExactShare: measure.bfloatExact / elements,
    rowsChanged: first === undefined ? null : [first.changed.filter((count) => count > 0).length, first.size],
  };
}

/** @param kept share of the elements that were not pruned: a mask thins one direction by its square, all by itself */
function toLateFigures(
  late: { readonly grid: GridFit | null; readonly rank: number | null; readonly spectrum: Spectrum | null },
  kept: number,
): Pick<TensorFigures, 'deltaRank' | 'leadingShare' | 'grid'> {
  const { spectrum } = late;
  const hasSpectrum = spectrum !== null && spectrum.total > 0;
  const leadingShare = hasSpectrum ? Math.min(1, spectrum.energies[0] / spectrum.total / kept) : null;
  return { deltaRank: late.rank, leadingShare, grid: late.grid };
}

/** Rows and columns with the largest change, when not nearly all of an axis changed. */
function toLines({ axes }: PairMeasure): LineChange[] {
  return axes.flatMap((axis) => {
    const touched = [...axis.changed.keys()].filter((index) => axis.changed[index] > 0);
    const total = axis.energy.reduce((sum, energy) => sum + energy, 0);
    return touched
      .sort((a, b) => axis.energy[b] - axis.energy[a] || a - b)
      .slice(0, DIFF_LIMITS.linesListedMax)
      .map((index) => ({
        axis: axis.axis,
        index,
        changed: axis.changed[index],
        energyShare: total === 0 ? 0 : axis.energy[index] / total,
      }));
  });
}

/**
 * Quantised blocks: a flipped bit of a code belongs to one element; one of a scale changes all of its block. Elements
 * whose code differs get the bits of their codes.
 */
function listBlocks(
  before: TensorRef,
  after: TensorRef,
  listed: readonly ElementChange[],
  listMax: number,
): readonly ElementChange[] {
  if (before.dtype !== after.dtype || !isDecodableBlock(before.dtype)) return listed;
  const { elements, bytes } = toBlockSize(before.dtype);
  const dtype = before.dtype;
  const bitsOf = new Map<number, number[]>();
  const [a, b] = [new Uint8Array(bytes), new Uint8Array(bytes)];
  for (const block of new Set(listed.map(({ element }) => Math.floor(element / elements)))) {
    before.read(block * bytes, a);
    after.read(block * bytes, b);
    for (let position = 0; position < bytes * 8; position++) {
      const byte = position >>> 3;
      if ((((a[byte] ^ b[byte]) >>> (position & 7)) & 1) === 0) continue;
      const code = findCodeBit(dtype, position);
      if (code === undefined) continue;
      const element = block * elements + code.element;
      bitsOf.set(element, [...(bitsOf.get(element) ?? []), code.bit]);
    }
  }
  return listed
    .slice(0, listMax)
    .map((change) => ({ ...change, bits: bitsOf.get(change.element)?.sort((x, y) => x - y) ?? null }));
}
