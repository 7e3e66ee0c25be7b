import { describe, expect, test } from 'vitest';
import { memoryTensor, seededNumbers } from '../../test/fakes/memory-model.ts';
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { assign, type SimilarityMatrix } from './assignment.ts';
import { toLattice } from './lattice.ts';
import { addFeatures, type Side, toFeatures } from './similarity.ts';

const CHANNELS = 1024;
const FEATURES = 640;
const random = seededNumbers(77);
const identity = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => i);

function toSide(values: Float32Array, entries = identity(CHANNELS)): Side {
  const tensor = memoryTensor('w', [CHANNELS, FEATURES], values);
  const ref = { ...tensor, elementCount: values.length, byteLength: 4 * values.length };
  const lattice = toLattice({
    ...{ shape: [CHANNELS, FEATURES], outAxis: 0, inAxis: 1, groups: 1 },
    tensor: {
      ...{ ...ref, storage: 'raw', fileIndex: 0, start: 0, end: 0 },
      read: (offset, into) => {
        into.set(tensor.data.subarray(offset, offset + into.length));
      },
    },
  });
  return { lattice, side: 'out', entries, inner: 1, others: identity(FEATURES) };
}

function match(ours: Side, theirs: Side, featuresMax: number): Int32Array {
  const matrix: SimilarityMatrix = { rows: CHANNELS, columns: CHANNELS, values: new Float32Array(CHANNELS ** 2) };
  addFeatures(matrix, toFeatures(ours, featuresMax), toFeatures(theirs, featuresMax));
  return assign(matrix);
}

/** Weights with the outliers that trained ones have, and neurons that are alike in groups of four. */
function drawWeights(): Float32Array {
  const shared = Float32Array.from({ length: (CHANNELS / 4) * FEATURES }, () => random.normal());
  return Float32Array.from({ length: CHANNELS * FEATURES }, (_, at) => {
    const group = Math.floor(at / FEATURES / 4);
    const own = random.normal() * (random.uniform() < 0.01 ? 6 : 1);
    return 0.7 * shared[group * FEATURES + (at % FEATURES)] + own;
  });
}

const DISTORTIONS: Readonly<Record<string, (values: Float32Array) => Float32Array>> = {
  'fine-tuned': (values) => values.map((value) => value + 0.2 * random.normal()),
  'noise as large as the weights': (values) => values.map((value) => value + 1.2 * random.normal()),
  'int4, one scale': (values) => {
    const step = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 7;
    return values.map((value) => step * Math.round(value / step));
  },
};

describe('folded features', () => {
  const original = drawWeights();
  const order = identity(CHANNELS).map((i) => (i * 389 + 5) % CHANNELS);

  test.each(
    Object.entries(DISTORTIONS),
  )('%s: 256 and 64 sums assign 1,024 channels as exact cosines do', (_, distort) => {
    const changed = distort(original);
    const exact = match(toSide(original), toSide(changed, order), FEATURES);
    const truth = identity(CHANNELS).map((i) => order.indexOf(i));
    expect(exact).toEqual(truth);
    for (const width of [ALIGN_LIMITS.featuresMany, ALIGN_LIMITS.featuresMost]) {
      const found = match(toSide(original), toSide(changed, order), width);
      const wrong = found.filter((channel, i) => channel !== exact[i]).length;
      if (width === ALIGN_LIMITS.featuresMany) expect(wrong).toBe(0);
      else expect(wrong).toBeLessThanOrEqual(CHANNELS / 100);
    }
  });
});
