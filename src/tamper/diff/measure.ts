/** Figures of one pair of tensors from one pass in flat memory: bits, zeros, casts, sums, order, rows and columns. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { Progress } from '../../core/ports.ts';
import type { TensorRef } from '../../model/types.ts';
import { addToAxis, type AxisTally, createAxes, type ElementPair, hashNumber, mixWord } from './axes.ts';
import { roundBfloat, roundHalf, truncateBfloat } from './casts.ts';
import { decodeCodes, type ElementReader, toCodeBits } from './values.ts';

/** One changed element. */
export interface ElementChange {
  /** Row-major number. */
  readonly element: number;
  /** Null where the number is not finite, so that the record stays JSON. */
  readonly before: number | null;
  readonly after: number | null;
  /** Differing bits of the code, 0 = lowest; null across types and in quantised blocks. */
  readonly bits: readonly number[] | null;
}

export interface PairMeasure {
  readonly elements: number;
  /** Elements with another code, or across types another value. */
  changed: number;
  /** Differing bits by position, 0 = lowest of the code; null across types and in quantised blocks. */
  readonly bitHistogram: Float64Array | null;
  /** Changed elements with exactly one differing bit. */
  singleBit: number;
  newZeros: number;
  lostZeros: number;
  zerosBefore: number;
  zerosAfter: number;
  /** Elements that were numbers and are none now. */
  newNonFinite: number;
  /** Sums over elements that are finite on both sides. */
  finite: number;
  sumBefore: number;
  sumAfter: number;
  sumBeforeSquared: number;
  sumAfterSquared: number;
  sumProduct: number;
  sumChange: number;
  sumAbsoluteChange: number;
  sumChangeSquared: number;
  maxChange: number;
  /** Elements that are the cast of their former value. */
  halfCast: number;
  bfloatCast: number;
  bfloatCut: number;
  /** Elements that half precision and bfloat16 hold exactly. */
  halfExact: number;
  bfloatExact: number;
  /** Smallest and largest after / before, where either is not zero. */
  ratioMin: number;
  ratioMax: number;
  /** Elements not zero on both sides. */
  ratios: number;
  firstChanged: number;
  lastChanged: number;
  /** The largest value that became zero, and the smallest that did not. */
  zeroedMax: number;
  keptMin: number;
  /** Sums of element hashes: equal when both sides hold the same values in any order. */
  readonly orderFree: { before: [number, number]; after: [number, number] };
  readonly axes: readonly AxisTally[];
  readonly listed: ElementChange[];
}

export interface MeasureOptions {
  readonly before: TensorRef;
  readonly after: TensorRef;
  readonly readers: { readonly before: ElementReader; readonly after: ElementReader };
  /** How many changed elements may be listed. */
  readonly listMax: number;
  readonly progress: Progress;
}

function createMeasure({ before, after }: MeasureOptions): PairMeasure {
  const bits = before.dtype === after.dtype ? toCodeBits(before) : 0;
  return {
    elements: before.elementCount,
    bitHistogram: bits === 0 ? null : new Float64Array(bits),
    ...{ changed: 0, singleBit: 0, newZeros: 0, lostZeros: 0, zerosBefore: 0, zerosAfter: 0, newNonFinite: 0 },
    ...{ finite: 0, sumBefore: 0, sumAfter: 0, sumBeforeSquared: 0, sumAfterSquared: 0, sumProduct: 0 },
    ...{ sumChange: 0, sumAbsoluteChange: 0, sumChangeSquared: 0, maxChange: 0 },
    ...{ halfCast: 0, bfloatCast: 0, bfloatCut: 0, halfExact: 0, bfloatExact: 0 },
    ...{ ratioMin: Infinity, ratioMax: -Infinity, ratios: 0, firstChanged: -1, lastChanged: -1 },
    ...{ zeroedMax: 0, keptMin: Infinity },
    orderFree: { before: [0, 0], after: [0, 0] },
    axes: createAxes(after.shape),
    listed: [],
  };
}

/** Compares two tensors with equal numbers of elements. @throws FormatError | SourceError */
export function measurePair(options: MeasureOptions): PairMeasure {
  const { readers, progress, before } = options;
  const measure = createMeasure(options);
  const size = Math.min(DIFF_LIMITS.chunkElements, before.elementCount);
  const [a, b] = [new Float64Array(size), new Float64Array(size)];
  const codes = measure.bitHistogram === null ? null : createCodes(size);
  // One record for all elements: a fresh one for each would cost more than the sums.
  const element = { index: 0, before: 0, after: 0, isChanged: false, hashBefore: 0, hashAfter: 0 };
  for (let first = 0; first < before.elementCount; first += size) {
    const count = Math.min(size, before.elementCount - first);
    const [valuesBefore, valuesAfter] = [a.subarray(0, count), b.subarray(0, count)];
    readers.before.readValues(first, valuesBefore);
    readers.after.readValues(first, valuesAfter);
    if (codes !== null) fillCodes(codes, options, first, count);
    for (let i = 0; i < count; i++) {
      const bits = codes === null ? null : addBits(measure, codes, i);
      const isChanged = bits === null ? !Object.is(valuesBefore[i], valuesAfter[i]) : bits > 0;
      element.index = first + i;
      element.before = valuesBefore[i];
      element.after = valuesAfter[i];
      element.isChanged = isChanged;
      addElement(measure, element);
      if (isChanged && measure.listed.length < options.listMax) {
        measure.listed.push(toElementChange(first + i, valuesBefore[i], valuesAfter[i], codes, i));
      }
    }
    progress.advance(count);
  }
  return measure;
}

