/** Collects rows of one layer's input over many runs, in bounded memory. */
import type { WeightUse } from '../../align/index.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { toDirections } from './directions.ts';
import { toFeatureReader, type Value } from './features.ts';
import type { LayerCalibration } from './types.ts';

const GOLDEN = (Math.sqrt(5) - 1) / 2;

export interface LayerObserver {
  /** Takes `rowsWanted` rows of a run, evenly spread, and the run's outputs. */
  observe(input: Value, output: Value, rowsWanted: number): void;
  /** Null when the layer's input could not be read, or never differed from zero. */
  finish(): LayerCalibration | null;
}

/** @param rowsMax rows kept in all */
export function createLayerObserver(use: WeightUse, rowsMax: number): LayerObserver {
  const { weight, groups, outAxis } = use;
  const outputs = outAxis === null ? 0 : weight.shape[outAxis];
  const features = outputs === 0 ? 0 : weight.tensor.elementCount / outputs;
  const width = features * groups;
  const kept = new Float32Array(rowsMax * width);
  const moments = { count: 0, sum: 0, square: 0 };
  let rows = 0;
  let isReadable = width > 0;
  return {
    observe: (input, output, rowsWanted) => {
      const reader = isReadable ? toFeatureReader(use, input, output.shape) : null;
      isReadable = reader !== null;
      if (reader === null) return;
      addMoments(moments, output.data);
      const take = Math.min(rowsWanted, reader.rows, rowsMax - rows);
      for (let i = 0; i < take; i++) {
        // The golden ratio spreads the places inside each stretch, so that a feature map is seen everywhere.
        const place = (i + ((i * GOLDEN) % 1)) / take;
        reader.read(Math.floor(place * reader.rows), kept.subarray((rows + i) * width, (rows + i + 1) * width));
      }
      rows += take;
    },
    finish: () => {
      if (!isReadable || rows === 0) return null;
      const mean = moments.sum / moments.count;
      const outputVariance = moments.square / moments.count - mean * mean;
      return toCalibration(kept.subarray(0, rows * width), { features, groups, rows, outputVariance });
    },
  };
}

function addMoments(into: { count: number; sum: number; square: number }, values: Float32Array): void {
  for (const value of values) {
    into.sum += value;
    into.square += value * value;
  }
  into.count += values.length;
}

function toCalibration(
  kept: Float32Array,
  {
    features,
    groups,
    rows,
    outputVariance,
  }: { features: number; groups: number; rows: number; outputVariance: number },
): LayerCalibration | null {
  if (!kept.every(Number.isFinite) || !Number.isFinite(outputVariance)) return null;
  const rank = Math.min(WATERMARK_LIMITS.calibrationRank, features, rows);
  const directions = new Float32Array(groups * rank * features);
  const powers = new Float64Array(groups * rank);
  const meanPowers = new Float64Array(groups);
  const own = new Float32Array(rows * features);
  for (let group = 0; group < groups; group++) {
    for (let row = 0; row < rows; row++) {
      const at = (row * groups + group) * features;
      own.set(kept.subarray(at, at + features), row * features);
    }
    const found = toDirections(own, features, rank);
    directions.set(found.vectors, group * rank * features);
    powers.set(found.powers, group * rank);
    meanPowers[group] = found.meanPower;
  }
  const isSilent = meanPowers.every((power) => power === 0);
  return isSilent ? null : { features, groups, rank, directions, powers, meanPowers, outputVariance };
}
