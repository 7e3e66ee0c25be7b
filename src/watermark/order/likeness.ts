/** How alike a suspect's aligned weights are to the original's: whether an order is worth speaking of (docs/spec/recipient-code.md §7.3). */
import type { AlignedLayer, Layer } from '../../align/index.ts';
import type { Model } from '../../model/types.ts';
import { createElementReader } from '../elements.ts';

/** Elements of a layer that are compared, from its first: channels are in no order of importance. */
const ELEMENTS_MAX = 262_144;
const PIECE = 4096;

/**
 * Cosine over the elements that both have, layers weighted by their size; 0 without any. Independent models, aligned, reach
 * some tenths by what the assignment picks.
 */
export function toLikeness(
  layers: readonly Layer[],
  original: Pick<Model, 'tensors'>,
  aligned: ReadonlyMap<string, AlignedLayer | null>,
): number {
  const tensors = new Map(original.tensors.map((tensor) => [tensor.name, tensor]));
  let [weighted, total] = [0, 0];
  for (const { name } of layers) {
    const [tensor, theirs] = [tensors.get(name), aligned.get(name) ?? null];
    if (tensor === undefined) continue;
    total += tensor.elementCount;
    if (theirs === null) continue;
    const count = Math.min(ELEMENTS_MAX, tensor.elementCount);
    weighted += tensor.elementCount * toCosine(createElementReader(tensor), theirs, count);
  }
  return total === 0 ? 0 : weighted / total;
}

function toCosine(read: (first: number, into: Float64Array) => void, theirs: AlignedLayer, count: number): number {
  const [a, b] = [new Float64Array(PIECE), new Float64Array(PIECE)];
  let [product, own, other] = [0, 0, 0];
  for (let first = 0; first < count; first += PIECE) {
    const length = Math.min(PIECE, count - first);
    read(first, a.subarray(0, length));
    theirs.read(first, b.subarray(0, length));
    for (let i = 0; i < length; i++) {
      own += a[i] * a[i];
      if (!Number.isFinite(b[i])) continue;
      product += a[i] * b[i];
      other += b[i] * b[i];
    }
  }
  return own > 0 && other > 0 ? product / Math.sqrt(own * other) : 0;
}
