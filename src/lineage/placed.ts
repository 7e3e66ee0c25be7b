/**
 * Layers whose neurons have their place by design: identity at the start, bands, triangular masks, tuning curves. There the
 * order of neurons is no accident of a start, and independent models of one design agree in it (docs/spec/lineage.md §5).
 */
import { LINEAGE_LIMITS } from '../core/limits/lineage.ts';
import type { TensorRef } from '../model/types.ts';
import { readAt } from './elements.ts';
import type { FrameLayer } from './pairs.ts';
import { spreadIndices } from './sample.ts';
import { isInStep } from './spectrum.ts';

/** Waves along the neurons, and along what they read, that are held against each other. */
const WAVES = [1, 2, 3];
/** Deviations of a correlation under exchangeable neurons: 3 in a million layers lie beyond it by chance. */
const DEVIATIONS_MAX = 5;

/** Row-major places of some neurons along `outAxis`, some numbers of each, neuron after neuron. */
export function toRowPlaces(shape: readonly number[], outAxis: number, rows: Int32Array): Float64Array {
  const total = shape.reduce((product, dim) => product * dim, 1);
  const stride = shape.slice(outAxis + 1).reduce((product, dim) => product * dim, 1);
  const features = spreadIndices(total / shape[outAxis], LINEAGE_LIMITS.orderFeaturesMax);
  const places = new Float64Array(rows.length * features.length);
  rows.forEach((row, i) => {
    features.forEach((feature, j) => {
      const outer = Math.floor(feature / stride);
      places[i * features.length + j] = (outer * shape[outAxis] + row) * stride + (feature % stride);
    });
  });
  return places;
}

/**
 * Whether rows tell their own number. Where the labels of neurons are exchangeable, where a row has its large weights says
 * nothing of where the row stands: the correlation of both is 0 within 1 / √(rows - 1). Rows of a grouped convolution read
 * other inputs than those of another group, and can change places within their own alone: means of groups are taken off both.
 * @param values [rows][width]
 * @param groups number of each row's group; one group without
 */
export function isPlaced(values: Float32Array, rows: number, groups: Int32Array = new Int32Array(rows)): boolean {
  const width = values.length / rows;
  const free = rows - new Set(groups).size;
  if (free < 2 || width < 3) return false;
  return WAVES.some((across) => {
    const centres = withoutMeans(toCentres(values, rows, toWave(across, width)), groups);
    return WAVES.some((along) => {
      const wave = withoutMeans(toWave(along, rows), groups);
      return Math.abs(toCorrelation(centres, wave)) * Math.sqrt(free) > DEVIATIONS_MAX;
    });
  });
}

/** Takes the mean of its group off each number, in place. */
function withoutMeans(values: Float64Array, groups: Int32Array): Float64Array {
  const sums = new Map<number, { total: number; count: number }>();
  groups.forEach((group, at) => {
    const sum = sums.get(group) ?? { total: 0, count: 0 };
    sums.set(group, sum);
    sum.total += values[at];
    sum.count += 1;
  });
  groups.forEach((group, at) => {
    const { total, count } = sums.get(group)!;
    values[at] -= total / count;
  });
  return values;
}

/** What was found of a tensor: order and agreement ask both, for each original. */
const FOUND = new WeakMap<TensorRef, boolean>();

/** The layer as its own file holds it. @throws FormatError | SourceError from the readers */
export function isLayerPlaced(layer: FrameLayer): boolean {
  const found = FOUND.get(layer.tensor) ?? looksPlaced(layer);
  FOUND.set(layer.tensor, found);
  return found;
}

function looksPlaced({ layer, tensor }: FrameLayer): boolean {
  const { shape } = layer;
  if (shape.length < 2) return false;
  const outAxis = layer.outAxis ?? 0;
  const neurons = spreadIndices(shape[outAxis], LINEAGE_LIMITS.orderNeuronsMax);
  const values = readAt(tensor, toRowPlaces(shape, outAxis, neurons));
  const groups = toGroups(layer, neurons);
  return isPlaced(values, neurons.length, groups) || isInStep(values, neurons.length, groups);
}

/** With one input for each group, rows are kernels alone, and any two of them can change places. */
function toGroups({ shape, outAxis, inAxis, groups }: FrameLayer['layer'], neurons: Int32Array): Int32Array {
  if (groups === 1 || outAxis === null || inAxis === null || shape[inAxis] === 1) return new Int32Array(neurons.length);
  return neurons.map((neuron) => Math.floor(neuron / (shape[outAxis] / groups)));
}

function toWave(count: number, length: number): Float64Array {
  return Float64Array.from({ length }, (_, at) => Math.cos((Math.PI * count * (at + 0.5)) / length));
}

/** Mean of the weights over each row's squares; 0 for dead rows. @param weights one for each number of a row */
function toCentres(values: Float32Array, rows: number, weights: Float64Array): Float64Array {
  const width = weights.length;
  const centres = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    let total = 0;
    for (let at = 0; at < width; at++) {
      const square = values[row * width + at] ** 2;
      sum += square * weights[at];
      total += square;
    }
    if (total > 0 && Number.isFinite(total)) centres[row] = sum / total;
  }
  return centres;
}

function toCorrelation(a: Float64Array, b: Float64Array): number {
  const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let product = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < a.length; i++) {
    product += (a[i] - meanA) * (b[i] - meanB);
    squaresA += (a[i] - meanA) ** 2;
    squaresB += (b[i] - meanB) ** 2;
  }
  return squaresA > 0 && squaresB > 0 ? product / Math.sqrt(squaresA * squaresB) : 0;
}
