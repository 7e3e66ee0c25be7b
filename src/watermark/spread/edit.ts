/** The change that a mark makes, as a function of position: the same for a preview and for the file, in any cut. */
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { DTYPES, type DType, isBlockDType } from '../../model/dtype.ts';
import type { TensorEdit } from '../../model/types.ts';
import {
  decodeElements,
  type ElementSource,
  encodeElements,
  needsDither,
  shiftBlocks,
  shiftElements,
} from '../elements.ts';
import { type Layout, listSegments, listSegmentsIn, type Segment } from './layout.ts';
import type { LayerSums, LayerView } from './measure.ts';
import { type LayerShape, shapeChange } from './shape.ts';
import type { SlotSource } from './slots.ts';

/** Everything that the change of a weight depends on, besides its value. */
export interface MarkShifts {
  readonly layout: Layout;
  readonly slots: SlotSource;
  /** Standard deviation of each layer's original weights. */
  readonly deviations: Float64Array;
  /** Shift of each slot code's positions (see SlotSource.codes), in standard deviations. */
  readonly byCode: Float64Array;
  /** What the changes of each layer keep out of; null when they are left as the codes say. */
  readonly shapes: readonly LayerShape[] | null;
  /** Shaped changes of each layer in standard deviations, made when they are first asked for. */
  readonly changes: (Float32Array | null)[];
}

/** Raises the shift of each bit's positions along their chips. */
export function raiseShifts({ byCode, changes, layout }: MarkShifts, byBit: Float64Array): void {
  for (let i = 0; i < layout.bits; i++) {
    byCode[i] += byBit[i];
    byCode[i + layout.bits] -= byBit[i];
  }
  changes.fill(null);
}

/** The changes of a layer by element; null when they follow from the codes alone. */
function findChange(shifts: MarkShifts, layerIndex: number): Float32Array | null {
  const { layout, slots, byCode, shapes, changes } = shifts;
  if (shapes === null) return null;
  const known = changes[layerIndex];
  if (known !== null) return known;
  const { elementCount } = layout.layers[layerIndex];
  const change = new Float32Array(elementCount);
  for (const { first, count, tile, tileOffset } of listSegmentsIn(layout, layerIndex, 0, elementCount)) {
    const codes = slots.codes(tile);
    for (let i = 0; i < count; i++) change[first + i] = byCode[codes[tileOffset + i]];
  }
  shapeChange(shapes[layerIndex], change);
  changes[layerIndex] = change;
  return change;
}

const NO_DITHER = new Float32Array(0);
const buffer = (): Float64Array => new Float64Array(WATERMARK_LIMITS.tileWeights);

/** Shifts of elements [first, first + into.length), which are positions of one tile from `tileOffset`. */
function fillShifts(
  shifts: MarkShifts,
  { layerIndex, first, tile, tileOffset }: Omit<Segment, 'count'>,
  into: Float64Array,
): Float32Array {
  const { layout, slots, deviations, byCode } = shifts;
  const deviation = deviations[layerIndex];
  const change = findChange(shifts, layerIndex);
  const codes = change === null ? slots.codes(tile) : null;
  for (let i = 0; i < into.length; i++) {
    into[i] = deviation * (codes === null ? change![first + i] : byCode[codes[tileOffset + i]]);
  }
  if (!needsDither(layout.layers[layerIndex].layer.dtype)) return NO_DITHER;
  return slots.dither(tile).subarray(tileOffset, tileOffset + into.length);
}

/** The layer as it will be read back after the edit; runs must not cross tiles, as those of `listSegments`. */
export function createMarkedView(shifts: MarkShifts, layerIndex: number, plain: ElementSource): LayerView {
  const { start } = shifts.layout.layers[layerIndex];
  const scratch = buffer();
  return {
    read: (first, into) => {
      const moves = scratch.subarray(0, into.length);
      const tile = Math.floor((start + first) / WATERMARK_LIMITS.tileWeights);
      const tileOffset = start + first - tile * WATERMARK_LIMITS.tileWeights;
      plain.readShifted(first, into, moves, fillShifts(shifts, { layerIndex, first, tile, tileOffset }, moves));
    },
  };
}