interface Codes {
  readonly bits: number;
  readonly lowBefore: Uint32Array;
  readonly highBefore: Uint32Array;
  readonly lowAfter: Uint32Array;
  readonly highAfter: Uint32Array;
}

interface MutableCodes extends Codes {
  bits: number;
}

function createCodes(size: number): MutableCodes {
  const make = () => new Uint32Array(size);
  return { bits: 0, lowBefore: make(), highBefore: make(), lowAfter: make(), highAfter: make() };
}

function fillCodes(codes: MutableCodes, { before, readers }: MeasureOptions, first: number, count: number): void {
  codes.bits = toCodeBits(before);
  const cut = (words: Uint32Array) => words.subarray(0, count);
  decodeCodes(codes.bits, readers.before.readBytes(first, count), cut(codes.lowBefore), cut(codes.highBefore));
  decodeCodes(codes.bits, readers.after.readBytes(first, count), cut(codes.lowAfter), cut(codes.highAfter));
}

/** Counts differing bits of element `i`. @returns how many */
function addBits(measure: PairMeasure, codes: Codes, i: number): number {
  const low = codes.lowBefore[i] ^ codes.lowAfter[i];
  const high = codes.highBefore[i] ^ codes.highAfter[i];
  if (low === 0 && high === 0) return 0;
  const histogram = measure.bitHistogram!;
  let count = 0;
  for (let bits = low >>> 0; bits !== 0; bits = (bits & (bits - 1)) >>> 0) {
    histogram[31 - Math.clz32(bits & -bits)] += 1;
    count += 1;
  }
  for (let bits = high >>> 0; bits !== 0; bits = (bits & (bits - 1)) >>> 0) {
    histogram[63 - Math.clz32(bits & -bits)] += 1;
    count += 1;
  }
  if (count === 1) measure.singleBit += 1;
  return count;
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function toElementChange(
  element: number,
  before: number,
  after: number,
  codes: Codes | null,
  i: number,
): ElementChange {
  const bits: number[] = [];
  if (codes !== null) {
    const words = [codes.lowBefore[i] ^ codes.lowAfter[i], codes.highBefore[i] ^ codes.highAfter[i]];
    for (let bit = 0; bit < codes.bits; bit++) if (((words[bit >>> 5] >>> (bit & 31)) & 1) === 1) bits.push(bit);
  }
  const values = { before: finiteOrNull(before), after: finiteOrNull(after) };
  return { element, ...values, bits: codes === null ? null : bits };
}

function addElement(measure: PairMeasure, element: ElementPair): void {
  const { index, before, after, isChanged } = element;
  if (isChanged) {
    measure.changed += 1;
    if (measure.firstChanged < 0) measure.firstChanged = index;
    measure.lastChanged = index;
  }
  addZeros(measure, before, after);
  addSums(measure, before, after);
  addCasts(measure, before, after);
  element.hashBefore = hashNumber(before);
  element.hashAfter = hashNumber(after);
  addOrderFree(measure.orderFree.before, element.hashBefore);
  addOrderFree(measure.orderFree.after, element.hashAfter);
  for (const axis of measure.axes) addToAxis(axis, element);
}

function addOrderFree(sums: [number, number], hash: number): void {
  sums[0] = (sums[0] + hash) | 0;
  sums[1] = (sums[1] + mixWord(hash ^ 0x5bd1e995)) | 0;
}

function addZeros(measure: PairMeasure, before: number, after: number): void {
  const size = Math.abs(before);
  if (before === 0) {
    measure.zerosBefore += 1;
    if (after !== 0) measure.lostZeros += 1;
  }
  if (after === 0) {
    measure.zerosAfter += 1;
    if (before !== 0) measure.newZeros += 1;
    if (size > measure.zeroedMax) measure.zeroedMax = size;
  } else if (size < measure.keptMin) measure.keptMin = size;
}

function addSums(measure: PairMeasure, before: number, after: number): void {
  const change = after - before;
  if (!Number.isFinite(change)) {
    if (Number.isFinite(before)) measure.newNonFinite += 1;
    return;
  }
  measure.finite += 1;
  measure.sumBefore += before;
  measure.sumAfter += after;
  measure.sumBeforeSquared += before * before;
  measure.sumAfterSquared += after * after;
  measure.sumProduct += before * after;
  measure.sumChange += change;
  measure.sumChangeSquared += change * change;
  const size = Math.abs(change);
  measure.sumAbsoluteChange += size;
  if (size > measure.maxChange) measure.maxChange = size;
  if (before !== 0 || after !== 0) {
    const ratio = before === 0 ? Infinity : after / before;
    measure.ratios += 1;
    if (ratio < measure.ratioMin) measure.ratioMin = ratio;
    if (ratio > measure.ratioMax) measure.ratioMax = ratio;
  }
}

function addCasts(measure: PairMeasure, before: number, after: number): void {
  if (after === roundHalf(before)) measure.halfCast += 1;
  if (after === roundBfloat(before)) measure.bfloatCast += 1;
  if (after === truncateBfloat(before)) measure.bfloatCut += 1;
  if (after === roundHalf(after)) measure.halfExact += 1;
  if (after === roundBfloat(after)) measure.bfloatExact += 1;
}
