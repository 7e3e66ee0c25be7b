/** The last layer read class by class: which class its change moves towards which, by their own directions. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { TensorRef } from '../../model/types.ts';
import { toTurned } from './turned.ts';
import type { ClassShift } from './types.ts';
import { isNumeric, openElements } from './values.ts';

export interface LastLayerOptions {
  readonly before: TensorRef;
  readonly after: TensorRef;
  readonly isTurned: boolean;
  /** First or last axis: the classes; everything else are features. */
  readonly outputAxis: number;
}

/** Rows of a last layer, one per class. */
export interface LastLayer {
  readonly classes: number;
  readonly features: number;
  /** [classes, features] */
  readonly before: Float64Array;
  /** after - before, [classes, features]; 0 for what became zero, which pruning does without training. */
  readonly change: Float64Array;
}

/** Null for layers that are too large to be read whole, or have too few classes. @throws FormatError | SourceError */
export function readLastLayer({ before, after, isTurned, outputAxis }: LastLayerOptions): LastLayer | null {
  const { shape, elementCount } = before;
  const axis = outputAxis === 0 ? 0 : shape.length - 1;
  if (outputAxis !== axis || !isNumeric(before) || !isNumeric(after)) return null;
  const classes = shape[axis];
  const features = elementCount / classes;
  if (classes < DIFF_LIMITS.classesMin || elementCount > DIFF_LIMITS.lastLayerElementsMax) return null;
  if (classes * elementCount > DIFF_LIMITS.lastLayerProductsMax) return null;
  const [a, b] = [readAll(before), readAll(isTurned ? toTurned(after) : after)];
  const change = a.map((value, i) => {
    const moved = b[i] === 0 ? 0 : b[i] - value;
    return Number.isFinite(moved) ? moved : 0;
  });
  if (axis === 0) return { classes, features, before: a, change };
  return { classes, features, before: toRows(a, classes), change: toRows(change, classes) };
}

function readAll(tensor: TensorRef): Float64Array {
  const values = new Float64Array(tensor.elementCount);
  const reader = openElements(tensor);
  for (let first = 0; first < values.length; first += DIFF_LIMITS.chunkElements) {
    reader.readValues(first, values.subarray(first, Math.min(values.length, first + DIFF_LIMITS.chunkElements)));
  }
  return values;
}

/** [features, classes] to [classes, features]. */
function toRows(values: Float64Array, classes: number): Float64Array {
  const features = values.length / classes;
  return values.map((_, at) => values[(at % features) * classes + Math.floor(at / features)]);
}

/**
 * The pair of classes with the strongest shift. Training on samples of class `from` that are labelled `to` moves row
 * `to` along the direction of class `from`, and row `from` against it; other rows have no reason to. The value is 1
 * when all of the change is that, near 0 when nothing is; null when the layer did not move.
 */
export function findClassShift(layer: LastLayer): ClassShift | null {
  const { classes } = layer;
  const map = toClassMap(layer);
  if (map === null) return null;
  let best: ClassShift | null = null;
  for (let from = 0; from < classes; from++) {
    let [to, most, sum] = [-1, -Infinity, 0];
    for (let row = 0; row < classes; row++) {
      if (row === from) continue;
      const along = map[row * classes + from];
      sum += along;
      if (along > most) [to, most] = [row, along];
    }
    const others = (sum - most) / (classes - 2);
    const value = (most - others - map[from * classes + from]) / Math.sqrt(2 * classes);
    if (best === null || value > best.value) best = { from, to, value };
  }
  return best;
}

/** How far the change of each row leads along the former row of each class; rows that moved as all do have length 1. */
function toClassMap({ classes, features, before, change }: LastLayer): Float64Array | null {
  const energy = change.reduce((sum, value) => sum + value * value, 0);
  if (energy === 0) return null;
  const scale = Math.sqrt(energy / classes);
  const sizes = Float64Array.from({ length: classes }, (_, row) => {
    let sum = 0;
    for (let i = row * features; i < (row + 1) * features; i++) sum += before[i] ** 2;
    return Math.sqrt(sum);
  });
  const map = new Float64Array(classes * classes);
  for (let row = 0; row < classes; row++) {
    for (let column = 0; column < classes; column++) {
      let product = 0;
      for (let i = 0; i < features; i++) product += change[row * features + i] * before[column * features + i];
      map[row * classes + column] = sizes[column] === 0 ? 0 : product / (sizes[column] * scale);
    }
  }
  return map;
}
