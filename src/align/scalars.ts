/** One number per channel beside the weights, in a form that rescaled neurons do not change (docs/spec/watermark.md §7.2). */
import type { Model, TensorRef } from '../model/types.ts';
import { isNumeric, toSingles } from './lattice.ts';
import type { Pairs } from './pairs.ts';
import type { ChannelVector, Topology } from './ports.ts';

/** The same number for every channel of a space, in both models. */
export interface ScalarPair {
  readonly space: number;
  readonly ours: Float64Array;
  readonly theirs: Float64Array;
}

/** Added to a variance or scale before dividing; batch norm itself uses about 1e-5. */
const EPSILON = 1e-5;

/**
 * Bias as it is; batch norm as mean / √variance and shift / scale, which do not change when the convolution or the
 * output is rescaled. Vectors with more than one axis or segment are left to the weights.
 */
export function toScalarPairs(topology: Topology, original: Model, pairs: Pairs): ScalarPair[] {
  const tensors = new Map(original.tensors.map((tensor) => [tensor.name, tensor]));
  const found: ScalarPair[] = [];
  topology.vectors.forEach((vector, index) => {
    const numbers = (at: number): [Float32Array, Float32Array] | undefined =>
      readBoth(tensors.get(topology.vectors[at]?.name ?? ''), pairs.vectors[at]);
    const [segment, ...others] = vector.channels.segments;
    if (others.length > 0 || segment.space < 0 || vector.channels.inner !== 1 || !isFlat(vector)) return;
    const own = numbers(index);
    const before = index > 0 && isPartner(topology.vectors[index - 1], vector) ? numbers(index - 1) : undefined;
    if (own === undefined) return;
    const convert = (model: 0 | 1): Float64Array =>
      Float64Array.from(own[model], (value, i) => {
        if (vector.role === 'shift' && before) return value / (Math.abs(before[model][i]) + EPSILON);
        if (vector.role === 'variance' && before) return before[model][i] / Math.sqrt(Math.abs(value) + EPSILON);
        return value;
      });
    if (vector.role === 'bias' || before) found.push({ space: segment.space, ours: convert(0), theirs: convert(1) });
  });
  return found;
}

function isFlat(vector: ChannelVector): boolean {
  return vector.shape.every((dim, axis) => dim === 1 || axis === vector.channels.axis);
}

function isPartner(before: ChannelVector, vector: ChannelVector): boolean {
  const isPair =
    (before.role === 'scale' && vector.role === 'shift') || (before.role === 'mean' && vector.role === 'variance');
  return isPair && before.channels.segments[0]?.space === vector.channels.segments[0]?.space;
}

function readBoth(
  ours: TensorRef | undefined,
  theirs: TensorRef | null | undefined,
): [Float32Array, Float32Array] | undefined {
  if (!ours || !theirs || !isNumeric(ours) || !isNumeric(theirs)) return undefined;
  return [toSingles(ours), toSingles(theirs)];
}