/** The edit of one layer's tensor. */
export function createEdit(shifts: MarkShifts, layerIndex: number): TensorEdit {
  const { layer, elementCount } = shifts.layout.layers[layerIndex];
  const { bits } = DTYPES[layer.dtype];
  const apply = (byteOffset: number, chunk: Uint8Array): void => {
    const chunkFirst = (byteOffset * 8) / bits;
    const chunkCount = Math.min((chunk.length * 8) / bits, elementCount - chunkFirst);
    const values = buffer();
    const moves = buffer();
    for (const segment of listSegmentsIn(shifts.layout, layerIndex, chunkFirst, chunkCount)) {
      const piece = moves.subarray(0, segment.count);
      const dither = fillShifts(shifts, segment, piece);
      shiftBytes(layer.dtype, chunk, segment.first - chunkFirst, values.subarray(0, segment.count), piece, dither);
    }
  };
  return { kind: 'tensor', tensor: layer.name, apply };
}

/** Shifts elements [at, at + values.length) of packed `bytes` in place; elements that do not move keep their bytes. */
function shiftBytes(
  dtype: DType,
  bytes: Uint8Array,
  at: number,
  values: Float64Array,
  moves: Float64Array,
  dither: Float32Array,
): void {
  if (isBlockDType(dtype)) {
    shiftBlocks(dtype, bytes, at, moves, dither);
    return;
  }
  const { bits } = DTYPES[dtype];
  const perByte = Math.max(1, 8 / bits);
  const lead = at % perByte;
  const begin = ((at - lead) * bits) / 8;
  const part = bytes.subarray(begin, begin + Math.ceil(((lead + values.length) * bits) / 8));
  const whole = perByte === 1 ? values : new Float64Array(part.length * perByte);
  decodeElements(dtype, part, whole);
  const inner = whole.subarray(lead, lead + values.length);
  const before = Float64Array.from(inner);
  shiftElements(dtype, inner, moves, dither);
  if (perByte > 1) {
    encodeElements(dtype, whole, part);
    return;
  }
  const size = bits / 8;
  const encoded = new Uint8Array(part.length);
  encodeElements(dtype, inner, encoded);
  // A NaN's payload or a signed zero that did not move must not change by a round trip.
  for (let i = 0; i < inner.length; i++) {
    if (inner[i] === before[i] || Number.isNaN(inner[i])) continue;
    for (let k = i * size; k < (i + 1) * size; k++) part[k] = encoded[k]!;
  }
}

/**
 * Sum of squared changes of each layer over its sampled positions. Wide floats change by their shift, so their sum follows
 * from the counts or the shaped changes; what moves by whole steps is compared value by value.
 */
export function toChangeSquares(
  shifts: MarkShifts,
  plain: readonly ElementSource[],
  sums: readonly LayerSums[],
): Float64Array {
  const { layout, byCode, deviations } = shifts;
  const isStepped = layout.layers.map(({ layer }) => needsDither(layer.dtype));
  const found = Float64Array.from(layout.layers, (_, index) => {
    const change = findChange(shifts, index);
    if (change !== null) return deviations[index] ** 2 * change.reduce((sum, value) => sum + value * value, 0);
    return sums[index].counts.reduce((sum, count, bit) => sum + count * (byCode[bit] * deviations[index]) ** 2, 0);
  });
  if (!isStepped.includes(true)) return found;
  isStepped.forEach((isOwn, index) => {
    if (isOwn) found[index] = 0;
  });
  const marked = plain.map((view, index) => createMarkedView(shifts, index, view));
  const [before, after] = [buffer(), buffer()];
  for (const { layerIndex, first, count } of listSegments(layout)) {
    if (!isStepped[layerIndex]) continue;
    plain[layerIndex].read(first, before.subarray(0, count));
    marked[layerIndex].read(first, after.subarray(0, count));
    for (let i = 0; i < count; i++) found[layerIndex] += (after[i] - before[i]) ** 2;
  }
  return found;
}
