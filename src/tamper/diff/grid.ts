/** Whether values lie on a coarse grid, as integers times a step: what quantised weights are, also after decoding. */
import type { SampleMatrix } from './sample.ts';

export interface GridFit {
  /** Which values share a step. */
  readonly shared: 'tensor' | 'row' | 'column' | 'group';
  /** Values per step, for groups. */
  readonly groupSize: number | null;
  /** Bits of the integers: the fewest of 2, 4, 5, 6, 8 that hold them. */
  readonly bits: number;
  /** Mean step. */
  readonly step: number;
  /** -log2 of the chance that values off any grid fit as well; at least 24. */
  readonly evidenceBits: number;
}

/** Below this, chance is not excluded over a million tensors. */
const EVIDENCE_MIN_BITS = 24;
/** A few groups may miss: values that were clipped or changed later. */
const FITTING_SHARE = 0.98;
const SIZES = [1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 127, 128, 255] as const;

interface LineFit {
  readonly levels: number;
  readonly step: number;
  readonly evidenceBits: number;
}

/**
 * The coarsest sharing under which the sample lies on a grid: one step for the tensor, for each row, for each column,
 * or for each group of 32, 64 or 128 values.
 * @param relativeError of one stored value: 2^-24 for f32, 2^-11 for f16
 */
export function findGrid(sample: SampleMatrix, values: Float64Array, relativeError: number): GridFit | null {
  const { rows, columns } = sample;
  const plans: { shared: GridFit['shared']; size: number | null; lines: Cut }[] = [
    { shared: 'tensor', size: null, lines: (all) => [all] },
    { shared: 'row', size: null, lines: (all) => (rows < 2 ? [] : toRuns(all, columns)) },
    { shared: 'column', size: null, lines: (all) => (rows < 2 ? [] : toColumns(all, columns)) },
    ...[128, 64, 32].map((size) => ({
      shared: 'group' as const,
      size,
      lines: (all: Float64Array) => toGroups(sample, all, size),
    })),
  ];
  for (const { shared, size, lines } of plans) {
    const fit = fitLines(lines(values), lines(sample.before), relativeError);
    if (fit !== null) return { shared, groupSize: size, ...fit };
  }
  return null;
}

type Cut = (values: Float64Array) => readonly Float64Array[];

function toRuns(values: Float64Array, size: number): Float64Array[] {
  return Array.from({ length: values.length / size }, (_, i) => values.subarray(i * size, (i + 1) * size));
}

function toColumns(values: Float64Array, columns: number): Float64Array[] {
  const rows = values.length / columns;
  return Array.from({ length: columns }, (_, at) =>
    Float64Array.from({ length: rows }, (_, i) => values[i * columns + at]),
  );
}

/** Groups run on over the ends of rows; in a part of a tensor only whole runs are known to be whole groups. */
function toGroups({ columns, isWhole }: SampleMatrix, values: Float64Array, size: number): Float64Array[] {
  if (values.length % size !== 0 || (!isWhole && columns % size !== 0)) return [];
  return toRuns(values, size);
}

/** @param former the values that stood there: so many different ones cannot fall on one code by chance */
function fitLines(
  lines: readonly Float64Array[],
  former: readonly Float64Array[],
  relativeError: number,
): Pick<GridFit, 'bits' | 'step' | 'evidenceBits'> | null {
  let [fitting, judged, evidenceBits, levels, steps] = [0, 0, 0, 1, 0];
  const missesMax = Math.floor(lines.length * (1 - FITTING_SHARE));
  for (const [index, line] of lines.entries()) {
    const distinct = toDistinct(line);
    // One value and zero lie on a grid of their own making.
    if (distinct.length < 2) continue;
    judged += 1;
    const fit = fitLine(distinct, toDistinct(former[index]).length, relativeError);
    if (fit === null) {
      if (judged - fitting > missesMax) return null;
      continue;
    }
    fitting += 1;
    evidenceBits += fit.evidenceBits;
    levels = Math.max(levels, fit.levels);
    steps += fit.step;
  }
  if (judged === 0 || fitting < FITTING_SHARE * judged || evidenceBits < EVIDENCE_MIN_BITS) return null;
  return { bits: toBits(levels), step: steps / fitting, evidenceBits };
}

function toBits(levels: number): number {
  return [2, 4, 5, 6, 8].find((bits) => levels <= 2 ** (bits - 1)) ?? 8;
}

/** Distinct finite values without zero, ascending; more than a grid of 8 bits has are not collected. */
function toDistinct(line: Float64Array): number[] {
  const seen = new Set<number>();
  for (const value of line) {
    if (value !== 0 && Number.isFinite(value)) seen.add(value);
    if (seen.size > 511) break;
  }
  return [...seen].sort((a, b) => a - b);
}

function fitLine(distinct: readonly number[], distinctBefore: number, relativeError: number): LineFit | null {
  if (distinct.length > 255) return null;
  const candidates = toCandidates(distinct);
  for (const { step, offset } of candidates) {
    const fit = fitStep(distinct, step, offset, relativeError);
    if (fit === null) continue;
    const free = Math.max(distinct.length, distinctBefore) - (offset === 0 ? 1 : 2);
    const perValue = Math.log2(1 / (2 * fit.tolerance));
    return {
      levels: fit.levels,
      step,
      evidenceBits: Math.max(0, free * perValue - Math.log2(candidates.length)),
    };
  }
  return null;
}

interface Candidate {
  readonly step: number;
  /** Zero, or the value that the lowest code stands for. */
  readonly offset: number;
}

/** Steps that put the largest value, or the smallest gap, on a whole number; then the same with a free offset. */
function toCandidates(distinct: readonly number[]): Candidate[] {
  const low = distinct[0];
  const high = distinct[distinct.length - 1];
  const top = Math.max(Math.abs(low), Math.abs(high));
  let gap = Infinity;
  for (let i = 1; i < distinct.length; i++) gap = Math.min(gap, distinct[i] - distinct[i - 1]);
  const steps = [
    ...SIZES.map((size) => top / size),
    // The gap of two large values is known less well than the values: the largest one sharpens it.
    ...[1, 2, 3, 4, 5, 6].map((parts) => top / Math.round((top * parts) / gap)),
    ...[254, 255, 15, 31].map((size) => (high - low) / size),
  ];
  const offsets = [15, 31, 63, 255].map((size) => ({ step: (high - low) / size, offset: low }));
  return [...steps.map((step) => ({ step, offset: 0 })), ...offsets].filter(({ step }) => step > 0);
}

function fitStep(
  distinct: readonly number[],
  step: number,
  offset: number,
  relativeError: number,
): { readonly levels: number; readonly tolerance: number } | null {
  let levels = 0;
  let tolerance = 0;
  for (const value of distinct) {
    const code = (value - offset) / step;
    const size = Math.abs(code);
    if (size > 256) return null;
    // The stored value and the step are both rounded; an offset brings its own error.
    const allowed = Math.max(1e-4, 4 * relativeError * (size + 1 + Math.abs(offset / step)));
    if (allowed > 0.1 || Math.abs(code - Math.round(code)) > allowed) return null;
    levels = Math.max(levels, size);
    tolerance = Math.max(tolerance, allowed);
  }
  return { levels: offset === 0 ? Math.round(levels) : Math.round(levels) / 2, tolerance };
}
