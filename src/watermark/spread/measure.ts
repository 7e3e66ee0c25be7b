/** The statistics of a mark: keyed block sums per layer, from which margins, errors and evidence follow (docs/spec/watermark.md §4.3, §6). */
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { type Layout, listSegments } from './layout.ts';
import type { SlotSource } from './slots.ts';

/**
 * The weights of one layer in the original's element order, whatever the suspect's layout. `read` fills `into` with
 * the elements from `first`; what the suspect lacks is NaN.
 */
export interface LayerView {
  read(first: number, into: Float64Array): void;
}

/** Mean and standard deviation of a layer's sampled, finite values. */
export interface LayerScale {
  readonly mean: number;
  readonly deviation: number;
  /** Finite values seen. */
  readonly count: number;
  /** Values seen that are NaN or infinite. */
  readonly badCount: number;
}

/** Block sums of one layer over its sampled positions. */
export interface LayerSums {
  /** Σ chip · w~ per bit, w~ normalised and clipped. */
  readonly sums: Float64Array;
  /** Finite positions per bit. */
  readonly counts: Uint32Array;
  /** Σ w~² over all of them. */
  squares: number;
}

/** Normalised weights are clipped here, so that no outlier owns a block. */
const CLIP = 3;

/** Scales of all layers; null views give empty scales. */
export function toScales(layout: Layout, views: readonly (LayerView | null)[]): LayerScale[] {
  const sums = layout.layers.map(() => ({ count: 0, badCount: 0, shift: 0, first: 0, second: 0 }));
  const buffer = new Float64Array(WATERMARK_LIMITS.tileWeights);
  for (const { layerIndex, first, count } of listSegments(layout)) {
    const view = views[layerIndex];
    if (!view) continue;
    const values = buffer.subarray(0, count);
    view.read(first, values);
    const sum = sums[layerIndex];
    for (let i = 0; i < count; i++) {
      const value = values[i];
      if (!Number.isFinite(value)) {
        sum.badCount++;
        continue;
      }
      // Moments around the first value keep their digits where the mean is large against the spread.
      if (sum.count === 0) sum.shift = value;
      sum.count++;
      sum.first += value - sum.shift;
      sum.second += (value - sum.shift) ** 2;
    }
  }
  return sums.map(({ count, badCount, shift, first, second }) => {
    const offset = count === 0 ? 0 : first / count;
    const variance = count === 0 ? 0 : Math.max(0, second / count - offset * offset);
    return { mean: shift + offset, deviation: Math.sqrt(variance), count, badCount };
  });
}

/** Block sums of all layers, given their scales. */
export function toLayerSums(
  layout: Layout,
  slots: SlotSource,
  views: readonly (LayerView | null)[],
  scales: readonly LayerScale[],
): LayerSums[] {
  const found = layout.layers.map(
    (): LayerSums => ({ sums: new Float64Array(layout.bits), counts: new Uint32Array(layout.bits), squares: 0 }),
  );
  const buffer = new Float64Array(WATERMARK_LIMITS.tileWeights);
  for (const { layerIndex, first, count, tile, tileOffset } of listSegments(layout)) {
    const view = views[layerIndex];
    const scale = scales[layerIndex];
    if (view === null || scale.deviation === 0) continue;
    const values = buffer.subarray(0, count);
    view.read(first, values);
    addSegment(found[layerIndex], values, scale, slots.codes(tile).subarray(tileOffset, tileOffset + count));
  }
  return found;
}

function addSegment(into: LayerSums, values: Float64Array, { mean, deviation }: LayerScale, codes: Uint16Array): void {
  const { sums, counts } = into;
  const bits = sums.length;
  const inverse = 1 / deviation;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const scaled = (values[i] - mean) * inverse;
    // Also false for NaN: a missing position counts nowhere.
    if (!(scaled > -1e300 && scaled < 1e300)) continue;
    const clipped = scaled > CLIP ? CLIP : scaled < -CLIP ? -CLIP : scaled;
    const code = codes[i];
    if (code < bits) {
      sums[code] += clipped;
      counts[code]++;
    } else {
      sums[code - bits] -= clipped;
      counts[code - bits]++;
    }
    squares += clipped * clipped;
  }
  into.squares += squares;
}

/** Sums over some layers: one value per bit, with the number of positions behind it. */
export function combineSums(bits: number, some: readonly LayerSums[]): LayerSums {
  const sums = new Float64Array(bits);
  const counts = new Uint32Array(bits);
  let squares = 0;
  for (const layer of some) {
    for (let i = 0; i < bits; i++) {
      sums[i] += layer.sums[i];
      counts[i] += layer.counts[i];
    }
    squares += layer.squares;
  }
  return { sums, counts, squares };
}
